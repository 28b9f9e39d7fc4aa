// Loads a weights file from a URL or from memory, with progress, abort and the browser's cache.
import { isSafetensors } from '../checkpoint/safetensors.js';
import { PanppError } from '../errors.js';
import { checkOptions } from '../options.js';

/** Progress of a download. */
export interface LoadProgress {
  /** Bytes received so far. */
  readonly loaded: number;
  /** Bytes of the whole file, if the server reports them. */
  readonly total?: number;
}

/** Options of `loadWeights`. */
export interface LoadWeightsOptions {
  /** Called after each received chunk. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Stores downloads in the Cache API and reuses them without asking the server: `true` for a
   * cache named `panpp`, or another name; default: no cache. If the file changes, use another URL
   * or call `caches.delete(name)`.
   */
  readonly cache?: boolean | string;
}

/**
 * Returns the bytes of a weights file, for `loadModel`. Bytes are returned unchanged; the body of
 * a `Response` is consumed.
 * @throws PanppError `file` if the file can't be loaded, is truncated or is not a weights file (for
 * example an HTML error page), or if a cache is requested where the Cache API is missing; the
 * signal's reason if aborted
 */
export async function loadWeights(
  source: string | URL | Response | ArrayBuffer | Uint8Array,
  options: LoadWeightsOptions = {},
): Promise<Uint8Array> {
  checkOptions('loadWeights', options, ['onProgress', 'signal', 'cache']);
  const { onProgress, signal, cache = false } = options;
  signal?.throwIfAborted();
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    const bytes = source instanceof Uint8Array ? source : new Uint8Array(source);
    onProgress?.({ loaded: bytes.length, total: bytes.length });
    return bytes;
  }
  if (source instanceof Response)
    return readWeights(source, source.url || 'the response', onProgress, signal);
  const url = String(source);
  const store = cache === false ? undefined : await openCache(cache === true ? 'panpp' : cache);
  const kept = await store?.match(url);
  if (kept) {
    const bytes = await readBody(kept, url, onProgress, signal);
    if (isSafetensors(bytes)) return bytes;
    // An invalid entry would block this URL for good.
    await store!.delete(url);
  }
  const bytes = await readWeights(await get(url, signal), url, onProgress, signal);
  if (store) await keep(store, url, bytes);
  return bytes;
}

/**
 * Reads a body and checks that it is a weights file: some servers answer with a page and status 200
 * when a file is missing or needs a login.
 */
async function readWeights(
  response: Response,
  name: string,
  ...rest: BodyOptions
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBody(response, name, ...rest);
  if (isSafetensors(bytes)) return bytes;
  const type = response.headers.get('content-type') ?? 'no content type';
  const found = /^text\/html\b/i.test(type)
    ? 'an HTML page, not a weights file'
    : `${bytes.length} bytes that are not a weights file (${type})`;
  throw new PanppError('file', `${name} returned ${found}; check the address`);
}

type BodyOptions = [onProgress: LoadWeightsOptions['onProgress'], signal: AbortSignal | undefined];

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = (cause as Error).message;
    throw new PanppError(
      'file',
      `${url} can't be loaded (${reason}); check the address, the network, and CORS`,
      { cause },
    );
  }
}

async function readBody(
  response: Response,
  name: string,
  ...[onProgress, signal]: BodyOptions
): Promise<Uint8Array<ArrayBuffer>> {
  if (!response.ok || !response.body) {
    const status = `${response.status} ${response.statusText}`.trim();
    throw new PanppError('file', `${name} can't be loaded (HTTP ${status}); check the address`);
  }
  const total = lengthOf(response);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let loaded = 0;
  const reader = response.body.getReader();
  // A caller's own response does not know the signal, and a read may block for a long time.
  const abort = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener('abort', abort);
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      pieces.push(piece.value);
      loaded += piece.value.length;
      onProgress?.({ loaded, total });
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw new PanppError(
      'file',
      `loading ${name} broke off after ${loaded} bytes (${(cause as Error).message}); try again`,
      { cause },
    );
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  signal?.throwIfAborted();
  if (total !== undefined && loaded !== total) {
    throw new PanppError(
      'file',
      `${name} was cut off: ${loaded} bytes came of ${total}; try again`,
    );
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/**
 * Expected size of the body in bytes. `content-length` counts transferred bytes, so it is useless
 * for a compressed body.
 */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? undefined : Number(length);
}

async function openCache(name: string): Promise<Cache> {
  if (typeof caches === 'undefined') {
    throw new PanppError(
      'file',
      'there is no Cache API here (a browser has it on https and localhost only); leave out the option cache',
    );
  }
  return caches.open(name);
}

/** Caches a download. A failure, such as a full disk, only warns: the bytes are already loaded. */
async function keep(store: Cache, url: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await store.put(
      url,
      new Response(bytes, { headers: { 'content-length': String(bytes.length) } }),
    );
  } catch (error) {
    console.warn(`panpp: ${url} is loaded, but can't be cached: ${(error as Error).message}`);
  }
}
