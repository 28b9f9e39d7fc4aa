// Repairs the markers of JPEG files. Some cameras and phones write wrong markers, about which
// decoders warn although every pixel is present. With the markers repaired, decode.ts can treat
// every warning as lost data. Coded data is never changed, so missing data stays missing.
// Source: ITU-T T.81, annexes B and G.

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP14 = 0xee;
const BASELINE = 0xc0;
const EXTENDED = 0xc1;
const PROGRESSIVE = 0xc2;
const COEFFICIENTS = 64;

interface Segment {
  readonly marker: number;
  /** Marker and parameters. */
  readonly bytes: Uint8Array;
  /** Coded data that follow a scan's header. */
  readonly data?: Uint8Array;
}

/**
 * Returns the JPEG with repaired markers, or undefined if nothing needs repair or a repair would
 * lose pixels:
 * - bytes between segments that belong to none are removed;
 * - a sequential scan's header is set to coefficients 0 to 63 (some phones write 0 to 0);
 * - an unknown JFIF major version or Adobe colour transform is replaced by the value that decoders
 *   assume;
 * - a missing end marker is added if the scans have sent every coefficient of every component.
 *   Whether the last scan's own data is complete is not known yet; see `continuations`.
 */
export function repairedJpeg(
  bytes: Uint8Array,
): { bytes: Uint8Array; hadEnd: boolean } | undefined {
  const parsed = segmentsOf(bytes);
  if (!parsed) return undefined;
  const { segments, hasEnd } = parsed;
  const frame = segments.find(({ marker }) => isFrame(marker));
  if (!frame || (!hasEnd && !sendsEverything(frame, segments))) return undefined;
  const repaired = joined(
    segments.map((segment) => ({ ...segment, bytes: repairedHeader(segment, frame) })),
  );
  return Buffer.compare(repaired, bytes) === 0 ? undefined : { bytes: repaired, hadEnd: hasEnd };
}

/**
 * Candidate repairs for a decoder warning about `count` superfluous bytes before a marker: one
 * JPEG for each scan that such a marker ends, with these bytes removed. Restart markers don't end a
 * scan: superfluous bytes there mean damage. A file without an end marker has no candidates,
 * because zeros that pad a truncated file look the same.
 */
export function* withoutSuperfluous(
  bytes: Uint8Array,
  count: number,
  marker: number,
): Generator<Uint8Array> {
  const { segments, hasEnd } = segmentsOf(bytes) ?? { segments: [], hasEnd: false };
  if (!hasEnd) return;
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]?.marker ?? EOI;
    if (!segment.data || next !== marker || count > segment.data.length) continue;
    const shorter = { ...segment, data: segment.data.subarray(0, segment.data.length - count) };
    yield joined(segments.with(index, shorter));
  }
}

/**
 * Filler bytes in place of data that may be missing: bit patterns that change after 1, 2, 3, 4 …
 * bits.
 */
const CONTINUATIONS = [0x00, 0x55, 0xaa, 0x33, 0xcc, 0x1c, 0xe3, 0x0f, 0xf0, 0x7e].map((byte) =>
  new Uint8Array(64).fill(byte),
);

/**
 * The JPEG with different filler bytes after its coded data. If the data is complete, the decoder
 * never reads the filler, and the pixels are the same for all.
 */
export function continuations(bytes: Uint8Array): Uint8Array[] {
  const end = bytes.length - 2;
  return CONTINUATIONS.map((more) =>
    Buffer.concat([bytes.subarray(0, end), more, bytes.subarray(end)]),
  );
}

/**
 * The segments up to the end marker or the end of the file; undefined if a segment is truncated.
 */
