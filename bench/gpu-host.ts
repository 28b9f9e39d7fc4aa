// One script for a bare GPU host: checks that results are right, then measures. Builds nothing and
// needs no npm.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PanppError } from '../src/errors.js';
import { benchAdapter, openForBench } from './bench-adapter.js';
import { type BenchOptions, parseOptions, usage } from './options.js';
import { checkParity } from './parity.js';
import { describeRecord } from './report.js';

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(
    `node bench/gpu-host.mjs [options]: checks an adapter (default: hardware), then measures it\n${usage}`,
  );
} else {
  try {
    // Options given override the environment.
    process.exitCode = await main(
      parseOptions([...(process.env.OUT ? ['--out', process.env.OUT] : []), ...args]),
    );
  } catch (error) {
    console.error(error instanceof PanppError ? error.message : error);
    process.exitCode = 2;
  }
}

async function main(options: BenchOptions): Promise<number> {
  const [adapter = 'hardware'] = options.adapters;
  const gpu = await openForBench(adapter, options);
  try {
    const checks = await checkParity(gpu, options.precision);
    await mkdir(options.out, { recursive: true });
    await writeFile(
      join(options.out, 'parity.json'),
      `${JSON.stringify({ adapter: gpu.profile, checks }, undefined, 1)}\n`,
    );
    for (const { name, passed, detail } of checks)
      console.log(`${passed ? 'right' : 'WRONG'}  ${name}: ${detail}`);
    // Wrong results are not timed.
    if (!checks.every(({ passed }) => passed)) return 1;
    console.log(`\n${describeRecord(await benchAdapter(gpu, adapter, options))}`);
    return 0;
  } finally {
    gpu.dispose();
  }
}
