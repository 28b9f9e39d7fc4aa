// Dawn's bindings learn what the GPU has done by asking in every turn of the event loop, without a
// pause: a whole core goes to asking, which a software adapter needs for computing. While we wait,
// turns get pauses.

/** Milliseconds of the longest pause: what another event on this thread may wait. */
const longest = 0.5;

/** Milliseconds of the shortest pause; a shorter one costs more than it saves. */
const shortest = 0.1;

/**
 * A pause may delay a result by this part of the time that it took: results within 6.4 ms are not
 * delayed at all.
 */
const share = 1 / 64;

const never = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let since = 0;
let isPausing = false;

/** Awaits what Dawn settles, asking less often the longer it takes. */
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

/** Runs once a turn, as Dawn's asking does. */
function pause(): void {
  isPausing = waiting > 0;
  if (!isPausing) return;
  const milliseconds = Math.min(longest, (performance.now() - since) * share);
  if (milliseconds >= shortest) Atomics.wait(never, 0, 0, milliseconds);
  setImmediate(pause).unref();
}
