// Images by address: a file's path, http:// or https://, s3://BUCKET/KEY.
import { PanppError } from '../../errors.js';
import { readBytes } from '../files.js';
import { errorLine } from '../report.js';
import type { Bucket } from './s3.js';

/** What addresses may be read, and how. */
export interface AddressOptions {
  /** Whether http:// and https:// are read. */
  readonly fetches: boolean;
  /** Largest file that is downloaded. */
  readonly maxBytes: number;
  /** Milliseconds for a download. */
  readonly timeout: number;
  /** A bucket by name. */
  readonly bucket: (name: string) => Bucket;
}

/** Whether an address is a file's path. */
export function isPath(address: string): boolean {
  return !/^[a-z][a-z\d+.-]+:\/\//i.test(address);
}

/**
 * The bytes at an address.
 * @throws PanppError `argument` for an address that is not allowed, `file` if it can't be read
 */
export async function readAddress(address: string, options: AddressOptions): Promise<Uint8Array> {
  if (isPath(address)) return readBytes(address);
  const { fetches, maxBytes, timeout, bucket } = options;
  const signal = AbortSignal.timeout(timeout);
  try {
    const s3 = /^s3:\/\/([^/]+)\/(.+)$/s.exec(address);
    if (s3) return await bodyOf(await bucket(s3[1]).get(s3[2], signal), address, maxBytes);
    if (!/^https?:\/\//i.test(address))
      throw new PanppError('argument', `${address}: neither a path, http(s):// nor s3://`);
    if (!fetches)
      throw new PanppError(
        'argument',
        `${address}: this worker reads no web addresses; start it with --fetch`,
      );
    return await bodyOf(await fetch(address, { signal }), address, maxBytes);
  } catch (cause) {
    if (cause instanceof PanppError) throw cause;
    const reason = errorLine((cause as Error).cause ?? cause);
    throw new PanppError('file', `${address}: can't be loaded (${reason})`, { cause });
  }
}

async function bodyOf(response: Response, address: string, maxBytes: number): Promise<Uint8Array> {
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new PanppError('file', `${address}: can't be loaded (HTTP ${response.status})`);
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  // Node's streams can be iterated, which the DOM library's types do not say.
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > maxBytes)
      throw new PanppError('image', `${address}: has more than ${maxBytes} bytes (--max-bytes)`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
