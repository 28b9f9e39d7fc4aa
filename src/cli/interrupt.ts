// Ctrl-C and its like: what is under way is ended in order, and what is not done is told.
import { setTimeout as delay } from 'node:timers/promises';
import { endingSignals, errorLine, exitCodes, say } from './report.js';

/**
 * Within this many milliseconds a second signal is the same: npm sends on to its child what the
 * terminal sent to both.
 */
const sameSignal = 300;

/**
 * At the first signal that ends a process, calls `end` and then exits with code 1; a second signal
 * exits at once.
 * @returns what stops that again
 */
export function onInterrupt(end: () => Promise<void>): () => void {
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
    await end().catch((error: unknown) => say(`panpp: ${errorLine(error)}`));
    await delay(Math.max(0, since + sameSignal - performance.now()));
    // Node waits for a thread that waits for a pipe's other end; a signal ends that too, once it is
    // the system's again.
    stopWatching();
    process.exit(exitCodes.someFailed);
  };
  for (const signal of endingSignals) process.on(signal, handle);
  return stopWatching;
}