function segmentsOf(bytes: Uint8Array): { segments: Segment[]; hasEnd: boolean } | undefined {
  const segments: Segment[] = [];
  let at = 2; // after SOI
  while ((at = markerFrom(bytes, at)) < bytes.length) {
    const marker = bytes[at + 1];
    if (marker === EOI) return { segments, hasEnd: true };
    const start = at;
    at += 2;
    if (!hasParameters(marker)) continue;
    at += at + 2 > bytes.length ? Infinity : (bytes[at] << 8) | bytes[at + 1];
    if (at < start + 4 || at > bytes.length) return undefined;
    const segment = { marker, bytes: bytes.subarray(start, at) };
    if (marker !== SOS) segments.push(segment);
    else {
      const dataStart = at;
      at = markerFrom(bytes, at, { inScan: true });
      // If only the first byte of the end marker is left, it does not count as data.
      const end = at === bytes.length && bytes[at - 1] === 0xff ? at - 1 : at;
      segments.push({ ...segment, data: bytes.subarray(dataStart, end) });
    }
  }
  return { segments, hasEnd: false };
}

/**
 * Position of the FF byte of the next marker, or the end. In a scan, restart markers are data.
 */
function markerFrom(bytes: Uint8Array, from: number, { inScan = false } = {}): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next === undefined) break;
    if (next !== 0x00 && next !== 0xff && !(inScan && isRestart(next))) return at;
  }
  return bytes.length;
}

function isRestart(marker: number): boolean {
  return marker >= 0xd0 && marker <= 0xd7;
}

function hasParameters(marker: number): boolean {
  return marker !== 0x01 && marker !== SOI && !isRestart(marker);
}

/** SOF0 to SOF15; C4, C8 and CC are not frame markers. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** Whether all scans together have sent every bit of every coefficient of every component. */
function sendsEverything(frame: Segment, segments: readonly Segment[]): boolean {
  // With arithmetic coding, decoders silently read zeros past the end, so truncation would go
  // unnoticed.
  if (![BASELINE, EXTENDED, PROGRESSIVE].includes(frame.marker)) return false;
  const components = Array.from({ length: frame.bytes[9] }, (_, i) => frame.bytes[10 + 3 * i]);
  const complete = new Map(components.map((id) => [id, new Set<number>()]));
  for (const { marker, bytes } of segments) {
    if (marker !== SOS) continue;
    const count = bytes[4];
    const [first, last, bits] = bytes.subarray(5 + 2 * count);
    // The low 4 bits: the number of low-order bits that later scans still send.
    if (frame.marker === PROGRESSIVE && (bits & 15) !== 0) continue;
    const [from, to] = frame.marker === PROGRESSIVE ? [first, last] : [0, COEFFICIENTS - 1];
    for (let i = 0; i < count; i++) {
      for (let k = from; k <= to; k++) complete.get(bytes[5 + 2 * i])?.add(k);
    }
  }
  return components.length > 0 && [...complete.values()].every(({ size }) => size === COEFFICIENTS);
}

function repairedHeader({ marker, bytes }: Segment, frame: Segment): Uint8Array {
  const header = Uint8Array.from(bytes); // slice() of a Buffer shares the caller's memory
  const identifier = String.fromCharCode(...bytes.subarray(4, 9));
  const scan = [0, COEFFICIENTS - 1, 0];
  const scanAt = 5 + 2 * bytes[4];
  // A damaged header may be shorter than its number of components says.
  const isSequential = marker === SOS && [BASELINE, EXTENDED].includes(frame.marker);
  if (isSequential && scanAt + scan.length <= header.length) header.set(scan, scanAt);
  const hasVersion = marker === APP0 && identifier === 'JFIF\0' && header.length > 10;
  if (hasVersion && bytes[9] !== 1) header.set([1, 1], 9);
  // 0: no transform, 1: YCbCr, 2: YCCK.
  if (marker === APP14 && identifier === 'Adobe' && bytes[15] > 2)
    header[15] = frame.bytes[9] === 4 ? 2 : 1;
  return header;
}

function joined(segments: readonly Segment[]): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(0xff, SOI),
    ...segments.flatMap(({ bytes, data }) => (data ? [bytes, data] : [bytes])),
    Uint8Array.of(0xff, EOI),
  ]);
}
