// The network as a list of kernels: stem, ResNet, FPEMs, detection head. Pure: shapes and weights in, kernels out.
// Source: PAN++ paper, overall architecture; spec, Backbone to Detection head.
import type { Kernel } from '../gpu/kernel.js';
import { isSlot } from '../gpu/memory.js';
import { planAdd } from '../layers/add.js';
import { type ConvOptions, planConv } from '../layers/conv.js';
import { type FeatureMap, groupsOf, imagesOf, rowsOf } from '../layers/feature-map.js';
import { planFpemFilter } from '../layers/fpem-filter.js';
import { planMaxPool, pooledMap } from '../layers/pool.js';
import { valueBytes } from '../layers/precision.js';
import { type Pyramid, planPyramidConv } from '../layers/pyramid-conv.js';
import { planUpsample } from '../layers/upsample.js';
import type { ModelConfig } from './config.js';
import { blockNames, type fpemUnits } from './parameters.js';
import type { PlannedWeights } from './weights.js';

export interface NetworkPlan {
  readonly kernels: readonly Kernel[];
  /**
   * Maps by name: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` … , `ffm.f1` … `f4` (what the head sees), and `det`, the
   * 6-channel map at 1/4 (its channel count padded to 8). All but `det` are stored as the weights are.
   */
  readonly maps: ReadonlyMap<string, FeatureMap>;
  /** `det` brought to 1/scale of the image. */
  readonly map: FeatureMap;
}

/**
 * Plans the detector on preprocessed images (4 channels, the last one zero; sides multiples of 32). The image and the last map are
 * float32, what is between them is stored as the weights are.
 * @param stemBandBytes what a band of the stem's widest maps may take
 */
export function planNetwork(config: ModelConfig, weights: PlannedWeights, image: FeatureMap, stemBandBytes = 32 * 2 ** 20): NetworkPlan {
  return new NetworkPlanner(config, weights, stemBandBytes).plan(image);
}

/** The kernels of a plan as far as some of its maps need. */
export function kernelsUpTo({ kernels }: NetworkPlan, maps: readonly FeatureMap[]): readonly Kernel[] {
  const wanted = new Set(maps.map((map) => map.slot));
  const last = kernels.findLastIndex(({ bindings }) =>
    bindings.some(({ resource, access }) => access === 'write' && isSlot(resource) && wanted.has(resource)),
  );
  return kernels.slice(0, last + 1);
}

/** What the heads see: four levels, finest first. */
export function fusedLevels({ maps }: NetworkPlan): Pyramid {
  return [1, 2, 3, 4].map((level) => maps.get(`ffm.f${level}`)!) as unknown as Pyramid;
}

const stemChannels = 128;
/** Image rows to a pooled row, and pooled rows that a band's borders spoil: its convs reach 7 image rows beyond a pooled row. */
const stemStride = 4;
const stemHalo = 2;

class NetworkPlanner {
  readonly #kernels: Kernel[] = [];
  readonly #maps = new Map<string, FeatureMap>();

  constructor(
    readonly config: ModelConfig,
    readonly weights: PlannedWeights,
    readonly stemBandBytes: number,
  ) {}

  plan(image: FeatureMap): NetworkPlan {
    const levels = this.#neck(this.#backbone(image));
    const hidden = this.#take(planPyramidConv('det_head.conv1', levels, this.weights.pyramidConv('det_head.conv1')));
    const det = this.#conv('det_head.conv2', hidden, { precision: 'f32' });
    this.#maps.set('det', det);
    const { scale } = this.config.detection;
    const map = scale === 4 ? det : this.#take(planUpsample('map', det, image.height / scale, image.width / scale));
    return { kernels: this.#kernels, maps: this.#maps, map };
  }

  #take({ output, kernels }: { output: FeatureMap; kernels: readonly Kernel[] }): FeatureMap {
    this.#kernels.push(...kernels);
    return output;
  }

