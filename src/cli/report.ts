// Messages and a progress bar for the user, all on stderr.
import { SingleBar } from 'cli-progress';
import { PanppError, firstLine, onOneLine, shortened } from '../errors.js';

/** Exit codes: all done; some inputs failed; it could not start, or go on. */
export const exitCodes = { done: 0, someFailed: 1, failed: 2 } as const;

/** Writes a line on stderr. Control characters, which file names may hold, are replaced by `?`. */
export function say(message: string): void {
  process.stderr.write(`${onOneLine(message)}\n`);
}

/**
 * Writes to stdout and waits until the text is accepted, so that a slow reader slows the work down
 * instead of filling the memory.
 * @returns whether it was written; false for a closed pipe and for a full disk (main.ts reports it)
 */
export async function print(text: string | Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    // After the stream has emitted its error event.
    process.stdout.write(text, (error) => (error ? setImmediate(resolve, false) : resolve(true)));
  });
}

/** An error in one line, without a stack trace. */
export function errorLine(error: unknown): string {
  if (error instanceof PanppError) return error.message;
  const { code, message } = Object(error) as Partial<NodeJS.ErrnoException>;
  const text = firstLine(message ?? error);
  return code && !text.includes(code) ? `${code}: ${text}` : text;
}

/** The first names of a list. */
export function listed(names: readonly string[], most = 5): string {
  const more = names.length - most;
  return (
    names
      .slice(0, most)
      .map((name) => shortened(name))
      .join(', ') + (more > 0 ? ` and ${more} more` : '')
  );
}

/** Signals that end a process by default. */
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const minute = 60_000;

/** A progress bar on a terminal, elsewhere one line per minute. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #lines: NodeJS.Timeout | undefined;
  #done = 0;
  // The bar hides the cursor; it must come back when a signal ends the process.
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.stop();
    // Unless another handler ends it in order (interrupt.ts).
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };

  constructor(total: number, what: string) {
    if (total < 2) return;
    if (!process.stderr.isTTY) {
      this.#lines = setInterval(
        (begin) => this.#sayHowFar(total, what, begin),
        minute,
        performance.now(),
      ).unref();
      return;
    }
    this.#bar = new SingleBar({
      format: `${what} {bar} {value}/{total}  {eta_formatted} left`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    });
    this.#bar.start(total, 0);
    for (const signal of endingSignals) process.once(signal, this.#onSignal);
  }

  step(): void {
    this.#done++;
    this.#bar?.increment();
  }

  /** Prints a message without garbling the bar. */
  say(message: string): void {
    this.#clear();
    say(message);
  }

  /** Prints a result without garbling the bar if both go to the same terminal. */
  async print(text: string): Promise<boolean> {
    if (process.stdout.isTTY) this.#clear();
    return print(text);
  }

  stop(): void {
    for (const signal of endingSignals) process.off(signal, this.#onSignal);
    this.#bar?.stop();
    clearInterval(this.#lines);
  }

  #sayHowFar(total: number, what: string, begin: number): void {
    const minutes = (performance.now() - begin) / minute;
    const left =
      this.#done > 0
        ? `, about ${Math.ceil((minutes / this.#done) * (total - this.#done))} min left`
        : '';
    say(`panpp: ${this.#done} of ${total} ${what} after ${Math.round(minutes)} min${left}`);
  }

  #clear(): void {
    if (this.#bar) process.stderr.write('\r\x1b[K');
  }
}
