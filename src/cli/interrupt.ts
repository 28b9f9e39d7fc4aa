// Ctrl-C and similar signals: work in progress ends in an orderly way, and what remains undone is
// reported.
import { setTimeout as delay } from 'node:timers/promises';
import { endingSignals, errorLine, exitCodes, say } from './report.js';

/**
 * A second signal within this many milliseconds counts as the same one: npm forwards to its child
 * what the terminal already sent to both.
 */
const sameSignal = 300;

/** Writes a file or a folder; a signal that ends the process leaves no part of it. */
export async function writing<T>(work: () => Promise<T>): Promise<T> {
  const stopWatching = onInterrupt(async () => say('panpp: interrupted, nothing is written'));
  return work().finally(stopWatching);
}

/**
 * At the first signal that ends a process, calls `end` and then exits; a second signal exits at
 * once.
 * @param end resolves to the exit code; without one it is 1
 * @returns a function that stops this
 */
export function onInterrupt(end: () => Promise<number | void>): () => void {
  let since: number | undefined;
  const stopWatching = (): void => {
    for (const signal of endingSignals) process.off(signal, handle);
  };
  const handle = (): void => void handleOnce();
  const handleOnce = async (): Promise<void> => {
    if (since !== undefined) {
      if (performance.now() - since > sameSignal) process.exit(exitCodes.someFailed);
      return;
    }
    since = performance.now();
    const code = await end().catch((error: unknown) => say(`panpp: ${errorLine(error)}`));
    await delay(Math.max(0, since + sameSignal - performance.now()));
    // Node waits for a thread that is blocked on a pipe. Once the default handler is back, a second
    // signal ends that too.
    stopWatching();
    process.exit(code ?? exitCodes.someFailed);
  };
  for (const signal of endingSignals) process.on(signal, handle);
  return stopWatching;
}
