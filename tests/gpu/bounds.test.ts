// No shader indexes out of bounds or reads workgroup memory that it has not written: devices are
// opened without the drivers' clamps and clearing. Everything that a model can do runs under watch, at sizes with remainders everywhere, on SwiftShader, which
// compiles fastest; then what only other adapters get.
import { type ConvChoices, defaultChoices } from '../../src/layers/conv/method.js';
import { afterAll, describe, expect, it } from 'vitest';
import { aggregateWithSums } from '../../src/aggregation/aggregate.js';
import type { AggregationMode } from '../../src/aggregation/input.js';
import { aggregateSequential } from '../../src/aggregation/sequential.js';
import { Model } from '../../src/model/model.js';
import { dispatch } from '../../src/gpu/dispatch.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import type { PixelImage } from '../../src/images/image.js';
import { packConv, planConv, planSummedConv } from '../../src/layers/conv/conv.js';
import { candidateTiles, defaultTile, tileName } from '../../src/layers/conv/tiles/kinds.js';
import type { ConvTile, TileDevice } from '../../src/layers/conv/tiles/tile.js';
import { packWeights } from '../../src/layers/pack.js';
import { type ModelConfig, vocabularies } from '../../src/network/config.js';
import { planNetwork } from '../../src/network/plan.js';
import { uploadWeights } from '../../src/network/weights.js';
import { openGpu } from '../../src/node.js';
import { packagedDetector } from '../support/detector.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import { shaderOf } from '../../src/wgsl/assemble.js';
import { livelyWeights, spotterConfig } from '../recognition/run-recognition.js';
import { instrument, watchBounds } from '../support/bounds.js';
import { gpus } from '../support/gpu.js';
import { cropped, exampleImage, pieces, textureOf } from '../support/picture.js';
import { randomPlanes, randomValues, runLayer } from '../support/run-layer.js';

