// Passes for the image sizes met last. A pass holds the network's working memory, so only a few are
// kept.

/** A program for one size of image, ready to run. */
export interface Pass {
  readonly memory: { readonly bytes: number };
  dispose(): void;
}

/** A pass in the cache. */
export interface KeptPass<P extends Pass> {
  readonly pass: P;
  /** Keeps the pass from being disposed of until `work` settles. */
  holdFor(work: Promise<unknown>): void;
}

interface Entry {
  readonly pass: Pass;
  readonly forget: () => void;
  /** Settles when the calls that use the pass have. */
  used: Promise<unknown>;
}

/** Keeps at most `capacity` passes of all kinds; the one used longest ago goes first. */
export class PassCache {
  readonly #capacity: number;
  // In the order of their last use.
  readonly #entries = new Set<Entry>();

  constructor(capacity: number) {
    this.#capacity = capacity;
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
        // Made room for before the new one takes its memory.
        while (this.#entries.size >= this.#capacity) await this.#disposeOldest();
        const entry = {
          pass: await create(),
          used: Promise.resolve() as Promise<unknown>,
          forget: () => entries.delete(key),
          holdFor(work: Promise<unknown>) {
            this.used = Promise.allSettled([this.used, work]);
          },
        };
        entries.set(key, entry);
        this.#entries.add(entry);
        return entry;
      },
    };
  }

  /** Bytes of GPU memory that all passes hold. */
  get bytes(): number {
    return [...this.#entries].reduce((sum, { pass }) => sum + pass.memory.bytes, 0);
  }

  /** Disposes of all passes. Not while one is in use. */
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
 * Passes of one type, by the sizes that they are for. Not to be asked while an earlier question is
 * open.
 */
export interface PassShelf<P extends Pass> {
  find(key: string, create: () => Promise<P>): Promise<KeptPass<P>>;
}
