// A service whose engine has its result at once, or after a time in which it computes nothing, as
// on a GPU: what a request still takes is the service's own part. The result has as many regions as
// a photograph of a street. Arguments: milliseconds, length of the queue.
import { setTimeout as delay } from 'node:timers/promises';
import { detectionPresets, resnet18 } from '../../src/network/config.js';
import type { Detection } from '../../src/model/options.js';
import { Service } from '../../src/serve/service.js';
import type { TextModel } from '../../src/serve/text-finder.js';

const regions = Array.from({ length: 12 }, (_, index): Detection['regions'][number] => {
  const [left, top, right, bottom] = [80.5 * index, 31.25 * index, 80.5 * index + 70, 400];
  return {
    polygon: [
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ],
    box: { left, top, right, bottom },
    mapBox: { left: 0, top: 0, right: 1, bottom: 1 },
    score: 0.9375,
    area: 1800,
    label: index + 1,
  };
});
const timings = { upload: 0, setup: 0, regions: 0, total: 0 };

const [milliseconds, queue] = process.argv.slice(2).map(Number);
const wait = async () => {
  if (milliseconds > 0) await delay(milliseconds);
};

const model: TextModel = {
  memory: { weights: 0, programs: 0 },
  async detect({ width, height }) {
    await wait();
    return { regions, width, height, timings };
  },
  detectBatch: () => Promise.reject(new Error('the stand-in takes no batches')),
  spot: () => Promise.reject(new Error('the stand-in does not read')),
};

const service = await Service.create(
  { ready: { model }, losses: 0, recover: () => {}, run: (work) => work(model) },
  {
    config: {
      backbone: resnet18,
      neck: { fpems: 2, fusion: 'pan++' },
      detection: detectionPresets.icdar2015,
    },
    version: 'stand-in',
    maxBytes: 2 ** 25,
    maxPixels: 2 ** 25,
    timeout: 60_000,
    maxRequests: queue,
    batchWait: 0,
    batchSize: 8,
    log: { level: 'info', stream: process.stdout },
  },
);
process.once('SIGTERM', () => void service.stop(1000));
console.error(`panpp: listening on ${await service.listen('127.0.0.1', 0)}`);
