// Cold start: a new process, from its start to the first result, with the drivers' shader caches
// empty and then filled.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Effort, type Statistics, type Times, measureInTurns, summarise } from './measure.js';
import { projectFile } from './paths.js';

export interface ColdStartEntry {
  readonly shortSide: number;
  /**
   * Milliseconds of each step; `wall` is from the start of the process to the first result. Two
   * parts of `detect`: `once` is what a second call does not take (mainly shader compilation);
   * `setup` is the part of `once` that the model itself measures.
   */
  readonly emptyCaches: Readonly<Record<string, Statistics>>;
  readonly filledCaches: Readonly<Record<string, Statistics>>;
}

/** @param adapter as `openGpu` takes it */
export async function measureColdStart(
  adapter: string,
  shortSide: number,
  effort: Effort,
): Promise<ColdStartEntry> {
  let caches = '';
  const forget = () => rm(caches, { recursive: true, force: true });
  try {
    const times = await measureInTurns(
      {
        emptyCaches: async () => {
          if (caches) await forget();
          caches = await mkdtemp(join(tmpdir(), 'panpp-cold-'));
          return startOnce(adapter, shortSide, caches);
        },
        filledCaches: () => startOnce(adapter, shortSide, caches),
      },
      { ...effort, warmups: 0 },
    );
    return {
      shortSide,
      emptyCaches: summarise(times.emptyCaches),
      filledCaches: summarise(times.filledCaches),
    };
  } finally {
    await forget();
  }
}

async function startOnce(adapter: string, shortSide: number, caches: string): Promise<Times> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      projectFile('bench/cold-start.mjs'),
      projectFile('examples/street.jpg'),
      String(shortSide),
      adapter,
    ],
    // Where Mesa and NVIDIA keep compiled shaders, and panpp keeps the embedded driver.
    {
      env: {
        ...process.env,
        XDG_CACHE_HOME: caches,
        MESA_SHADER_CACHE_DIR: caches,
        __GL_SHADER_DISK_CACHE_PATH: caches,
      },
    },
  );
  const { regions, ...times } = JSON.parse(stdout) as Times & { regions: number };
  if (!(regions > 0)) throw new Error(`cold start on ${adapter}: no regions found in the example`);
  return times;
}
