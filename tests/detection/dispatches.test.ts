// On a GPU every dispatch costs a drain, so their number is part of what is guarded.
import { expect, it } from 'vitest';
import { planDetection } from '../../src/detection/pass.js';
import { defaultChoices } from '../../src/layers/conv/method.js';
import type { TileDevice } from '../../src/layers/conv/tiles/tile.js';
import { detectionPresets, resnet18 } from '../../src/network/config.js';
import { planWeights } from '../../src/network/weights.js';

const config = {
  backbone: resnet18,
  neck: { fpems: 2, fusion: 'pan++' as const },
  detection: detectionPresets.icdar2015,
};
const size = { height: 736, width: 1312 };
const upload = { rows: 720, columns: 1280, channels: 3 as const };
const hardware: TileDevice = { software: false, maxWorkgroupBytes: 32768, subgroupSize: 32 };

it.each([
  ['f32', 'nvidia', 'hopper', 135],
  ['f16', 'nvidia', 'hopper', 112],
  ['f32', 'amd', 'rdna-3', 166],
  ['f16', 'amd', 'rdna-3', 121],
  ['f32', 'nvidia', 'lovelace', 249],
  ['f16', 'nvidia', 'lovelace', 166],
  ['f32', 'intel', 'gen-12lp', 135],
  ['f32', 'qualcomm', 'adreno-7xx', 249],
  ['f32', '', '', 249],
] as const)(
  'a detection in %s on %s %s at 736 × 1312 takes %i dispatches',
  (precision, vendor, architecture, count) => {
    const device = { ...hardware, vendor, architecture };
    const weights = planWeights(config, precision, defaultChoices(device));
    const { stages } = planDetection(config, weights, upload, size, device);
    expect(stages.flatMap(({ dispatches }) => dispatches)).toHaveLength(count);
  },
);
