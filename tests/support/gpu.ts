// The adapters that GPU tests run on: the embedded SwiftShader, and every installed adapter (hardware, lavapipe). One suite for all.
import { afterAll, describe } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { openGpu } from '../../src/node.js';

const candidates = ['swiftshader', 'lavapipe', 'hardware'];

/** Opened once a test file; adapters that are not there are left out, with a line that says so. */
export const gpus: readonly { name: string; gpu: Gpu }[] = await openAll();

async function openAll() {
  const opened: { name: string; gpu: Gpu }[] = [];
  for (const name of candidates) {
    try {
      opened.push({ name, gpu: await openGpu({ adapter: name }) });
    } catch (error) {
      if (name === 'swiftshader') throw error;
      console.log(`not tested on ${name}: ${(error as Error).message.split(';')[0]}`);
    }
  }
  return opened;
}

/** Describes a suite once for every adapter. */
export function describeOnGpus(title: string, suite: (gpu: Gpu) => void): void {
  describe.each(gpus)(`${title} on $name`, ({ gpu }) => suite(gpu));
}

afterAll(() => {
  for (const { gpu } of gpus) gpu.dispose();
});
