import { mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A turn takes well under a second; after this time its thread must have died during it. */
const LONGEST_TURN_MS = 20_000;

/**
 * Runs an action while no other thread of this process runs one; the turn ends when the action
 * returns, even if it returns a promise. It protects the process's environment: threads share it,
 * and the Vulkan loader reads it several times while it looks for drivers. Independent threads
 * share only the disk, where only one of them can create a given folder; that folder is the lock.
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
 * False if it can't be made at all: then actions are not serialised, which a single-threaded
 * process does not need.
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
