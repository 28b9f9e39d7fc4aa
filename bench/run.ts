// npm run bench: measures every available adapter, each in its own process, and writes RESULTS.md
// from the records.
import { spawn } from 'node:child_process';
import { PanppError } from '../src/errors.js';
import { benchAdapter, openForBench } from './bench-adapter.js';
import { type BenchOptions, parseOptions, usage } from './options.js';
import { projectFile } from './paths.js';
import { writeReport } from './report.js';

/** Adapters to try unless some are named. */
const candidates = ['hardware', 'lavapipe', 'swiftshader'];
/** Exit code of a process whose adapter is not available. */
const notThere = 3;
/** Set in the processes that measure one adapter. */
const adapterVariable = 'PANPP_BENCH_ADAPTER';

const args = process.argv.slice(2);
if (args.includes('--help')) console.log(`npm run bench -- [options]\n${usage}`);
else {
  try {
    const options = parseOptions(args);
    const adapter = process.env[adapterVariable];
    process.exitCode =
      adapter === undefined ? await benchAll(options) : await benchOne(adapter, options);
  } catch (error) {
    console.error(error instanceof PanppError ? error.message : error);
    process.exitCode = 2;
  }
}

async function benchAll(options: BenchOptions): Promise<number> {
  let failed = 0;
  for (const adapter of options.adapters.length > 0 ? options.adapters : candidates) {
    const code = await runProcess(adapter);
    if (code !== 0 && !(code === notThere && options.adapters.length === 0)) failed++;
  }
  console.error(`wrote ${await writeReport(options.out)}`);
  return failed === 0 ? 0 : 1;
}

/**
 * Measures one adapter in its own process and returns the exit code. Drivers are loaded once per
 * process, and a crash must not end the rest.
 */
function runProcess(adapter: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [projectFile('bench/dist/run.js'), ...args], {
      stdio: 'inherit',
      env: { ...process.env, [adapterVariable]: adapter },
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function benchOne(adapter: string, options: BenchOptions): Promise<number> {
  let gpu;
  try {
    gpu = await openForBench(adapter, options);
  } catch (error) {
    if (!(error instanceof PanppError && error.code === 'adapter')) throw error;
    console.error(`${adapter}: ${error.message}`);
    return notThere;
  }
  await benchAdapter(gpu, adapter, options);
  gpu.dispose();
  return 0;
}
