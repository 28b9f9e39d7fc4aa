import { afterAll, describe, expect, it } from 'vitest';
import { dispatch } from '../../src/gpu/dispatch.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import { Timeline } from '../../src/gpu/timeline.js';
import { openGpu } from '../../src/node.js';
import { shaderOf } from '../../src/wgsl/assemble.js';
import { followBuffers } from '../support/follow-buffers.js';

describe('a program whose bindings do not fit', async () => {
  const gpu = await openGpu({ adapter: 'swiftshader' });
  afterAll(() => gpu.dispose());

  it('is refused, and frees its memory', async () => {
    const { device } = gpu;
    const text = `struct Sizes { count: u32 }
      @group(0) @binding(0) var<storage, read> input: array<u32>;
      @group(0) @binding(1) var<storage, read_write> output: array<u32>;
      @group(0) @binding(2) var<uniform> sizes: Sizes;
      @compute @workgroup_size(1) fn main() { output[0] = input[0] + sizes.count; }`;
    // Not usable as a storage buffer.
    const input = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST });
    const alive = followBuffers(device);
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

describe('a program of many dispatches', async () => {
  const gpu = await openGpu({ adapter: 'swiftshader' });
  afterAll(() => gpu.dispose());

  it('is submitted in parts, in order, its stages timed as a whole', async () => {
    const { queue } = gpu.device;
    const output = { label: 'output', bytes: 4 };
    // Each dispatch multiplies by 3 and adds its digit, so that the order shows.
    const text = `struct Sizes { digit: u32 }
      @group(0) @binding(0) var<storage, read_write> output: array<u32>;
      @group(0) @binding(1) var<uniform> sizes: Sizes;
      @compute @workgroup_size(1) fn main() { output[0] = output[0] * 3u + sizes.digit; }`;
    const shader = shaderOf({ name: 'digit.wgsl', text })({});
    const digits = Array.from({ length: 110 }, (_, index) => index % 3);
    const dispatches = digits.map((digit) =>
      dispatch({
        label: 'digit',
        shader,
        bindings: { output },
        uniforms: { digit },
        workgroups: [1, 1, 1],
      }),
    );
    const stages = [
      { name: 'empty', dispatches: [] },
      { name: 'long', dispatches: dispatches.slice(0, 100) },
      { name: 'left out', dispatches: dispatches.slice(0, 1) },
      { name: 'short', dispatches: dispatches.slice(100) },
    ];
    const program = await Program.create(gpu, stages, [output]);
    const timeline = Timeline.create(gpu);
    const readback = new Readback(gpu, output.bytes + 8 + (timeline?.bytes ?? 0));
    let submits = 0;
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      submits++;
      submit(buffers);
    };
    const encoder = program.start(timeline, ['empty', 'long', 'short']);
    expect(submits).toBe(2);
    const range = readback.copy(encoder, program.bufferOf(output), output.bytes);
    const timesOf = timeline?.copyTo(readback, encoder);
    queue.submit([encoder.finish()]);
    const [value, times] = await readback.read((bytes) => [
      new Uint32Array(bytes, range.offset, 1)[0],
      timesOf?.(bytes),
    ]);
    const expected = digits.reduce((sum, digit) => (Math.imul(sum, 3) + digit) >>> 0, 0);
    expect(value).toBe(expected);
    if (times) expect(times.long).toBeGreaterThan(0);
    readback.dispose();
    timeline?.dispose();
    program.dispose();
  });
});
