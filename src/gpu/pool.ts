// A few things of a kind that are handed out, used and given back; who finds none left waits for
// one.

export class Pool<T> {
  readonly #all: T[] = [];
  readonly #idle: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];
  readonly #most: number;
  readonly #make: () => T;

  /** @param make called when one is needed and fewer than `most` are there */
  constructor(most: number, make: () => T) {
    this.#most = most;
    this.#make = make;
  }

  /** The next one that is free, in the order of asking. */
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

  /** Does something with all that were made. */
  each(use: (item: T) => void): void {
    this.#all.forEach(use);
  }
}
