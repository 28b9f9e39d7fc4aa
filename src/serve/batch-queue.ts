// A queue of work that is done a few pieces at a time. Pieces of one kind that wait together are
// done together. It knows nothing of HTTP or of images.

/** A kind of work: how its inputs are processed. */
export interface Work<I, R> {
  /** Inputs of work with equal keys may be processed together. */
  readonly key: string;
  /** How many inputs may be processed together. */
  readonly most: number;
  /**
   * Processes inputs, with one outcome each.
   * @param signal aborts when no input's result is wanted any more
   */
  readonly run: (inputs: readonly I[], signal: AbortSignal) => readonly Promise<R>[];
}

/** An input's result. */
export interface Done<R> {
  readonly result: R;
  /** Milliseconds between its arrival and the start of its work. */
  readonly waited: number;
  /** How many inputs were processed together. */
  readonly together: number;
}

interface Job<I, R> {
  readonly work: Work<I, R>;
  readonly input: I;
  readonly arrived: number;
  readonly resolve: (done: Done<R>) => void;
  readonly reject: (reason: unknown) => void;
  /** Aborts the job's batch if it is the batch's last. */
  leave?: (reason: unknown) => void;
}

export class BatchQueue<I, R> {
  readonly #atOnce: number;
  readonly #patience: number;
  readonly #announced: () => number;
  /** In order of arrival. */
  readonly #waiting = new Set<Job<I, R>>();
  readonly #underWay = new Set<Job<I, R>>();
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param atOnce how many batches are under way at a time
   * @param patience how long an input waits for others of its kind, milliseconds
   * @param announced how many inputs are here or on their way; if none is on its way, an input does
   * not wait for others
   */
  constructor(atOnce: number, patience: number, announced: () => number = () => Infinity) {
    this.#atOnce = atOnce;
    this.#patience = patience;
    this.#announced = announced;
  }

  /** Number of inputs whose work has not begun. */
  get length(): number {
    return this.#waiting.size;
  }

  /**
   * Processes an input when its turn comes.
   * @param signal rejects at once with its reason. Others in the same batch are not affected.
   */
  add(work: Work<I, R>, input: I, signal: AbortSignal): Promise<Done<R>> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = withResolvers<Done<R>>();
    const job: Job<I, R> = { work, input, arrived: performance.now(), resolve, reject };
    const drop = () => this.#drop(job, signal.reason);
    signal.addEventListener('abort', drop);
    this.#waiting.add(job);
    this.#start();
    return promise.finally(() => signal.removeEventListener('abort', drop));
  }

  /** Rejects everything that waits or is under way. */
  dropAll(reason: unknown): void {
    for (const job of [...this.#waiting, ...this.#underWay]) this.#drop(job, reason);
  }

  #drop(job: Job<I, R>, reason: unknown): void {
    this.#waiting.delete(job);
    this.#underWay.delete(job);
    job.reject(reason);
    job.leave?.(reason);
  }

  #start(): void {
    clearTimeout(this.#timer);
    while (this.#running < this.#atOnce) {
      const batch = this.#nextBatch();
      if (!batch) break;
      void this.#run(batch);
    }
  }

  /**
   * The oldest job with those of its kind, once it has waited long enough, they are enough, or no
   * more will come. If none is ready, a timer starts the next one.
   */
  #nextBatch(): Job<I, R>[] | undefined {
    const now = performance.now();
    const isMoreComing = this.#announced() > this.#waiting.size + this.#underWay.size;
    let soonest = Infinity;
    for (const { work, arrived } of this.#waiting) {
      const same = [...this.#waiting].filter((job) => job.work.key === work.key);
      const left = work.most > 1 && isMoreComing ? arrived + this.#patience - now : 0;
      if (left <= 0 || same.length >= work.most)
        return same.slice(0, largestPower(Math.min(same.length, work.most)));
      soonest = Math.min(soonest, left);
    }
    if (soonest < Infinity) this.#timer = setTimeout(() => this.#start(), Math.ceil(soonest));
    return undefined;
  }

  async #run(batch: readonly Job<I, R>[]): Promise<void> {
    this.#running++;
    const started = performance.now();
    const controller = new AbortController();
    let wanted = batch.length;
    for (const job of batch) {
      this.#waiting.delete(job);
      this.#underWay.add(job);
      job.leave = (reason) => {
        job.leave = undefined;
        if (--wanted === 0) controller.abort(reason);
      };
    }
    const [{ work }] = batch;
    const inputs = batch.map(({ input }) => input);
    const outcomes = work.run(inputs, controller.signal).map(async (outcome, index) => {
      const { arrived, resolve, reject } = batch[index];
      const waited = started - arrived;
      await outcome.then((result) => resolve({ result, waited, together: batch.length }), reject);
      batch[index].leave = undefined;
      this.#underWay.delete(batch[index]);
    });
    await Promise.all(outcomes);
    this.#running--;
    this.#start();
  }
}

/**
 * The largest power of two up to a number. Batches have such sizes only, because each size needs a
 * GPU program of its own.
 */
function largestPower(most: number): number {
  return 2 ** Math.floor(Math.log2(most));
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((...functions) => ([resolve, reject] = functions));
  return { promise, resolve, reject };
}
