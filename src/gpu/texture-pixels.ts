// Images in textures: their pixels are copied to a buffer without leaving the GPU
// (shaders/gather_texels.wgsl).
import source from '../../shaders/gather_texels.wgsl';
import { PanppError, firstLine } from '../errors.js';
import { allocated } from './allocate.js';
import type { Gpu } from './context.js';
import { shaderOf } from '../wgsl/assemble.js';
import { dispatch, pipelineOf } from './dispatch.js';
import { submitOnce } from './program.js';

/** Image sources that WebGPU can copy into a texture directly. */
export type ExternalPicture = GPUCopyExternalImageSource;

/** Rows and columns of a texture. */
export interface TexelPart {
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
  /** Where their pixels begin in the buffer: a multiple of 256; default: 0. */
  readonly firstByte?: number;
}

const gatherTexels = { label: 'panpp texels', shader: shaderOf(source)() };

export class TexturePixels {
  readonly width: number;
  readonly height: number;
  readonly #gpu: Gpu;
  readonly #texture: GPUTexture;
  readonly #view: GPUTextureView;
  readonly #pipeline: GPUComputePipeline;
  readonly #isOwn: boolean;

  private constructor(gpu: Gpu, texture: GPUTexture, pipeline: GPUComputePipeline, isOwn: boolean) {
    this.width = texture.width;
    this.height = texture.height;
    this.#gpu = gpu;
    this.#texture = texture;
    this.#view = texture.createView();
    this.#pipeline = pipeline;
    this.#isOwn = isOwn;
  }

  /**
   * Uses a caller's texture, which is read when `gather` runs and is never changed.
   * @throws PanppError `argument` if it belongs to another device, or can't be read as 8-bit
   * colours
   */
  static async ofTexture(gpu: Gpu, texture: GPUTexture): Promise<TexturePixels> {
    const { format, dimension, sampleCount, usage } = texture;
    if (
      dimension !== '2d' ||
      sampleCount !== 1 ||
      !(usage & GPUTextureUsage.TEXTURE_BINDING) ||
      !/^(rgba|bgra)8unorm$/.test(format)
    ) {
      const wanted =
        'a 2-D texture of rgba8unorm or bgra8unorm, one sample, with the usage TEXTURE_BINDING';
      throw new PanppError(
        'argument',
        `an image is ${wanted}, not a ${dimension} one of ${format}, ${sampleCount} samples, usage ${usage}`,
      );
    }
    const pipeline = await pipelineOf(gpu, gatherTexels);
    gpu.device.pushErrorScope('validation');
    const pixels = new TexturePixels(gpu, texture, pipeline, false);
    gpu.device.createBindGroup({
      layout: gpu.device.createBindGroupLayout({
        entries: [{ binding: 0, visibility: GPUShaderStage.COMPUTE, texture: {} }],
      }),
      entries: [{ binding: 0, resource: pixels.#view }],
    });
    const fault = await gpu.device.popErrorScope();
    if (fault)
      throw new PanppError(
        'argument',
        `this texture can't be read on the model's device: ${firstLine(fault.message)}`,
      );
    return pixels;
  }

  /**
   * Copies a browser's image source immediately. Returns undefined if the image is too large for a
   * texture. The promise rejects with PanppError `argument` if memory runs out.
   * @throws DOMException synchronously, as `copyExternalImageToTexture` does
   */
  static ofExternal(
    gpu: Gpu,
    source: ExternalPicture,
    width: number,
    height: number,
  ): Promise<TexturePixels> | undefined {
    const { device } = gpu;
    if (Math.max(width, height) > device.limits.maxTextureDimension2D) return undefined;
    let texture!: GPUTexture;
    const allocation = allocated(
      gpu,
      `the memory for a picture of ${width} × ${height} pixels`,
      () =>
        (texture = device.createTexture({
          label: 'panpp picture',
          size: [width, height],
          format: 'rgba8unorm',
          usage:
            GPUTextureUsage.TEXTURE_BINDING |
            GPUTextureUsage.COPY_DST |
            GPUTextureUsage.RENDER_ATTACHMENT,
        })),
      () => texture.destroy(),
      'give a smaller picture',
    );
    try {
      device.queue.copyExternalImageToTexture({ source }, { texture, premultipliedAlpha: false }, [
        width,
        height,
      ]);
    } catch (error) {
      allocation.catch(() => {});
      texture.destroy();
      throw error;
    }
    return Promise.all([pipelineOf(gpu, gatherTexels), allocation]).then(
      ([pipeline]) => new TexturePixels(gpu, texture, pipeline, true),
    );
  }

  /** Copies the pixels of parts to a buffer, as RGBA bytes; submitted at once. */
  gather(parts: readonly TexelPart[], target: GPUBuffer): void {
    const { device } = this.#gpu;
    const made: GPUBuffer[] = [];
    const indices = (values: Uint32Array) => {
      const buffer = device.createBuffer({
        label: 'panpp texels',
        size: values.byteLength,
        usage: GPUBufferUsage.STORAGE,
        mappedAtCreation: true,
      });
      new Uint32Array(buffer.getMappedRange()).set(values);
      buffer.unmap();
      made.push(buffer);
      return buffer;
    };
    const dispatches = parts.map(({ rows, columns, firstByte = 0 }) => {
      const count = rows.length * columns.length;
      const range = { offset: firstByte, bytes: 4 * count };
      return dispatch({
        ...gatherTexels,
        bindings: {
          picture: this.#view,
          rows: indices(rows),
          columns: indices(columns),
          pixels: { resource: target, range },
        },
        invocations: [count],
      });
    });
    submitOnce(
      this.#gpu,
      'texels',
      dispatches,
      dispatches.map(() => this.#pipeline),
    );
    for (const buffer of made) buffer.destroy();
  }

  /** Frees the texture that `ofExternal` made; submitted work still completes. */
  dispose(): void {
    if (this.#isOwn) this.#texture.destroy();
  }
}
