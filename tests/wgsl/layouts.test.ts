// What host and shaders agree on: structs by their members' names, bindings by theirs, and the few
// layouts that are written by hand.
import { describe, expect, it } from 'vitest';
import { dispatch } from '../../src/gpu/dispatch.js';
import { prepareUpload } from '../../src/images/upload.js';
import { maxTokens, stepFields, wordFields } from '../../src/recognition/plan.js';
import { shaderOf } from '../../src/wgsl/assemble.js';
import type { Source } from '../../src/wgsl/source.js';
import { declarationsOf } from '../../src/wgsl/declarations.js';
import { StructLayout } from '../../src/wgsl/struct.js';
import aggregation from '../../shaders/aggregation/common.wgsl';
import list from '../../shaders/aggregation/list.wgsl';
import regionSums from '../../shaders/aggregation/region_sums.wgsl';
import seed from '../../shaders/aggregation/seed.wgsl';
import decode from '../../shaders/recognition/decode.wgsl';
import encode from '../../shaders/recognition/encode.wgsl';
import maskedRoi from '../../shaders/recognition/masked_roi.wgsl';
import resize from '../../shaders/resize_normalize.wgsl';

const layoutIn = (struct: string, ...sources: readonly Source[]) =>
  shaderOf(...sources)({ constants: { LENGTH: maxTokens } }).layout(struct);
const offsets = ({ fields }: StructLayout) =>
  [...fields].map(([name, { offset, size }]) => [name, offset, size]);

describe('a struct’s layout', () => {
  const source: Source = {
    name: 'test.wgsl',
    text: `
      // As in the specification's section Structure Member Layout.
      struct A { u: f32, v: f32, w: vec2<f32>, x: f32 }
      struct B { a: vec2f, b: vec3f, c: f32, d: f32, e: Inner, f: vec3f, g: array<Inner, 3>, h: i32, }
      struct Inner { u: f32, v: f32, w: vec2f, x: f32 }
      struct Counts { flags: array<atomic<u32>, MANY>, many: atomic<i32>, rest: array<vec3u> }
      struct Odd { m: mat3x3f }`,
  };
  const layout = (name: string) =>
    new StructLayout(name, declarationsOf(source).structs, { MANY: 5 });

  it('has members where the specification puts them', () => {
    expect(offsets(layout('Inner'))).toEqual([
      ['u', 0, 4],
      ['v', 4, 4],
      ['w', 8, 8],
      ['x', 16, 4],
    ]);
    expect(layout('Inner')).toMatchObject({ size: 24, align: 8 });
    const places = [
      ['a', 0, 8],
      ['b', 16, 12],
      ['c', 28, 4],
      ['d', 32, 4],
      ['e', 40, 24],
      ['f', 64, 12],
      ['g', 80, 72],
      ['h', 152, 4],
    ];
    expect(offsets(layout('B'))).toEqual(places);
    expect(layout('B')).toMatchObject({ size: 160, align: 16 });
    expect(offsets(layout('Counts'))).toEqual([
      ['flags', 0, 20],
      ['many', 20, 4],
      ['rest', 32, 0],
    ]);
    expect(layout('Counts').field('rest').stride).toBe(16);
  });

  it('is refused where it is not known', () => {
    expect(() => layout('Odd')).toThrow('the layout of mat3x3f is not known');
    expect(() => layout('A')).toThrow('the layout of vec2<f32> is not known');
    expect(() => layout('None')).toThrow('there is no struct None');
    expect(() => layout('Inner').word('y')).toThrow('Inner has no member y; it has u, v, w, x');
  });
});