describe('the watch', () => {
  const header =
    '@group(0) @binding(0) var<storage, read> input: array<u32>; @group(0) @binding(1) var<storage, read_write> output: array<u32>;';

  it.each([
    ['a read', '', 'output[0] = input[INDEX];', 'lane', '16u + lane', 'input[INDEX]'],
    ['a write', '', 'output[INDEX] = 1u;', 'lane * 5u', 'lane * 6u', 'output[INDEX]'],
    [
      'a negative index',
      '',
      'output[0] = input[INDEX];',
      'i32(lane)',
      'i32(lane) - 1',
      'input[INDEX]',
    ],
    [
      'an index within an index',
      '',
      'output[0] = input[input[INDEX] % 2u];',
      'lane',
      'lane + 13u',
      'input[INDEX]',
    ],
    [
      'workgroup memory',
      'var<workgroup> held: array<u32, 3>;',
      'held[INDEX] = 1u; output[0] = input[0] + held[0];',
      'lane / 2u',
      'lane',
      'held[INDEX]',
    ],
    [
      'an atomic',
      'var<workgroup> held: array<atomic<u32>, 3>;',
      'atomicAdd(&held[INDEX], 1u); output[0] = input[0];',
      'lane / 2u',
      'lane',
      'held[INDEX]',
    ],
    [
      'a vector',
      '',
      'let v = vec3u(1u); output[0] = v[INDEX] + input[0];',
      'lane / 2u',
      'lane',
      'v[INDEX]',
    ],
    [
      'a vector in an array',
      'var<workgroup> held: array<vec2u, 4>;',
      'output[0] = held[lane][INDEX] + input[0];',
      'lane / 2u',
      'lane',
      'held[][INDEX]',
    ],
    [
      'a struct’s array',
      'struct S { values: array<u32, 3>, }',
      'var s = S(); s.values[INDEX] = 1u; output[0] = input[0];',
      'lane / 2u',
      'lane',
      '.values[INDEX]',
    ],
  ])('sees %s out of bounds', async (_, declared, statement, right, wrong, expression) => {
    const gpu = await openGpu({ adapter: 'swiftshader' });
    const watch = watchBounds(gpu);
    const run = async (index: string) => {
      const slots = ['in', 'out'].map((label) => ({ label, bytes: 64 }));
      const main = `@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) lane: u32) { ${statement.replace('INDEX', index)} }`;
      const shader = shaderOf({ name: 'wrong.wgsl', text: `${header} ${declared} ${main}` })();
      const wrong = dispatch({
        label: 'wrong',
        shader,
        bindings: { input: slots[0], output: slots[1] },
      });
      const program = await Program.create(gpu, [{ name: 'test', dispatches: [wrong] }], slots);
      const encoder = gpu.device.createCommandEncoder();
      program.encode(encoder);
      gpu.device.queue.submit([encoder.finish()]);
      program.dispose();
      return watch.report();
    };
    expect((await run(right)).faults).toEqual([]);
    expect((await run(wrong)).faults).toEqual([`wrong: ${expression.replace('INDEX', wrong)}`]);
    gpu.dispose();
  });

  it('lets shaders begin with garbage in workgroup memory', async () => {
    const gpu = await openGpu({ adapter: 'swiftshader' });
    watchBounds(gpu);
    const declared =
      'struct S { a: u32, b: f32, } @group(0) @binding(0) var<storage, read_write> output: array<u32>; var<workgroup> held: array<S, 4>; var<workgroup> counts: array<atomic<u32>, 4>; var<workgroup> last: vec3i; var<workgroup> kept: u32;';
    const main =
      '@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) lane: u32) { kept = 7u; workgroupBarrier(); output[lane] = held[lane].a & bitcast<u32>(held[3u - lane].b) & atomicLoad(&counts[lane]) & u32(last.z); if (lane == 3u) { output[3] = kept; } }';
    const output = { label: 'out', bytes: 16 };
    const shader = shaderOf({ name: 'garbage.wgsl', text: `${declared} ${main}` })();
    const reading = dispatch({ label: 'garbage', shader, bindings: { output } });
    const program = await Program.create(gpu, [{ name: 'test', dispatches: [reading] }], [output]);
    const readback = new Readback(gpu, output.bytes);
    const encoder = gpu.device.createCommandEncoder();
    program.encode(encoder);
    readback.copy(encoder, program.bufferOf(output), output.bytes);
    gpu.device.queue.submit([encoder.finish()]);
    const values = await readback.read((bytes) => [...new Uint32Array(bytes.slice(0))]);
    expect(values).toEqual([0xffffffff, 0xffffffff, 0xffffffff, 7]);
    readback.dispose();
    program.dispose();
    gpu.dispose();
  });

  it('measures a subgroup matrix up to its last element, in the elements of its array', () => {
    const { code, expressions } = instrument(
      `alias Right = subgroup_matrix_right<f16, 16, 8>;
alias Sums = subgroup_matrix_result<f32, 16, 4>;
@group(0) @binding(0) var<storage, read> weights: array<vec4<f16>>;
var<workgroup> held: array<f32, 64>;
fn f(sums: Sums) {
  let w = subgroupMatrixLoad<Right, col_major>(&weights, at + (1u + 2u), step);
  subgroupMatrixStore<row_major>(&held, 3u, sums, 16);
}`,
      0,
    );
    expect(expressions).toEqual([
      expect.stringMatching(/^subgroupMatrixLoad\(&weights, +at/),
      expect.stringMatching(/^subgroupMatrixStore\(&held, +3u/),
    ]);
    // 16 columns of two vec4s; 4 rows of 16 values.
    const plain = code.replaceAll(' ', '');
    expect(plain).toContain('+((16-1u)*u32(step)+8/4u)-1u,u32(arrayLength(&weights)),1u)');
    expect(plain).toContain('+((4-1u)*u32(16)+16/1u)-1u,u32(64),2u)');
  });

  it('refuses what it can’t measure', () => {
    expect(() =>
      instrument('fn f(p: ptr<function, array<u32, 4>>, at: u32) -> u32 { return (*p)[at]; }', 0),
    ).toThrow('not known');
    expect(() => instrument('fn f(at: u32) -> u32 { let m = g(); return m[at]; }', 0)).toThrow(
      'not known',
    );
    expect(() =>
      instrument(
        'var<workgroup> a: array<u32, 4>; fn f() { var a = array<u32, 5>(); a[1] = 1u; }',
        0,
      ),
    ).toThrow('two lengths');
  });
});

const detector = packagedDetector();
const config: ModelConfig = {
  ...detector.config,
  recognition: { vocabulary: vocabularies.lowercase },
};
const head = [...livelyWeights(spotterConfig(vocabularies.lowercase), 8)].filter(([name]) =>
  name.startsWith('rec_head'),
);
const tensors = new Map([...detector.tensors, ...head]);
const street = await exampleImage();
const sign = cropped(street, pieces.sign);

function imageOf(width: number, height: number, value: (at: number) => number): PixelImage {
  return {
    width,
    height,
    channels: 3,
    data: Uint8Array.from({ length: 3 * width * height }, (_, at) => value(at)),
  };
}

describe('on SwiftShader', async () => {
  const gpu = await openGpu({ adapter: 'swiftshader' });
  const watch = watchBounds(gpu);
  const model = new Model(
    gpu,
    config,
    uploadWeights(gpu, tensors, config),
    uploadRecognition(gpu, tensors, config),
  );
  afterAll(() => {
    model.dispose();
    gpu.dispose();
  });
  const inBounds = async (ran: RegExp) => {
    const report = await watch.report();
    expect(report.faults).toEqual([]);
    expect(report.ran.some((label) => ran.test(label))).toBe(true);
  };

  it.each([
    ['a photograph', street, 96],
    ['noise', imageOf(91, 37, (at) => (at * 7919) % 256), 64],
    ['a dark strip', imageOf(7, 300, () => 0), 32],
    ['a pixel', imageOf(1, 1, () => 255), 32],
  ] as const)('detection: %s', async (_, image, shortSide) => {
    await model.detect(image, { shortSide });
    await inBounds(/^aggregation.region_sums/);
  });

  it('the network in bands: of three rows in the stem', async () => {
    const bandBytes = 3 * 2 ** 15;
    const choices = { ...defaultChoices(gpu.profile), bandBytes };
    const weights = uploadWeights(gpu, tensors, config, 'f32', choices);
    let taps = 0;
    await runLayer(gpu, [randomPlanes(4, 96, 64)], ([map]) => {
      const { map: output, dispatches } = planNetwork(config, weights, map);
      taps = dispatches.filter(({ label }) => label.endsWith('.level2.taps')).length;
      return { output, dispatches };
    });
    weights.dispose();
    expect(taps).toBeGreaterThan(1);
    await inBounds(/^det_head/);
  });

  it('detection of several images at once', async () => {
    await model.detectBatch([street, street, street], { shortSide: 64, scale: 1 });
    await inBounds(/^map/);
  });

  it.each([1, 2] as const)(
    'detection at scale %i, instance vectors always checked',
    async (scale) => {
      await model.detect(street, { shortSide: 64, scale, mode: 'always' });
      await inBounds(/^map/);
    },
  );

  it('a picture in a texture', async () => {
    const texture = textureOf(
      gpu,
      imageOf(75, 53, (at) => at % 256),
    );
    await model.detect(texture, { shortSide: 64 });
    texture.destroy();
    await inBounds(/texels/);
  });

  it('reading, greedy and with a beam', async () => {
    const { regions } = await model.spot(sign, { shortSide: 96, characters: true });
    expect(regions.length).toBeGreaterThan(0);
    for (const { characters } of regions)
      for (const { probability } of characters!) expect(probability).toBeGreaterThan(0);
    await model.spot(sign, { shortSide: 96, beam: 3 });
    await inBounds(/decode/);
  });

  it('reading at the image’s corners', async () => {
    const { width, height } = street;
    const boxes = [
      { left: 0, top: 0, right: 40, bottom: 300 },
      { left: width - 9, top: height - 5, right: width, bottom: height },
      { left: 0, top: 0, right: width, bottom: height },
    ];
    expect((await model.recognize(street, boxes, { shortSide: 64 })).words).toHaveLength(3);
    await inBounds(/roi|crops/i);
  });

  it.each([
    ['that end with the image’s last byte', imageOf(91, 37, (at) => (at * 7919) % 256)],
    ['of a pixel', imageOf(1, 1, () => 255)],
    ['squeezed, of a strip', imageOf(300, 7, (at) => at % 256)],
    ['squeezed and steep', imageOf(7, 300, (at) => at % 256)],
  ])('rectified words: %s', async (_, image) => {
    const { width: right, height: bottom } = image;
    const boxes = [
      { left: 0, top: 0, right, bottom },
      { left: right - 1, top: bottom - 1, right, bottom },
    ];
    expect((await model.recognize(image, boxes, { shortSide: 32 })).words).toHaveLength(2);
    await inBounds(/^page\.rectify/);
  });

  it('rectified words of a texture', async () => {
    const texture = textureOf(
      gpu,
      imageOf(75, 53, (at) => at % 256),
    );
    const boxes = [
      { left: 0, top: 0, right: 75, bottom: 53 },
      { left: 70, top: 50, right: 75, bottom: 53 },
    ];
    await model.recognize(texture, boxes, { shortSide: 64 });
    texture.destroy();
    await inBounds(/^page\.rectify/);
  });

  it.each([
    ['nothing', () => [-1, -1]],
    ['all one kernel', () => [1, 1]],
    ['single pixels', (x, y) => [(x + y) % 2 ? -1 : 1, 1]],
    ['text with a kernel here and there', (x, y) => [1, x % 5 === 0 && y % 3 === 0 ? 1 : -1]],
    ['rows', (x, y) => [y % 2 ? -1 : 1, x < 2 ? 1 : -1]],
  ] as [string, (x: number, y: number) => [number, number]][])(
    'aggregation, both ways of growing: %s',
    async (_, logits) => {
      for (const [height, width] of [
        [1, 1],
        [1, 65],
        [33, 1],
        [9, 31],
        [17, 32],
        [10, 33],
        [40, 97],
      ]) {
        const at = (channel: number) =>
          Float32Array.from(
            { length: height * width },
            (__, pixel) => logits(pixel % width, Math.floor(pixel / width))[channel],
          );
        for (const software of [true, false]) {
          for (const mode of ['reference', 'always'] as AggregationMode[]) {
            const input = {
              text: at(0),
              kernel: at(1),
              embedding: randomValues(4 * height * width),
              height,
              width,
              minKernelArea: 2,
              mode,
              distance: 1,
            };
            const { labels } = await aggregateWithSums(
              gpu,
              input,
              { height: 4 * height - 1, width: 4 * width - 1 },
              { software },
            );
            expect(labels).toEqual(aggregateSequential(input).labels);
          }
        }
      }
      await inBounds(/grow_levels/);
    },
  );
});

/**
 * One tile of each kind and number of outputs an invocation, or the smallest of each kind; where
 * others than SwiftShader must compile them, of the kinds that it can't.
 */
function someTiles(
  tiles: readonly ConvTile[],
  isSwiftShader: boolean,
  ofEach: 'size' | 'kind',
): ConvTile[] {
  const byOutputs = [...tiles].sort((a, b) => b.pixels * b.vectors - a.pixels * a.vectors);
  const nameOf = ({ kind, pixels, vectors }: ConvTile) =>
    ofEach === 'kind' ? kind : `${kind} ${pixels} ${vectors}`;
  const distinct = [...new Map(byOutputs.map((tile) => [nameOf(tile), tile])).values()];
  return distinct.filter(({ kind, pixels }) =>
    isSwiftShader ? pixels < 16 : kind === 'subgroup8',
  );
}

describe.each(gpus)('convolutions on $name', ({ name, gpu }) => {
  const watch = watchBounds(gpu);

  it.each([
    { out: 64, in: 20, kernel: 3, stride: 2, height: 13, width: 29, ofEach: 'size' },
    { out: 68, in: 16, kernel: 3, stride: 1, height: 11, width: 10, ofEach: 'kind' },
    { out: 64, in: 20, kernel: 1, stride: 1, height: 7, width: 9, ofEach: 'kind', summed: true },
  ] as const)(
    'in tiles of every kind: $in → $out channels, kernel $kernel, stride $stride, $height × $width',
    async ({ out, in: channels, kernel, stride, height, width, ofEach, ...more }) => {
      const weights = {
        weight: randomValues(out * channels * kernel ** 2),
        bias: randomValues(out),
        outChannels: out,
        inChannels: channels,
        kernel,
      };
      const device: TileDevice = { ...gpu.profile, software: false };
      const convolve = async (choose: (tiles: ConvTile[]) => ConvTile | undefined) => {
        let tiles: ConvTile[] = [];
        const { packed } = packWeights(
          gpu,
          'f32',
          {
            ...defaultChoices(gpu.profile),
            method: () => 'direct',
            tile(shape) {
              tiles = candidateTiles(shape, device);
              return choose(tiles) ?? defaultTile(shape, gpu.profile);
            },
          } satisfies ConvChoices,
          (packer) => packConv(packer, 'conv', weights, stride),
        );
        const input = randomPlanes(channels, height, width);
        const result =
          'summed' in more
            ? await runLayer(gpu, [input, randomPlanes(out, height, width)], ([map, addend]) => {
                const { total, dispatches } = planSummedConv('conv', map, packed, addend);
                return { output: total, dispatches };
              })
            : await runLayer(gpu, [input], ([map]) =>
                planConv('conv', map, packed, { relu: true }),
              );
        expect(result.data.every(Number.isFinite)).toBe(true);
        return tiles;
      };
      const tiles = someTiles(await convolve(() => undefined), name === 'swiftshader', ofEach);
      if (name === 'swiftshader')
        expect(new Set(tiles.map(({ kind }) => kind))).toEqual(
          new Set(['plain', ...(out % 16 === 0 ? ['subgroup4'] : []), 'tiled']),
        );
      for (const tile of tiles) {
        await convolve(() => tile);
        expect((await watch.report()).faults, tileName(tile)).toEqual([]);
      }
    },
  );
});
