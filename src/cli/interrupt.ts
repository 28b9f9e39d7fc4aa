// Ctrl-C and its like: what is under way is ended in order, and what is not done is told.
import { endingSignals, errorLine, exitCodes, say } from './report.js';

/**
 * At the first signal that ends a process, calls `end` and then exits with code 1; a second signal exits at once.
 * @returns what stops that again
 */
export function onInterrupt(end: () => Promise<void>): () => void {
  let ending = false;
  const handle = async (): Promise<void> => {
    if (ending) process.exit(exitCodes.someFailed);
    ending = true;
    await end().catch((error: unknown) => say(`panpp: ${errorLine(error)}`));
    process.exit(exitCodes.someFailed);
  };
  for (const signal of endingSignals) process.on(signal, handle);
  return () => {
    for (const signal of endingSignals) process.off(signal, handle);
  };
}
