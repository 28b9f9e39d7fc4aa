/**
 * Follows the buffers that a device makes from now on; the result holds those that are not
 * destroyed. @param sizeOf gives buffers another size
 */
export function followBuffers(
  device: GPUDevice,
  sizeOf: (descriptor: GPUBufferDescriptor) => number = ({ size }) => size,
): ReadonlySet<GPUBuffer> {
  const create = device.createBuffer.bind(device);
  const alive = new Set<GPUBuffer>();
  device.createBuffer = (descriptor) => {
    const buffer = create({ ...descriptor, size: sizeOf(descriptor) });
    alive.add(buffer);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      alive.delete(buffer);
      destroy();
    };
    return buffer;
  };
  return alive;
}
