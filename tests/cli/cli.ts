// Runs the built command line as a user does: a process of its own, its exit code, its two streams.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { afterAll, expect } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/safetensors.js';
import type { ModelConfig } from '../../src/network/config.js';
import { proceduralCheckpoint } from '../support/procedural.js';

/** The built command line. */
export const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const street = fileURLToPath(new URL('../../examples/street.jpg', import.meta.url));

/** A folder of the test file's own, gone afterwards. Commands run in it. */
export const scratch = mkdtempSync(join(tmpdir(), 'panpp-cli-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Dawn's native code writes these by itself: on every device, and where a Vulkan loader finds no driver. */
const ofDawn = /^(Warning: maxDynamic.*|Warning: vkCreateInstance.*(\n {4}at CheckVkSuccessImpl .*\n)?)\n/gm;
/** Software adapters are announced. */
const isOfAdapter = (line: string): boolean => line.includes(' computes on the CPU');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines on stderr but for the adapter's. */
  readonly messages: readonly string[];
  readonly adapterLines: readonly string[];
}

/** @param stdout a file's number, if not a pipe */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdout: number | 'pipe' = 'pipe'): ChildProcess {
  return spawn(process.execPath, [program, ...args], { cwd: scratch, env: { ...process.env, ...env }, stdio: ['pipe', stdout, 'pipe'] });
}

/** Waits for the end of a process. Whatever happened, no stack trace was seen. */
export async function finished(child: ChildProcess): Promise<Finished> {
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (data: string) => (text[stream] += data));
  const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  const stderr = text.stderr.replace(ofDawn, '');
  expect(text.stdout + stderr).not.toMatch(/^ {4}at /m);
  expect(stderr).not.toContain('node:internal');
  const lines = stderr.split('\n').slice(0, -1);
  return {
    code,
    stdout: text.stdout,
    messages: lines.filter((line) => !isOfAdapter(line)),
    adapterLines: lines.filter(isOfAdapter),
  };
}

export function panpp(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Finished> {
  return finished(start(args, env));
}

/** Expects that nothing is started: exit code 2, nothing on stdout, and one message, which is returned. */
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
  readonly regions: { polygon: [number, number][]; box: Record<string, number>; score: number; area: number }[];
  readonly timings: Record<string, number>;
}

/** Small pictures: at this short side text is found in the crops below. */
export const small = ['--short-side', '96'];

/** Runs `detect` on small pictures: JSON lines on stdout, nothing else. */
export async function detect(args: readonly string[]): Promise<Omit<Finished, 'stdout'> & { lines: Line[] }> {
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

/** Pieces of the example picture with text in them, all of one shape: the GPU's programs belong to a size. */
const crops = {
  sign: { left: 760, top: 40, width: 480, height: 320 },
  bread: { left: 865, top: 590, width: 405, height: 270 },
  open: { left: 340, top: 760, width: 300, height: 200 },
} as const;

/** A small picture with text. */
export async function crop(name: keyof typeof crops): Promise<Sharp> {
  const piece = await sharp(street).extract(crops[name]).resize(192, 128).raw().toBuffer({ resolveWithObject: true });
  return sharp(piece.data, { raw: { width: piece.info.width, height: piece.info.height, channels: 3 } });
}

/** A checkpoint with procedural weights, as a file that `convert` reads. */
export function checkpointFile(config: ModelConfig): Uint8Array {
  const tensors = [...proceduralCheckpoint(config)];
  return writeSafetensors(
    tensors.map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }] as const),
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
