// Takes images from the queue until it is told to end.
import { setTimeout as delay } from 'node:timers/promises';
import { type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { PanppError } from '../../errors.js';
import { jsonLine, resultLine } from '../../formats/result-line.js';
import { decodeImage } from '../../images/decode.js';
import type { Detection, Spotting } from '../../model/options.js';
import type { PixelImage } from '../../images/image.js';
import { hashOf } from '../output-record.js';
import { errorLine, print, say } from '../report.js';
import { type ImageDone, type ImageJob, maxCrashes, reasonOf } from './jobs.js';
import type { OpenQueue } from './redis.js';
import type { ResultStore } from './results.js';

export interface WorkerOptions {
  /** Images at a time: while the GPU works on one, the next ones are read and decoded. */
  readonly atOnce: number;
  /** Milliseconds without a sign of life after which an image is given to another worker. */
  readonly lease: number;
  readonly maxPixels: number;
}

/** How an image is done. */
export interface ImageWork {
  /** Differs if results do: by weights and settings. */
  readonly fingerprint: string;
  readonly read: (address: string) => Promise<Uint8Array>;
  readonly find: (image: PixelImage) => Promise<Detection | Spotting>;
  readonly results: ResultStore;
}

export class ImageWorker {
  readonly #open: OpenQueue;
  readonly #work: ImageWork;
  readonly #options: WorkerOptions;
  readonly #worker: Worker<ImageJob, ImageDone>;
  #failed = 0;
  /** Why this worker can do no more images. */
  #fault: Error | undefined;

  constructor(open: OpenQueue, work: ImageWork, options: WorkerOptions) {
    this.#open = open;
    this.#work = work;
    this.#options = options;
    this.#worker = new Worker<ImageJob, ImageDone>(
      open.queue.name,
      (job, token) => this.#process(job, token),
      {
        connection: open.redis,
        concurrency: options.atOnce,
        lockDuration: options.lease,
        stalledInterval: options.lease / 2,
        // It counts those that are forgiven.
        maxStalledCount: maxCrashes - 1,
        autorun: false,
      },
    );
    this.#worker.on('completed', ({ data: { address } }, { result, isNew }) => {
      void print(jsonLine({ address, result, isNew }));
    });
    this.#worker.on('failed', (job, error) => this.#report(job, error));
    // Connections report for themselves (redis.ts).
    this.#worker.on('error', () => {});
  }

  /** Images that failed for good. */
  get failed(): number {
    return this.#failed;
  }

  /**
   * Works until `stop`, or until no image is left if `untilEmpty`.
   * @throws PanppError `adapter` if no device can be opened any more, `file` if results can't be
   * stored
   */
  async run(untilEmpty: boolean): Promise<void> {
    const running = this.#worker.run();
    if (untilEmpty) await Promise.race([running, this.#emptied()]);
    else await running;
    await this.stop();
    await running;
    if (this.#fault) throw this.#fault;
  }

  /** Takes no more images, and ends when those under way are done. */
  async stop(): Promise<void> {
    await this.#worker.close();
  }

  async #emptied(): Promise<void> {
    while (!this.#worker.closing) {
      const { waiting, active, delayed } = await this.#open.queue.getJobCounts();
      if (waiting + active + delayed === 0) return;
      await delay(emptyCheck);
    }
  }

  async #process(job: Job<ImageJob, ImageDone>, token?: string): Promise<ImageDone> {
    const { address } = job.data;
    const { fingerprint, read, find, results } = this.#work;
    try {
      const bytes = await read(address);
      const result = `${hashOf(bytes)}.${fingerprint}.json`;
      // Done before: by another address, or by a worker that could not report it.
      if (await stored(results.has(result))) return { result, isNew: false };
      const image = await decodeImage(bytes, address, { maxPixels: this.#options.maxPixels });
      const found = await find(image);
      const isNew = await stored(results.create(result, jsonLine(resultLine(address, found))));
      return { result, isNew };
    } catch (error) {
      const fault = faultOf(error);
      if (fault) {
        // The image is another worker's then: this one would fail with all that it takes. A device
        // that is lost again and again may be the image's doing, and counts as an attempt.
        this.#fault ??= fault;
        void this.stop();
        await job.moveToWait(token);
        throw new WaitingError();
      }
      throw isPermanent(error) ? new UnrecoverableError(errorLine(error)) : error;
    }
  }

  #report(job: Job<ImageJob, ImageDone> | undefined, error: Error): void {
    if (!job) return;
    const { data, attemptsMade, opts } = job;
    const reason = reasonOf(errorLine(error));
    const where = reason.includes(data.address) ? reason : `${data.address}: ${reason}`;
    const isLast = error instanceof UnrecoverableError || attemptsMade >= (opts.attempts ?? 1);
    if (isLast) this.#failed++;
    say(`panpp: ${where}; ${isLast ? 'given up' : 'it is tried again'}`);
  }
}

/** Results can't be stored, whatever the image. */
class StoreFault extends Error {
  constructor(override readonly cause: Error) {
    super(cause.message);
  }
}

async function stored<T>(work: Promise<T>): Promise<T> {
  return work.catch((cause: Error) => {
    throw new StoreFault(cause);
  });
}

/** An error that another image would meet as well; undefined for one that may be the image's. */
function faultOf(error: unknown): Error | undefined {
  if (error instanceof StoreFault) return error.cause;
  return error instanceof PanppError && error.code === 'adapter' ? error : undefined;
}

/** Pause between looks at whether the queue is empty, milliseconds. */
const emptyCheck = 500;

/** Whether another attempt would fail as well. A missing file may come, and a server come back. */
function isPermanent(error: unknown): boolean {
  return error instanceof PanppError && ['image', 'argument', 'weights'].includes(error.code);
}
