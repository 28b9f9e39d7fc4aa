// Runs the built command line as a user does: its exit code, its two streams; in a process of its
// own, or in one that is warm.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { expect } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { withoutNotices } from '../../src/cli/dawn-notices.js';
import type { ModelConfig } from '../../src/network/config.js';
import { examplePath, pieces } from '../support/picture.js';
import { proceduralCheckpoint } from '../support/procedural.js';

/** The built command line. */
export const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const warmProgram = fileURLToPath(new URL('warm.mjs', import.meta.url));

/** A folder of the test file's own, gone afterwards (setup.ts). Commands run in it. */
export let scratch = tmpdir();

export function makeScratch(): void {
  scratch = mkdtempSync(join(tmpdir(), 'panpp-cli-'));
}

/** Software adapters are announced. */
const isOfAdapter = (line: string): boolean => line.includes(' computes on the CPU');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines on stderr but for the adapter's. */
  readonly messages: readonly string[];
  readonly adapterLines: readonly string[];
}

export function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdio: StdioOptions = 'pipe',
): ChildProcess {
  return spawn(process.execPath, [program, ...args], {
    cwd: scratch,
    env: { ...process.env, ...env },
    stdio,
  });
}

/** Waits for the end of a process. Whatever happened, no stack trace was seen. */
export async function finished(child: ChildProcess): Promise<Finished> {
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (data: string) => (text[stream] += data));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.on('close', resolve).on('error', reject),
  );
  return outcome(code, text.stdout, text.stderr);
}

function outcome(code: number | null, stdout: string, everything: string): Finished {
  const stderr = withoutNotices(everything);
  expect(stdout + stderr).not.toMatch(/^ {4}at /m);
  expect(stderr).not.toContain('node:internal');
  const lines = stderr.split('\n').slice(0, -1);
  return {
    code,
    stdout,
    messages: lines.filter((line) => !isOfAdapter(line)),
    adapterLines: lines.filter(isOfAdapter),
  };
}

/**
 * Processes that run commands one after another (warm.mjs), by the variables that they were started
 * with. The one without variables of its own serves several test files.
 */
const warm = new Map<string, ChildProcess>();
const withoutVariables = JSON.stringify({});
let commands = 0;

/** Ends what a test file has of its own. */
export async function endOfFile(): Promise<void> {
  for (const [key, child] of warm) {
    if (key === withoutVariables) continue;
    const ended = once(child, 'exit');
    child.disconnect();
    await ended;
    warm.delete(key);
  }
  rmSync(scratch, { recursive: true, force: true });
}

/**
 * Runs a command in a process that has run others before, with shaders that are compiled already.
 * Commands whose process itself is what is tested take `start`.
 */
export async function panpp(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const key = JSON.stringify(env);
  let child = warm.get(key);
  if (!child) {
    child = spawn(process.execPath, [warmProgram, program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8');
    warm.set(key, child);
  }
  const end = `end of command ${++commands}: `;
  const text = Promise.all([textUntil(child.stdout!, end), textUntil(child.stderr!, end)]);
  child.send({ args, folder: scratch, end });
  const [stdout, stderr] = await text;
  const [messages, code] = stderr.split(end);
  // A command that ends its process by itself leaves no word on its exit code.
  if (code === undefined) {
    warm.delete(key);
    if (child.exitCode === null) await once(child, 'exit');
  }
  return outcome(
    code === undefined ? child.exitCode : Number(code),
    stdout.split(end)[0],
    messages,
  );
}

/** What a stream gives up to a mark's line, or to its end. */
async function textUntil(stream: Readable, mark: string): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    const done = () => {
      stream.off('data', take).off('end', done);
      resolve(text);
    };
    const take = (data: string) => {
      text += data;
      const at = text.indexOf(mark);
      if (at >= 0 && text.indexOf('\n', at) >= 0) done();
    };
    stream.on('data', take).on('end', done);
  });
}

/**
 * Expects that nothing is started: exit code 2, nothing on stdout, and one message, which is
 * returned.
 */
export async function refused(args: readonly string[]): Promise<string> {
  const { code, stdout, messages } = await panpp(args);
  expect({ code, stdout }, messages.join('\n')).toEqual({ code: 2, stdout: '' });
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(/^panpp: /);
  return messages[0];
}

interface Diagnosis {
  readonly adapters: readonly { readonly description: string }[];
}

/** The fastest adapter that every machine like this one has, as options. */
const { adapters } = JSON.parse((await panpp(['doctor', '--json'])).stdout) as Diagnosis;
export const onAdapter = [
  '--adapter',
  adapters.some(({ description }) => description.includes('llvmpipe')) ? 'lavapipe' : 'swiftshader',
];

/** One JSON line of `detect`. */
export interface Line {
  readonly file: string;
  readonly error?: string;
  readonly width: number;
  readonly height: number;
  readonly regions: {
    polygon: [number, number][];
    box: Record<string, number>;
    score: number;
    area: number;
  }[];
  readonly timings: Record<string, number>;
}

/** Small pictures: at this short side text is found in the crops below. */
export const small = ['--short-side', '64'];

/** Runs `detect` on small pictures: JSON lines on stdout, nothing else. */
export async function detect(
  args: readonly string[],
): Promise<Omit<Finished, 'stdout'> & { lines: Line[] }> {
  const { stdout, ...rest } = await panpp(['detect', ...small, ...onAdapter, ...args]);
  return { ...rest, lines: parseLines(stdout) };
}

export function parseLines(stdout: string): Line[] {
  expect(stdout).toMatch(/^(\{.*\}\n)*$/);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

/** A small picture with text; all are of one shape, for the GPU's programs belong to a size. */
export async function crop(name: keyof typeof pieces): Promise<Sharp> {
  const piece = await sharp(fileURLToPath(examplePath))
    .extract(pieces[name])
    .resize(192, 128)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return sharp(piece.data, {
    raw: { width: piece.info.width, height: piece.info.height, channels: 3 },
  });
}

/** A checkpoint with procedural weights, as a file that `convert` reads. */
export function checkpointFile(config: ModelConfig): Uint8Array {
  const tensors = [...proceduralCheckpoint(config)];
  return writeSafetensors(
    tensors.map(
      ([name, { shape, data }]) => [name, { shape, data: data as Float32Array }] as const,
    ),
  );
}

export function inScratch(...names: string[]): string {
  return join(scratch, ...names);
}

export function write(name: string, content: Uint8Array | string): void {
  writeFileSync(inScratch(name), content);
}

/** What lies in a folder, and below it, but for panpp's record of it. */
export function shownIn(folder: string): string[] {
  const names = readdirSync(inScratch(folder), { recursive: true }) as string[];
  return names.filter((name) => !name.startsWith('.panpp')).sort();
}

export function read(name: string): Buffer {
  return readFileSync(inScratch(name));
}
