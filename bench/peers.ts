// The network compared with general runtimes, on the same image and size, taking turns. The task
// for all: from an image to the head's map on the host.
import type { Gpu } from '../src/gpu/context.js';
import { exportOnnx } from '../src/export/onnx.js';
import { choosePrecision } from '../src/layers/precision.js';
import { relativeDifference } from '../tests/support/difference.js';
import {
  type Effort,
  type Statistics,
  type Times,
  measureInTurns,
  ratioOf,
  summarise,
  timed,
} from './measure.js';
import { NetworkRunner } from './network-runner.js';
import { type OnnxPeer, openOnnxPeer, providers } from './peers/onnxruntime.js';
import { normalisedPlanes, photographAt } from './photograph.js';
import { type Size, nameOf } from './sizes.js';
import type { BenchWeights } from './weights.js';

export interface PeerTimes {
  /** Milliseconds, wall clock. */
  readonly wall: Statistics;
  /** Their time relative to ours: the median over rounds. */
  readonly ratio: number;
  /** ‖theirs − ours‖ / ‖ours‖ for the head's map. */
  readonly difference: number;
}

export interface PeersEntry extends Size {
  /** `wall` is for the same task; `network` and `preprocess` are GPU times. */
  readonly ours: Readonly<Record<string, Statistics>>;
  readonly peers: Readonly<Record<string, PeerTimes>>;
  /** Why the other peers are missing. */
  readonly absent: Readonly<Record<string, string>>;
}

/**
 * With a larger difference the two do not compute the same. Ours may be stored in 16 bits, theirs
 * is not.
 */
const largestDifference = { f32: 1e-3, f16: 2e-2 };

/**
 * @param tooSlow peers to leave out, with the reason
 * @throws PanppError `argument` if the adapter can't hold the size; Error if a peer's map differs
 * from ours
 */
export async function measurePeers(
  gpu: Gpu,
  weights: BenchWeights,
  size: Size,
  effort: Effort,
  tooSlow: ReadonlyMap<string, string>,
): Promise<PeersEntry> {
  const image = await photographAt(size);
  const planes = normalisedPlanes(image);
  const ours = await NetworkRunner.create(gpu, weights, image);
  const opened = new Map<string, OnnxPeer>();
  const absent: Record<string, string> = Object.fromEntries(tooSlow);
  try {
    const model = exportOnnx(weights.file, size);
    const map = await ours.map();
    const differences = new Map<string, number>();
    for (const provider of providers.filter((name) => !tooSlow.has(name))) {
      const peer = await openOnnxPeer(model, provider, gpu);
      if (typeof peer === 'string') {
        absent[provider] = peer;
        continue;
      }
      opened.set(provider, peer);
      let theirs: Float32Array;
      try {
        theirs = await peer.run(planes, size);
      } catch (error) {
        absent[provider] = `fails: ${(error as Error).message.split('\n')[0]}`;
        opened.delete(provider);
        await peer.release();
        continue;
      }
      differences.set(
        provider,
        differenceFrom(
          map,
          theirs,
          `${provider} at ${nameOf(size)}`,
          largestDifference[choosePrecision(weights.load.precision, gpu.profile)],
        ),
      );
    }
    const contestants: Record<string, () => Promise<Times>> = { ours: () => ours.time() };
    for (const [name, peer] of opened)
      contestants[name] = async () => ({ wall: (await timed(() => peer.run(planes, size))).wall });
    const times = await measureInTurns(contestants, effort);
    const peers = [...opened.keys()].map((name): [string, PeerTimes] => [
      name,
      {
        wall: summarise(times[name]).wall,
        ratio: ratioOf(times[name], times.ours),
        difference: differences.get(name)!,
      },
    ]);
    return { ...size, ours: summarise(times.ours), peers: Object.fromEntries(peers), absent };
  } finally {
    ours.dispose();
    for (const peer of opened.values()) await peer.release();
  }
}

/** @throws Error if they do not compute the same */
function differenceFrom(
  map: Float32Array,
  theirs: Float32Array,
  name: string,
  largest: number,
): number {
  const difference = relativeDifference(theirs, map);
  if (difference <= largest) return difference;
  throw new Error(
    `${name}: its map is ${difference.toExponential(1)} from ours, their times do not compare`,
  );
}
