// panpp in worker threads of Node: each with a device of its own. It loads dist/ (`npm run build`).
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

const library = new URL('../../dist/node.js', import.meta.url).href;
const example = new URL('../../examples/street.jpg', import.meta.url).href;

/** What a worker does: a picture in, the polygons of its regions out; or the error. */
const code = `
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

function runWorker(): Promise<{ messages: unknown[]; exitCode: number }> {
  return new Promise((resolve, reject) => {
    const messages: unknown[] = [];
    // Shared, because the embedded driver is named to the loader by an environment variable.
    const worker = new Worker(code, { eval: true, env: SHARE_ENV, workerData: { library, example } });
    worker.on('message', (message) => messages.push(message));
    worker.on('error', reject);
    worker.on('exit', (exitCode) => resolve({ messages, exitCode }));
  });
}

describe('worker threads', () => {
  it('work side by side, give the same, and end by themselves', async () => {
    const outcomes = await Promise.all([runWorker(), runWorker()]);
    const [first] = outcomes[0].messages as unknown[][];
    expect(first.length).toBeGreaterThan(0);
    for (const outcome of outcomes) expect(outcome).toEqual({ messages: [first, first], exitCode: 0 });
  });
});
