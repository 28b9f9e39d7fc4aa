// A bounded pool of reusable items. A caller waits while all items are in use.

export class Pool<T> {
  readonly #all: T[] = [];
  readonly #idle: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];
  readonly #most: number;
  readonly #make: () => T;

  /** @param make called when an item is needed and fewer than `most` exist */
  constructor(most: number, make: () => T) {
    this.#most = most;
    this.#make = make;
  }

  /** The next free item; callers are served in order. */
  async take(): Promise<T> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.length < this.#most) {
      const made = this.#make();
      this.#all.push(made);
      return made;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(item: T): void {
    const next = this.#waiting.shift();
    if (next) next(item);
    else this.#idle.push(item);
  }

  /** Calls `use` with every item made so far, in use or not. */
  each(use: (item: T) => void): void {
    this.#all.forEach(use);
  }
}
