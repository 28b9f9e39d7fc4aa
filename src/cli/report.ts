// What a person sees besides results: messages and a progress bar, all on stderr.
import { SingleBar } from 'cli-progress';
import { PanppError } from '../errors.js';

/** Exit codes: all done; some input failed, the rest is done; nothing could be started. */
export const exitCodes = { done: 0, someFailed: 1, notStarted: 2 } as const;

export function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

/** An error in one line, without a stack trace. */
export function errorLine(error: unknown): string {
  if (error instanceof PanppError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  const text = String(message ?? error).split('\n')[0];
  return code && !text.includes(code) ? `${code}: ${text}` : text;
}

/** A progress bar on a terminal, nothing elsewhere. */
export class Progress {
  readonly #bar: SingleBar | undefined;

  constructor(total: number, what: string) {
    if (!process.stderr.isTTY || total < 2) return;
    this.#bar = new SingleBar({
      format: `${what} {bar} {value}/{total}  {eta_formatted} left`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    });
    this.#bar.start(total, 0);
  }

  step(): void {
    this.#bar?.increment();
  }

  /** A message that does not tangle with the bar. */
  say(message: string): void {
    if (this.#bar) process.stderr.write('\r\x1b[K');
    say(message);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
