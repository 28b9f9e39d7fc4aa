import { afterAll, describe, expect, it } from 'vitest';
import { dispatch } from '../../src/gpu/dispatch.js';
import { Program } from '../../src/gpu/program.js';
import { openGpu } from '../../src/node.js';
import { shaderOf } from '../../src/wgsl/assemble.js';

describe('a program whose bindings do not fit', async () => {
  const gpu = await openGpu({ adapter: 'swiftshader' });
  afterAll(() => gpu.dispose());

  it('is refused, and frees its memory', async () => {
    const { device } = gpu;
    const create = device.createBuffer.bind(device);
    const alive = new Set<GPUBuffer>();
    device.createBuffer = (descriptor) => {
      const buffer = create(descriptor);
      alive.add(buffer);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        alive.delete(buffer);
        destroy();
      };
      return buffer;
    };
    const text = `struct Sizes { count: u32 }
      @group(0) @binding(0) var<storage, read> input: array<u32>;
      @group(0) @binding(1) var<storage, read_write> output: array<u32>;
      @group(0) @binding(2) var<uniform> sizes: Sizes;
      @compute @workgroup_size(1) fn main() { output[0] = input[0] + sizes.count; }`;
    // Not usable as a storage buffer.
    const input = create({ size: 16, usage: GPUBufferUsage.COPY_DST });
    const output = { label: 'output', bytes: 16 };
    const planned = dispatch({
      label: 'test',
      shader: shaderOf({ name: 'test.wgsl', text })({}),
      bindings: { input, output },
      uniforms: { count: 1 },
      workgroups: [1, 1, 1],
    });
    const stages = [{ name: 'test', dispatches: [planned] }];
    await expect(Program.create(gpu, stages, [output])).rejects.toThrow(
      "a dispatch's bindings don't fit",
    );
    expect(alive).toEqual(new Set());
  });
});
