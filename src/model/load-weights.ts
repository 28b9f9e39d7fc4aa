// A weights file from wherever it lies, with progress, abort and the browser's own cache.
import { PanppError } from '../errors.js';

/** How far a download is. */
export interface LoadProgress {
  /** Bytes so far. */
  readonly loaded: number;
  /** Bytes of the whole file, where the server tells. */
  readonly total?: number;
}

/** How weights are loaded. */
export interface LoadWeightsOptions {
  /** Called after each piece that arrives. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Keep what comes from a URL in the Cache API, and take it from there the next time without asking the server: true for a cache
   * named `panpp`, or another name. A file that changes needs another URL, or `caches.delete(name)`.
   */
  readonly cache?: boolean | string;
}

/**
 * The bytes of a weights file, for `loadModel`. Bytes given are returned as they are; a response's body is used up.
 * @throws PanppError `file` if it can't be loaded or is cut off, or if a cache is asked for where there is none; the signal's
 *   reason if aborted
 */
export async function loadWeights(
  source: string | URL | Response | ArrayBuffer | Uint8Array,
  { onProgress, signal, cache = false }: LoadWeightsOptions = {},
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) {
    const bytes = source instanceof Uint8Array ? source : new Uint8Array(source);
    onProgress?.({ loaded: bytes.length, total: bytes.length });
    return bytes;
  }
  if (source instanceof Response) return readBody(source, source.url || 'the response', onProgress, signal);
  const url = String(source);
  const store = cache === false ? undefined : await openCache(cache === true ? 'panpp' : cache);
  const kept = await store?.match(url);
  const bytes = await readBody(kept ?? (await get(url, signal)), url, onProgress, signal);
  if (store && !kept) await keep(store, url, bytes);
  return bytes;
}

async function get(url: string, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = (cause as Error).message;
    throw new PanppError('file', `${url} can't be loaded (${reason}); check the address, the network, and CORS`, { cause });
  }
}

async function readBody(
  response: Response,
  name: string,
  onProgress: LoadWeightsOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!response.ok || !response.body) {
    const status = `${response.status} ${response.statusText}`.trim();
    throw new PanppError('file', `${name} can't be loaded (HTTP ${status}); check the address`);
  }
  const total = lengthOf(response);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let loaded = 0;
  const reader = response.body.getReader();
  // A response that the caller made is not bound to the signal, and a read may wait for long.
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
    throw new PanppError('file', `loading ${name} broke off after ${loaded} bytes (${(cause as Error).message}); try again`, { cause });
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  signal?.throwIfAborted();
  if (total !== undefined && loaded !== total) {
    throw new PanppError('file', `${name} was cut off: ${loaded} bytes came of ${total}; try again`);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** Bytes that the body will give. The header counts them as they travel, so it says nothing of a compressed body. */
function lengthOf({ headers }: Response): number | undefined {
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? undefined : Number(length);
}

async function openCache(name: string): Promise<Cache> {
  if (typeof caches === 'undefined') {
    throw new PanppError('file', 'there is no Cache API here (a browser has it on https and localhost only); leave out the option cache');
  }
  return caches.open(name);
}

/** A full disk is no reason to lose what was just loaded. */
async function keep(store: Cache, url: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await store.put(url, new Response(bytes, { headers: { 'content-length': String(bytes.length) } }));
  } catch (error) {
    console.warn(`panpp: ${url} is loaded, but can't be cached: ${(error as Error).message}`);
  }
}