  #conv(name: string, input: FeatureMap, options?: ConvOptions): FeatureMap {
    return this.#take(planConv(name, input, this.weights.conv(name), options));
  }

  #backbone(image: FeatureMap): Pyramid {
    let map = this.#stem(image);
    const outputs = this.config.backbone.blocks.map((count, index) => {
      for (let block = 0; block < count; block++) map = this.#residualBlock(map, index + 1, block);
      this.#maps.set(`backbone.c${index + 2}`, map);
      return map;
    });
    return outputs as unknown as Pyramid;
  }

  // In bands of rows: at half the image's size, the stem's maps would be several times larger than any other. Of several small images as many at
  // once as make a band.
  #stem(image: FeatureMap): FeatureMap {
    const output = pooledMap('backbone.maxpool', image.height / 2, image.width / 2, stemChannels, this.weights.precision, image.images);
    const rowBytes = 2 * (image.width / 2) * stemChannels * valueBytes[this.weights.precision];
    const band = Math.ceil(output.height / Math.ceil((output.height * rowBytes) / this.stemBandBytes));
    for (const [first, count] of groupsOf(output, rowBytes, this.stemBandBytes)) {
      this.#stemBands(imagesOf(image, first, count), imagesOf(output, first, count), band);
    }
    return output;
  }

  // A band is computed like an image of its own, with as many rows more as border effects reach, and only the rows that are right are pooled.
  #stemBands(image: FeatureMap, output: FeatureMap, band: number): void {
    for (let first = 0; first < output.height; first += band) {
      const end = Math.min(first + band, output.height);
      const top = Math.max(0, first - stemHalo);
      const bottom = Math.min(end + stemHalo, output.height);
      let map = rowsOf(image, stemStride * top, stemStride * (bottom - top));
      for (const name of ['backbone.conv1', 'backbone.conv2', 'backbone.conv3']) map = this.#conv(name, map, { relu: true });
      this.#kernels.push(planMaxPool(output.slot.label, map, rowsOf(output, first, end - first), first - top));
    }
  }

  #residualBlock(input: FeatureMap, layer: number, block: number): FeatureMap {
    const { convs, shortcut } = blockNames(this.config.backbone, layer, block);
    const residual = shortcut ? this.#conv(shortcut, input) : input;
    return convs.reduce((map, name, index) => {
      const last = index === convs.length - 1;
      return this.#conv(name, map, { relu: true, residual: last ? residual : undefined });
    }, input);
  }

  #neck(features: Pyramid): Pyramid {
    const { fpems, fusion } = this.config.neck;
    let levels = mapLevels(features, (map, index) => this.#conv(`reduce_layer${index + 1}.conv`, map, { relu: true }));
    this.#name('reduce', levels);
    let fused: Pyramid | undefined;
    for (let index = 1; index <= fpems; index++) {
      const refined = this.#fpem(`fpem${index}`, levels);
      const input = levels;
      levels = fusion === 'pan' ? refined : mapLevels(refined, (map, at) => this.#add(`fpem${index}.f${at + 1}`, input[at], map));
      this.#name(`fpem${index}`, levels);
      const before = fused;
      fused = fusion === 'pan' && before ? mapLevels(levels, (map, at) => this.#add(`ffm.f${at + 1}`, before[at], map)) : levels;
    }
    this.#name('ffm', fused!);
    return fused!;
  }

  // Up-scale enhancement, then down-scale enhancement.
  #fpem(fpem: string, [f1, f2, f3, f4]: Pyramid): Pyramid {
    const up3 = this.#fpemUnit(fpem, '3_1', f4, f3, 1);
    const up2 = this.#fpemUnit(fpem, '2_1', up3, f2, 1);
    const up1 = this.#fpemUnit(fpem, '1_1', up2, f1, 1);
    const down2 = this.#fpemUnit(fpem, '2_2', up2, up1, 2);
    const down3 = this.#fpemUnit(fpem, '3_2', up3, down2, 2);
    const down4 = this.#fpemUnit(fpem, '4_2', f4, down3, 2);
    return [up1, down2, down3, down4];
  }

  #fpemUnit(fpem: string, unit: (typeof fpemUnits)[number], coarse: FeatureMap, finer: FeatureMap, stride: 1 | 2): FeatureMap {
    const name = `${fpem}.dwconv${unit}`;
    const filtered = this.#take(planFpemFilter(name, coarse, finer, this.weights.depthwise(name), stride, this.config.neck.upsampling));
    return this.#conv(`${fpem}.smooth_layer${unit}.conv`, filtered, { relu: true });
  }

  #add(label: string, a: FeatureMap, b: FeatureMap): FeatureMap {
    return this.#take(planAdd(label, a, b));
  }

  #name(prefix: string, levels: Pyramid): void {
    levels.forEach((map, index) => this.#maps.set(`${prefix}.f${index + 1}`, map));
  }
}

function mapLevels<T, U>(levels: Pyramid<T>, change: (level: T, index: number) => U): Pyramid<U> {
  return levels.map(change) as unknown as Pyramid<U>;
}
