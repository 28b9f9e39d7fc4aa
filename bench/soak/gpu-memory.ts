// Counts the GPU memory of a device: what was created and is not destroyed, whether or not it could
// be garbage-collected.

/** What a device holds. */
export interface GpuMemory {
  /** Bytes of buffers and textures. */
  readonly bytes: number;
  /** Number of buffers, textures and query sets. */
  readonly objects: number;
}

/** Counts what is created on a device from now on. */
export function countGpuMemory(device: GPUDevice): GpuMemory {
  const held = new Map<object, number>();
  const follow = <T extends { destroy(): undefined }>(made: T, bytes: number): T => {
    held.set(made, bytes);
    const destroy = made.destroy.bind(made);
    made.destroy = () => {
      held.delete(made);
      destroy();
    };
    return made;
  };
  const createBuffer = device.createBuffer.bind(device);
  const createTexture = device.createTexture.bind(device);
  const createQuerySet = device.createQuerySet.bind(device);
  device.createBuffer = (descriptor) => follow(createBuffer(descriptor), descriptor.size);
  device.createTexture = (descriptor) => {
    const texture = createTexture(descriptor);
    return follow(texture, texture.width * texture.height * 4);
  };
  device.createQuerySet = (descriptor) => follow(createQuerySet(descriptor), 0);
  return {
    get bytes() {
      return [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
    },
    get objects() {
      return held.size;
    },
  };
}