describe('a kernel', () => {
  const source: Source = {
    name: 'test.wgsl',
    text: `
      struct Sizes { order: vec3u, shift: i32, share: f32, used: vec2u }
      @group(0) @binding(2) var<storage, read_write> output: array<u32>;
      @group(0) @binding(0) var picture: texture_2d<f32>;
      @group(0) @binding(1) var<storage> input: array<u32>;
      @group(0) @binding(3) var<uniform> sizes: Sizes;
      @compute @workgroup_size(32, 2) fn main() {}`,
  };
  const shader = shaderOf(source)();
  const [input, output] = ['in', 'out'].map((label) => ({ label, bytes: 64 }));
  const picture = {} as GPUTextureView;
  const bindings = {
    output,
    picture,
    input: { resource: input, range: { offset: 256, bytes: 16 } },
  };
  const uniforms = { shift: -2, order: [1, 2, 3], share: 0.5, used: [4, 2 ** 32 - 1] };
  const planned = (change: object) => () =>
    dispatch({ label: 'test', shader, bindings, uniforms, ...change });

  it('is what its shader declares, by names in any order', () => {
    const { bindings: bound, uniforms: packed, workgroups } = planned({ invocations: [65, 3] })();
    expect(bound).toEqual([
      { binding: 0, access: 'texture', resource: picture },
      { binding: 1, access: 'read', resource: input, range: { offset: 256, bytes: 16 } },
      { binding: 2, access: 'write', resource: output },
    ]);
    expect(packed!.binding).toBe(3);
    expect([...new Int32Array(packed!.bytes.buffer)]).toEqual([1, 2, 3, -2, 0x3f000000, 0, 4, -1]);
    expect(workgroups).toEqual([3, 1, 3]);
    // Settings that the host changes from run to run are a buffer.
    expect(
      planned({ bindings: { ...bindings, sizes: input }, uniforms: undefined })().bindings.at(-1),
    ).toEqual({ binding: 3, access: 'uniform', resource: input });
  });

  it.each([
    [
      'an unknown binding',
      { bindings: { ...bindings, more: input } },
      'test: the shader does not bind more',
    ],
    ['a missing binding', { bindings: { picture, input } }, 'test: output is not bound'],
    [
      'uniforms for which there is no room',
      { bindings: { ...bindings, sizes: input } },
      'test: the shader does not bind uniforms',
    ],
    ['missing uniforms', { uniforms: undefined }, 'test: sizes is not bound'],
    [
      'an unknown member',
      { uniforms: { ...uniforms, more: 1 } },
      'test: Sizes has no member more; it has order, shift, share, used',
    ],
    [
      'a missing member',
      { uniforms: { order: [1, 2, 3], shift: 1, share: 1 } },
      'test: Sizes.used is vec2u and can’t be left out',
    ],
    [
      'a fraction',
      { uniforms: { ...uniforms, shift: 1.5 } },
      'test: Sizes.shift is i32 and can’t be 1.5',
    ],
    [
      'a negative number',
      { uniforms: { ...uniforms, order: [1, -2, 3] } },
      'test: Sizes.order is vec3u and can’t be 1,-2,3',
    ],
    [
      'a number that is too large',
      { uniforms: { ...uniforms, shift: 2 ** 31 } },
      'test: Sizes.shift is i32 and can’t be 2147483648',
    ],
    [
      'a vector of another length',
      { uniforms: { ...uniforms, used: [1, 2, 3] } },
      'test: Sizes.used is vec2u and can’t be 1,2,3',
    ],
    [
      'a number for a vector',
      { uniforms: { ...uniforms, used: 1 } },
      'test: Sizes.used is vec2u and can’t be 1',
    ],
    [
      'no number',
      { uniforms: { ...uniforms, share: 'a' } },
      'test: Sizes.share is f32 and can’t be a',
    ],
  ])('is refused with %s', (_, change, message) => {
    expect(planned(change)).toThrow(
      expect.objectContaining({ code: 'shader', message: message.replace('’', "'") }),
    );
  });
});

describe('layouts that are written twice', () => {
  it.each([
    ['TextComponent', 'AtomicTextComponent', [aggregation]],
    ['Listed', 'AtomicListed', [aggregation, list]],
    ['RegionSum', 'AtomicRegionSum', [aggregation, regionSums]],
  ] as const)('%s is %s', (plain, atomic, sources) => {
    expect(offsets(layoutIn(atomic, ...sources))).toEqual(offsets(layoutIn(plain, ...sources)));
  });

  it('Kernel is AtomicKernel, in which vectors are arrays', () => {
    expect(offsets(layoutIn('AtomicKernel', aggregation, seed))).toEqual(
      offsets(layoutIn('Kernel', aggregation)),
    );
    expect(layoutIn('AtomicKernel', aggregation, seed).size).toBe(
      layoutIn('Kernel', aggregation).size,
    );
  });

  it('recognition’s settings begin alike', () => {
    const count = offsets(layoutIn('Settings', maskedRoi))[0];
    for (const source of [encode, decode])
      expect(offsets(layoutIn('Settings', source))).toEqual([count]);
  });

  it('words and steps are as words.ts and plan.ts have them', () => {
    const word = layoutIn('Word', decode);
    expect(word.size).toBe(4 * wordFields);
    expect(offsets(word)).toEqual([
      ['length', 0, 4],
      ['readings', 4, 4 * 3 * maxTokens],
    ]);
    expect(offsets(layoutIn('Reading', decode))).toEqual([
      ['token', 0, 4],
      ['probability', 4, 4],
      ['attention', 8, 4],
    ]);
    expect(layoutIn('Step', decode).size).toBe(4 * stepFields);
  });

  it('taps are as upload.ts packs them', () => {
    const tap = layoutIn('Tap', resize);
    const { columnTaps } = prepareUpload(
      { width: 4, height: 4, channels: 3, data: new Uint8Array(48) },
      32,
      32,
    );
    expect(columnTaps.byteLength).toBe(32 * tap.size);
    // The 6th of 32 columns reads the source at 0.1875: OpenCV's weights are of 2048.
    const words = columnTaps.subarray(5 * 4, 6 * 4);
    const value = (member: string) => words[tap.word(member)];
    expect(['low', 'high', 'lowWeight', 'highWeight'].map(value)).toEqual([0, 1, 2048 - 384, 384]);
  });
});
