// Plans the network's description (detector.ts) as a list of dispatches. Pure: shapes and weights
// in, dispatches out.
import type { Dispatch } from '../gpu/dispatch.js';
import { isSlot } from '../gpu/memory.js';
import { type ConvOptions, planConv, planSummedConv } from '../layers/conv/conv.js';
import { type FeatureMap, groupsOf, imagesOf, rowsOf } from '../layers/feature-map.js';
import { planFpemFilter } from '../layers/fpem-filter.js';
import { planMaxPool, pooledMap } from '../layers/max-pool.js';
import { valueBytes } from '../layers/precision.js';
import { type Pyramid, planPyramidConv } from '../layers/conv/pyramid.js';
import { planUpsample } from '../layers/upsample.js';
import type { ModelConfig, Upsampling } from './config.js';
import { type ConvParameters, type Ops, detector, recognitionFeatures } from './detector.js';
import type { PlannedWeights } from './weights.js';

export interface NetworkPlan {
  readonly dispatches: readonly Dispatch[];
  /**
   * Maps by name: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` … , `ffm.f1` … `f4` (the
   * heads' input), and `det`, the 6-channel map at 1/4 (padded to 8 channels). All except `det` are
   * stored in the weights' precision.
   */
  readonly maps: ReadonlyMap<string, FeatureMap>;
  /** `det` upsampled to 1/scale of the image size. */
  readonly map: FeatureMap;
}

/**
 * Plans the detector on preprocessed images (4 channels, the last one zero; sides multiples of 32).
 * The image and the last map are float32; maps in between have the weights' precision.
 * @param stemBandBytes limit in bytes for one band of the stem's widest maps. Default: the device's
 */
export function planNetwork(
  config: ModelConfig,
  weights: PlannedWeights,
  image: FeatureMap,
  stemBandBytes?: number,
): NetworkPlan {
  const planner = new NetworkPlanner(weights, stemBandBytes);
  const { det } = detector(config, planner, image);
  const { scale } = config.detection;
  const map =
    scale === 4
      ? det
      : planner.take(planUpsample('map', det, image.height / scale, image.width / scale));
  return { dispatches: planner.dispatches, maps: planner.maps, map };
}

/** The dispatches of a plan up to the last one that writes one of the given maps. */
export function dispatchesUpTo(
  { dispatches }: NetworkPlan,
  maps: readonly FeatureMap[],
): readonly Dispatch[] {
  const wanted = new Set(maps.map((map) => map.slot));
  const last = dispatches.findLastIndex(({ bindings }) =>
    bindings.some(
      ({ resource, access }) => access === 'write' && isSlot(resource) && wanted.has(resource),
    ),
  );
  return dispatches.slice(0, last + 1);
}

/** Plans the recognition head's feature map, to run after a network's plan. */
export function planRecognitionFeatures(
  network: NetworkPlan,
  weights: PlannedWeights,
): { output: FeatureMap; dispatches: readonly Dispatch[] } {
  const planner = new NetworkPlanner(weights);
  const output = recognitionFeatures(planner, fusedLevels(network));
  return { output, dispatches: planner.dispatches };
}

/** The heads' input: four levels, finest first. */
export function fusedLevels({ maps }: NetworkPlan): Pyramid {
  return [1, 2, 3, 4].map((level) => maps.get(`ffm.f${level}`)!) as unknown as Pyramid;
}

/**
 * Image rows per pooled row, and the number of pooled rows at a band's border that are invalid: the
 * stem's convs reach 7 image rows beyond a pooled row.
 */
const stemStride = 4;
const stemHalo = 2;

/** Turns the description into dispatches. */
class NetworkPlanner implements Ops<FeatureMap> {
  readonly dispatches: Dispatch[] = [];
  readonly maps = new Map<string, FeatureMap>();

  constructor(
    readonly weights: PlannedWeights,
    readonly stemBandBytes?: number,
  ) {}

  conv({ name }: ConvParameters, input: FeatureMap, options?: ConvOptions): FeatureMap {
    return this.take(planConv(name, input, this.weights.conv(name), options));
  }

  det(conv: ConvParameters, input: FeatureMap): FeatureMap {
    return this.conv(conv, input, { precision: 'f32' });
  }

  // Computed in bands of rows: at half the image's size, the stem's whole maps would be several
  // times larger than all others. Several small images share one band.
  stem(convs: readonly ConvParameters[], image: FeatureMap): FeatureMap {
    const { precision } = this.weights;
    const channels = convs.at(-1)!.shape[0];
    const bandBytes = this.stemBandBytes ?? this.weights.conv(convs[0].name).bandBytes;
    const output = pooledMap(
      'backbone.maxpool',
      image.height / 2,
      image.width / 2,
      channels,
      precision,
      image.images,
    );
    const rowBytes = 2 * (image.width / 2) * channels * valueBytes[precision];
    const band = Math.ceil(output.height / Math.ceil((output.height * rowBytes) / bandBytes));
    for (const [first, count] of groupsOf(output, rowBytes, bandBytes)) {
      this.#stemBands(convs, imagesOf(image, first, count), imagesOf(output, first, count), band);
    }
    return output;
  }

  // A band is computed like a separate image, with extra rows as far as border effects reach; only
  // the valid rows are pooled.
  #stemBands(
    convs: readonly ConvParameters[],
    image: FeatureMap,
    output: FeatureMap,
    band: number,
  ): void {
    for (let first = 0; first < output.height; first += band) {
      const end = Math.min(first + band, output.height);
      const top = Math.max(0, first - stemHalo);
      const bottom = Math.min(end + stemHalo, output.height);
      let map = rowsOf(image, stemStride * top, stemStride * (bottom - top));
      for (const conv of convs) map = this.conv(conv, map, { relu: true });
      this.dispatches.push(
        planMaxPool(output.slot.label, map, rowsOf(output, first, end - first), first - top),
      );
    }
  }

  joined(
    { name, stride }: ConvParameters,
    coarse: FeatureMap,
    finer: FeatureMap,
    upsampling: Upsampling,
  ): FeatureMap {
    return this.take(
      planFpemFilter(
        name,
        coarse,
        finer,
        this.weights.depthwise(name),
        stride as 1 | 2,
        upsampling,
      ),
    );
  }

  summedConv({ name }: ConvParameters, input: FeatureMap, addend: FeatureMap) {
    const planned = planSummedConv(name, input, this.weights.conv(name), addend);
    this.dispatches.push(...planned.dispatches);
    return planned;
  }

  pyramidConv({ name }: ConvParameters, levels: Pyramid): FeatureMap {
    return this.take(planPyramidConv(name, levels, this.weights.pyramidConv(name)));
  }

  named(name: string, map: FeatureMap): void {
    this.maps.set(name, map);
  }

  take({
    output,
    dispatches,
  }: {
    output: FeatureMap;
    dispatches: readonly Dispatch[];
  }): FeatureMap {
    this.dispatches.push(...dispatches);
    return output;
  }
}
