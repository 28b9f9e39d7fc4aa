// Keeps Dawn's own notices off stderr. Its native code writes some while it looks for adapters,
// straight to file descriptor 2: that it lowers limits which nothing here uses, and that a Vulkan
// loader found no driver. Neither can be switched off.
import { randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { O_APPEND, O_CREAT, O_EXCL, O_NOCTTY, O_RDWR, O_WRONLY } = constants;
const stderr = 2;

const notices =
  /^Warning: (?:maxDynamic\w+ artificially reduced|vkCreateInstance).*\n(?: {4}at CheckVkSuccessImpl .*\n)?\n?/gm;

/** What was written, without Dawn's notices. */
export function withoutNotices(text: string): string {
  return text.replace(notices, '');
}

/**
 * Runs what starts Dawn. Meanwhile file descriptor 2 is a file; what it holds in the end goes to
 * stderr, without the notices. No other thread may open files when this begins and ends, for it
 * would be given the descriptor: so this is for the command line alone.
 */
export async function withoutDawnNotices<T>(start: () => Promise<T>): Promise<T> {
  const restore = divertStderr();
  try {
    return await start();
  } finally {
    process.stderr.write(withoutNotices(restore?.() ?? ''));
  }
}

/**
 * Returns what ends it, with what was written meanwhile; undefined where stderr can't be had back.
 */
function divertStderr(): (() => string) | undefined {
  if (process.platform !== 'linux' || !canBeReopened()) return undefined;
  let kept: number | undefined;
  let draft: number;
  try {
    kept = openSync(`/proc/self/fd/${stderr}`, O_WRONLY | O_APPEND | O_NOCTTY);
    const path = join(tmpdir(), `panpp-stderr-${randomUUID()}`);
    draft = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0o600);
    rmSync(path);
  } catch {
    if (kept !== undefined) closeSync(kept);
    return undefined;
  }
  moveTo(draft);
  return () => {
    moveTo(kept);
    const text = readFileSync(`/proc/self/fd/${draft}`, 'utf8');
    for (const descriptor of [kept, draft]) closeSync(descriptor);
    return text;
  };
}

/** The lowest descriptor that is free is the one that is given next. */
function moveTo(descriptor: number): void {
  closeSync(stderr);
  openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_APPEND | O_NOCTTY);
}

/**
 * Node can't duplicate a descriptor, but it can open its file again: of a terminal, a pipe, or a
 * file that is appended to, that is the same. In another file the place to write next would be
 * lost, and a socket can't be opened.
 */
function canBeReopened(): boolean {
  try {
    const status = fstatSync(stderr);
    if (status.isFile()) return (flagsOf(stderr) & O_APPEND) !== 0;
    return status.isFIFO() || status.isCharacterDevice();
  } catch {
    return false;
  }
}

function flagsOf(descriptor: number): number {
  return parseInt(
    /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '0',
    8,
  );
}
