import { mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A turn takes well under a second; after this time its thread was ended in the middle of it. */
const LONGEST_TURN_MS = 20_000;

/**
 * Runs an action when no other thread of this process runs one; the turn is over when the action
 * returns, if only with a promise. What needs it is the process's environment: threads share it,
 * and the Vulkan loader reads it several times while it looks for drivers. Threads that were not
 * told of each other have only the disk in common, and there only one of them can make a certain
 * folder.
 */
export async function inTurn<T>(action: () => Promise<T>): Promise<T> {
  const folder = join(tmpdir(), `panpp-${process.getuid?.() ?? 'turn'}-${process.pid}.lock`);
  const mine = await makeWhenGone(folder);
  try {
    return action();
  } finally {
    if (mine) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * False where it can't be made at all: then there are no turns, which a process of one thread does
 * not miss.
 */
async function makeWhenGone(folder: string): Promise<boolean> {
  for (;;) {
    try {
      mkdirSync(folder);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    const since = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - since > LONGEST_TURN_MS) {
      try {
        rmSync(folder, { recursive: true, force: true });
      } catch {
        return false;
      }
    }
    await delay(2);
  }
}
