// A queue of one model's calls: each starts when the previous call no longer needs the GPU.

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  readonly #onIdle: (() => void)[] = [];

  /**
   * Runs `work` when its turn comes.
   * @param work may call `next` to let the next call start before this one has its result;
   * otherwise the next call waits for the result
   * @param signal rejects at once with its reason; `work` still gets its turn and should check the
   * signal first
   */
  take<T>(work: (next: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#underWay++;
    let next!: () => void;
    const before = this.#last;
    this.#last = new Promise<void>((resolve) => (next = resolve));
    const result = before.then(() => work(next));
    const settle = () => {
      next();
      this.#underWay--;
      if (this.#underWay === 0) for (const act of this.#onIdle.splice(0)) act();
    };
    result.then(settle, settle);
    return abortable(result, signal);
  }

  /** Calls `act` once no call is in progress: immediately if there is none. */
  whenIdle(act: () => void): void {
    if (this.#underWay === 0) act();
    else this.#onIdle.push(act);
  }
}

/** Settles like the promise, or rejects with the signal's reason if that comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    // The reason is the caller's choice; it need not be an Error.
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
