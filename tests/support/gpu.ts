// The adapters that GPU tests run on: the embedded SwiftShader, and every installed adapter
// (hardware, lavapipe). All run the same suite. PANPP_TEST_ADAPTERS restricts them to a
// comma-separated list of names.
import { describe, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { openGpu } from '../../src/node.js';

interface TestedGpu {
  readonly name: string;
  readonly gpu: Gpu;
}

const chosen = process.env.PANPP_TEST_ADAPTERS?.split(',');
const candidates = ['swiftshader', 'lavapipe', 'hardware'].filter(
  (name) => chosen?.includes(name) ?? true,
);

/**
 * Opened once per process, which several test files share (vitest.config.ts). Missing adapters are
 * left out, with a message.
 */
export const gpus: readonly TestedGpu[] = await openAll();

async function openAll() {
  const opened: TestedGpu[] = [];
  for (const name of candidates) {
    try {
      opened.push({ name, gpu: await openGpu({ adapter: name }) });
    } catch (error) {
      if (name === 'swiftshader') throw error;
      console.log(`not tested on ${name}: ${(error as Error).message.split(';')[0]}`);
    }
  }
  if (opened.length === 0) throw new Error(`none of the adapters ${candidates.join(', ')} is here`);
  return opened;
}

/** Describes a suite once for every adapter. */
export function describeOnGpus(title: string, suite: (gpu: Gpu) => void): void {
  describe.each(gpus)(`${title} on $name`, ({ gpu }) => suite(gpu));
}

/** What an adapter may lack. */
export type Ability = 'f16' | 'subgroups' | 'subgroupMatrix';

/**
 * Like describeOnGpus, but only on the adapters that have an ability. If none has it, one skipped
 * test says so.
 */
export function describeOnGpusWith(
  ability: Ability,
  title: string,
  suite: (gpu: Gpu) => void,
): void {
  const able = gpus.filter(({ gpu }) => gpu.profile[ability]);
  if (able.length === 0) {
    console.log(`not tested, as no adapter here has ${ability}: ${title}`);
    describe(title, () => it.skip(`no adapter here has ${ability}`, () => {}));
  }
  describe.each(able)(`${title} on $name`, ({ gpu }) => suite(gpu));
}

process.once('exit', () => {
  for (const { gpu } of gpus) gpu.dispose();
});
