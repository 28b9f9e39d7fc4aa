// A pool of reusable items. A caller waits while all items are in use.

export class Pool<T> {
  readonly #all: readonly T[];
  readonly #idle: T[];
  readonly #waiting: ((item: T) => void)[] = [];

  constructor(items: readonly T[]) {
    this.#all = items;
    this.#idle = [...items];
  }

  /** The next free item; callers are served in order. */
  async take(): Promise<T> {
    return this.#idle.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(item: T): void {
    const next = this.#waiting.shift();
    if (next) next(item);
    else this.#idle.push(item);
  }

  /** Calls `use` with every item, in use or not. */
  each(use: (item: T) => void): void {
    this.#all.forEach(use);
  }
}
