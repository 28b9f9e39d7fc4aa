// Dawn's bindings poll the GPU in every turn of the event loop. Without pauses, polling occupies a
// whole core, which a software adapter needs for computing. While a result is awaited, each turn
// therefore pauses briefly.

/** The longest pause, milliseconds; other events on this thread may have to wait that long. */
const longest = 0.5;

/** The shortest pause, milliseconds; a shorter one costs more than it saves. */
const shortest = 0.1;

/**
 * A pause lasts at most this share of the time waited so far, so results within 6.4 ms are not
 * delayed at all.
 */
const share = 1 / 64;

const never = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let since = 0;
let isPausing = false;

/** Awaits a promise that Dawn settles, polling less often the longer it takes. */
export async function withPauses<T>(settled: Promise<T>): Promise<T> {
  if (waiting === 0) since = performance.now();
  waiting++;
  if (!isPausing) setImmediate(pause).unref();
  isPausing = true;
  try {
    return await settled;
  } finally {
    waiting--;
    since = performance.now();
  }
}

/** Runs once per turn of the event loop, like Dawn's polling. */
function pause(): void {
  isPausing = waiting > 0;
  if (!isPausing) return;
  const milliseconds = Math.min(longest, (performance.now() - since) * share);
  if (milliseconds >= shortest) Atomics.wait(never, 0, 0, milliseconds);
  setImmediate(pause).unref();
}
