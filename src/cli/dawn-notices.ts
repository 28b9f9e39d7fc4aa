// Keeps two of Dawn's own notices off stderr: that it lowers limits (which nothing here uses), and
// that a Vulkan loader found no driver. Its native code writes them directly to file descriptor 2
// while it looks for adapters. Neither can be switched off.
import { randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { O_APPEND, O_CREAT, O_EXCL, O_NOCTTY, O_RDWR, O_WRONLY } = constants;
const stderr = 2;

const notices =
  /^Warning: (?:maxDynamic\w+ artificially reduced|vkCreateInstance).*\n(?: {4}at CheckVkSuccessImpl .*\n)?\n?/gm;

/** The text without Dawn's notices. */
export function withoutNotices(text: string): string {
  return text.replace(notices, '');
}

/**
 * Runs `start`, which starts Dawn, while file descriptor 2 is redirected to a file. Afterwards the
 * file's content goes to stderr, without the notices. While descriptors are swapped, no other
 * thread may open a file, because it could get descriptor 2; so only the command line uses this.
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
 * Returns a function that ends the redirection and returns the text written in between. Undefined
 * if stderr could not be restored.
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

/** A newly opened file gets the lowest free descriptor. */
function moveTo(descriptor: number): void {
  closeSync(stderr);
  openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_APPEND | O_NOCTTY);
}

/**
 * Node can't duplicate a descriptor, but it can reopen its file. For a terminal, a pipe, or a file
 * in append mode that is equivalent. Any other file would lose its write position, and a socket
 * can't be reopened.
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
