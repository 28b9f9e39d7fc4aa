// Caches passes for recent image sizes. A pass holds the network's working memory, so only a few
// large ones are kept.
import type { Size } from '../images/size.js';
import type { ResizeSource } from '../layers/resize.js';

/** A program for one image size, ready to run. */
export interface Pass {
  readonly memory: { readonly bytes: number };
  dispose(): void;
}

/** A cached pass. */
export interface KeptPass<P extends Pass> {
  readonly pass: P;
  /** Delays the pass's disposal until `work` settles. */
  holdFor(work: Promise<unknown>): void;
}

interface Entry {
  readonly pass: Pass;
  readonly forget: () => void;
  /** Settles when all calls that use the pass have settled. */
  used: Promise<unknown>;
}

/** How many passes are kept. */
export interface PassLimits {
  /** So many, however large they are. */
  readonly least: number;
  /** No more, however small they are. */
  readonly most: number;
  /** GPU memory above which no more than `least` are kept. */
  readonly bytes: number;
}

/** An LRU cache of passes of all types together. */
export class PassCache {
  readonly #limits: PassLimits;
  // Least recently used first.
  readonly #entries = new Set<Entry>();

  constructor(limits: PassLimits) {
    this.#limits = limits;
  }

  /** A part of the cache for passes of one type. */
  shelf<P extends Pass>(): PassShelf<P> {
    const entries = new Map<string, Entry & KeptPass<P>>();
    return {
      find: async (key, create) => {
        const known = entries.get(key);
        if (known) {
          this.#entries.delete(known);
          this.#entries.add(known);
          return known;
        }
        // Free memory before the new pass allocates its own.
        while (this.#isFull) await this.#disposeOldest();
        const entry = {
          pass: await create(),
          used: Promise.resolve() as Promise<unknown>,
          forget: () => entries.delete(key),
          holdFor(work: Promise<unknown>) {
            // Without a value, or the promise would hold the results of all calls so far.
            this.used = Promise.allSettled([this.used, work]).then(() => undefined);
          },
        };
        entries.set(key, entry);
        this.#entries.add(entry);
        return entry;
      },
    };
  }

  /** GPU memory of all passes in bytes. */
  get bytes(): number {
    return [...this.#entries].reduce((sum, { pass }) => sum + pass.memory.bytes, 0);
  }

  /** Whether another pass would be too many. */
  get #isFull(): boolean {
    const { least, most, bytes } = this.#limits;
    const { size } = this.#entries;
    return size >= most || (size >= least && this.bytes > bytes);
  }

  /** Disposes of all passes. Must not be called while one is in use. */
  dispose(): void {
    for (const { pass, forget } of this.#entries) {
      pass.dispose();
      forget();
    }
    this.#entries.clear();
  }

  async #disposeOldest(): Promise<void> {
    const [oldest] = this.#entries;
    await oldest.used;
    oldest.pass.dispose();
    oldest.forget();
    this.#entries.delete(oldest);
  }
}

/**
 * Passes of one type by key. `find` must not be called before an earlier `find` has settled.
 */
export interface PassShelf<P extends Pass> {
  find(key: string, create: () => Promise<P>): Promise<KeptPass<P>>;
}

/** The part of a pass's key that says what it resizes, and to which size. */
export function sourceKey({ rows, columns, channels }: ResizeSource, size: Size): number[] {
  return [rows, columns, channels, size.height, size.width];
}
