// panpp in worker threads of Node: each with a device of its own. It loads dist/ (`npm run build`).
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

import { openGpu } from '../../src/node.js';

const library = new URL('../../dist/node.js', import.meta.url).href;
const example = new URL('../../examples/street.jpg', import.meta.url).href;

/** What a worker does: a picture in, the polygons of its regions out; or the error. */
const codeOfDetection = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { readFile } = require('node:fs/promises');
  import(workerData.library).then(async ({ decodeImage, loadModel, openGpu, packagedWeights }) => {
    const gpu = await openGpu({ adapter: 'swiftshader' });
    const model = await loadModel(gpu, await readFile(packagedWeights()));
    const image = await decodeImage(await readFile(new URL(workerData.example)));
    for (let round = 0; round < 2; round++) {
      const { regions } = await model.detect(image, { shortSide: 96, minArea: 0 });
      parentPort.postMessage(regions.map(({ polygon }) => polygon));
    }
    model.dispose();
    gpu.dispose();
  }).catch((error) => parentPort.postMessage(String(error)));
`;

/** What a worker does: which adapters it gets, one after another. */
const codeOfSearch = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.library).then(async ({ openGpu }) => {
    for (const adapter of ['swiftshader', 'software', 'swiftshader']) {
      const gpu = await openGpu({ adapter });
      parentPort.postMessage(gpu.profile.adapter);
      gpu.dispose();
    }
  }).catch((error) => parentPort.postMessage(String(error)));
`;

function runWorker(code: string): Promise<{ messages: unknown[]; exitCode: number }> {
  return new Promise((resolve, reject) => {
    const messages: unknown[] = [];
    // Shared, because the embedded driver is named to the loader by an environment variable.
    const worker = new Worker(code, {
      eval: true,
      env: SHARE_ENV,
      workerData: { library, example },
    });
    worker.on('message', (message) => messages.push(message));
    worker.on('error', reject);
    worker.on('exit', (exitCode) => resolve({ messages, exitCode }));
  });
}

async function nameOf(adapter: string): Promise<string> {
  const gpu = await openGpu({ adapter });
  gpu.dispose();
  return gpu.profile.adapter;
}

describe('worker threads', () => {
  it('work in parallel, give the same, and end by themselves', async () => {
    const outcomes = await Promise.all([runWorker(codeOfDetection), runWorker(codeOfDetection)]);
    const [first] = outcomes[0].messages as unknown[][];
    expect(first.length).toBeGreaterThan(0);
    for (const outcome of outcomes)
      expect(outcome).toEqual({ messages: [first, first], exitCode: 0 });
  });

  it('look for adapters in turn, and leave the environment as it was', async () => {
    const before = { ...process.env };
    const [swiftshader, software] = [await nameOf('swiftshader'), await nameOf('software')];
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => runWorker(codeOfSearch)));
    const expected = { messages: [swiftshader, software, swiftshader], exitCode: 0 };
    expect(outcomes).toEqual(outcomes.map(() => expected));
    expect({ ...process.env }).toEqual(before);
  });
});
