// Reads the files that torch.save writes, in both formats:
// - zip (PyTorch 1.6 and later): `NAME/data.pkl`, a pickle that refers to storages;
//   `NAME/data/KEY`, their bytes; and from 2.1 on `NAME/byteorder`.
// - legacy: consecutive pickles (a magic number, a protocol version, details of the machine, the
//   object, the storages' keys), then for each key an 8-byte count and its values, always
//   little-endian.
//
// Source for both: torch/serialization.py (_save, _load, _legacy_save, _legacy_load).
import { quoted } from '../errors.js';
import { checkNumber, checkOptions } from '../options.js';
import { zipEntries, ZipError } from '../zip.js';
import type { ElementType } from './dtypes.js';
import { foreignGlobal, OpaqueObject, PickleGlobal, readPickle } from './pickle.js';
import type { PickleHost } from './pickle.js';
import { failIn } from './problems.js';
import type { Fail } from './problems.js';
import { isSafetensors, readSafetensors } from './safetensors.js';
import { readShards, shardNames } from './shards.js';
import { elementCount, isShape } from './tensor.js';
import type { NamedTensor, TensorData } from './tensor.js';
import {
  dtypeOf,
  isOpaqueGlobal,
  Storage,
  storageType,
  StoredTensor,
  torchGlobals,
  UnreadableTensor,
} from './torch-objects.js';

/** Keys of the model's state dict in training checkpoints, most likely first. */
const STATE_DICT_KEYS = ['state_dict', 'model_state_dict', 'model_state', 'model', 'net'];
/** Keys of the moving average of the weights, and the keys that may wrap it. */
const EMA_KEYS = ['ema_state_dict', 'state_dict_ema', 'model_ema', 'ema_model', 'ema'];
const EMA_WRAPPERS = [...STATE_DICT_KEYS, 'module', 'shadow'];
/** Names of running statistics, which a moving average of parameters lacks. */
const STATISTICS = /\.(running_mean|running_var|num_batches_tracked)$/;
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;
/** The opcode that begins a pickle of protocol 2 and later. */
const PROTO = 0x80;

/** The option names of `CheckpointOptions`. */
export const checkpointOptionNames = ['ema', 'shards', 'maxBytes', 'maxPickleSteps'] as const;

/** Which of a checkpoint's tensors are read. */
export interface CheckpointOptions {
  /**
   * Read the moving average of the weights (EMA) instead of the weights. If it has no running
   * statistics, the model's own are used.
   */
  readonly ema?: boolean;
  /**
   * The files that an index (`model.safetensors.index.json`) refers to, by their names in the
   * index.
   */
  readonly shards?: ReadonlyMap<string, Uint8Array>;
  /**
   * Maximum bytes that the file unpacks to, and maximum bytes that its tensors take in addition;
   * default: 16 and 32 times the file's size, plus some MiB. Without a limit, a small hostile file
   * could exhaust the memory.
   */
  readonly maxBytes?: number;
  /**
   * Maximum steps of a pickle in the file; default: 1 000 000. A training state of a thousand
   * tensors takes about 200 000.
   */
  readonly maxPickleSteps?: number;
}

/** Limits on one file. */
interface Limits {
  /** Bytes of unpacked entries. */
  readonly unpacked: number;
  /** Bytes of tensors that are not views of the file or of its entries. */
  readonly tensors: number;
  readonly pickleSteps: number;
}

// PyTorch stores its entries uncompressed. Repacking compresses them only a little, so much larger
// content means a zip bomb or entries that share their bytes.
function limitsOf(
  { length }: Uint8Array,
  { maxBytes, maxPickleSteps = 1_000_000 }: CheckpointOptions,
): Limits {
  checkNumber('maxPickleSteps', maxPickleSteps, 1, Infinity);
  if (maxBytes !== undefined) checkNumber('maxBytes', maxBytes, 0, Infinity);
  return {
    unpacked: maxBytes ?? 16 * length + 2 ** 20,
    tensors: maxBytes ?? 32 * length + 2 ** 23,
    pickleSteps: maxPickleSteps,
  };
}

/** The tensors of a checkpoint, and the key of its moving average. */
export interface Checkpoint {
  readonly tensors: Map<string, NamedTensor>;
  /** Key of the moving average of the weights, if there is one. */
  readonly emaKey?: string;
}

/**
 * Reads the tensors of a model from a checkpoint: a `torch.save` file in the zip or the legacy
 * format, a safetensors file, or the index of a sharded checkpoint.
 *
 * The tensors are those of the state dict under `state_dict` (or `model_state_dict`, `model_state`,
 * `model`, `net`), or of the outermost dict; an optimizer's are not read. Names are as saved:
 * DataParallel's `module.` and other wrappers are kept, see `withoutWrappers`. Entries that are not
 * tensors are skipped. Floats of every width come back as Float32Array, integers and booleans as
 * BigInt64Array, always row-major; a tensor may share memory with others and with `bytes`, so
 * neither must change afterwards.
 *
 * A pickle is read as data: objects that tensors don't need are ignored, globals that run programs
 * are refused by name, and nothing is executed.
 *
 * @param fileName names the file in error messages.
 * @throws PanppError `checkpoint` for a file that is not a checkpoint, is damaged or truncated,
 * refers to functions that run programs, lacks tensors or the requested moving average, or holds
 * quantized, sparse, complex, 8-bit float or unsigned 64-bit tensors; also for a missing shard.
 */
export function readCheckpoint(
  bytes: Uint8Array,
  fileName = 'checkpoint',
  options: CheckpointOptions = {},
): Map<string, NamedTensor> {
  checkOptions('readCheckpoint', options, checkpointOptionNames);
  return openCheckpoint(bytes, fileName, options).tensors;
}

/** As `readCheckpoint`, and also reports the key of a moving average. */
export function openCheckpoint(
  bytes: Uint8Array,
  fileName: string,
  options: CheckpointOptions = {},
): Checkpoint {
  const fail = failIn(fileName);
  const { ema = false, shards, maxBytes, maxPickleSteps } = options;
  const limits = limitsOf(bytes, options);
  const isIndex = shardNames(bytes, fileName) !== undefined;
  if (isIndex || isSafetensors(bytes)) {
    if (ema) fail('holds one set of weights and no moving average');
    if (!isIndex) return { tensors: readSafetensors(bytes, fileName).tensors };
    return {
      tensors: readShards(bytes, shards ?? new Map(), fileName, (shard, name) =>
        readCheckpoint(shard, name, { maxBytes, maxPickleSteps }),
      ),
    };
  }
  const archive = openArchive(bytes, fileName, limits, fail);
  const { stateDict, ema: average } = findStateDict(archive.root, fail);
  if (ema && !average)
    fail(`holds no moving average of its weights (under ${EMA_KEYS.join(', ')})`);
  const chosen = ema ? [...statistics(stateDict), ...average!.dict] : stateDict;

  const stored = new Map<string, StoredTensor>();
  for (const [name, value] of chosen) {
    if (typeof name !== 'string') continue;
    if (value instanceof UnreadableTensor)
      fail(`tensor ${quoted(name)} can't be read: it is ${value.kind}`);
    if (value instanceof StoredTensor) stored.set(name, value);
  }
  const keys = new Set<string>();
  for (const { storage } of stored.values()) if (storage instanceof Storage) keys.add(storage.key);

  const reader = new TensorReader(archive.readStorages(keys), archive.bigEndian, limits.tensors);
  const tensors = new Map<string, NamedTensor>();
  for (const [name, tensor] of stored) {
    const failHere: Fail = (problem) => fail(`tensor ${quoted(name)} ${problem}`);
    tensors.set(name, reader.read(tensor, failHere));
  }
  return { tensors, emaKey: average?.key };
}

function statistics(stateDict: ReadonlyMap<unknown, unknown>): [unknown, unknown][] {
  return [...stateDict].filter(([name]) => typeof name === 'string' && STATISTICS.test(name));
}

interface Archive {
  /** The saved object. */
  readonly root: unknown;
  readonly bigEndian: boolean;
  /** The bytes of storages by key; keys that the archive lacks are left out. */
  readStorages(keys: ReadonlySet<string>): ReadonlyMap<string, Uint8Array>;
}

function openArchive(bytes: Uint8Array, fileName: string, limits: Limits, fail: Fail): Archive {
  if (bytes.length === 0) fail('the file is empty; download or copy it again');
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
  if (head.startsWith('PK\x03\x04')) return openZip(bytes, fileName, limits, fail);
  if (bytes[0] === PROTO || head.startsWith(`L${LEGACY_MAGIC}L`))
    return openLegacy(bytes, fileName, limits, fail);
  if (/^(ï»¿)?\s*<(!doctype|!--|\?xml|html|head|body)/i.test(head)) {
    fail(
      'this is an HTML page, not a checkpoint: the download link probably failed; open it in a browser',
    );
  }
  if (head.startsWith('version https://git-lfs')) {
    fail("this is a Git LFS pointer, not the checkpoint itself: fetch it with 'git lfs pull'");
  }
  if (head.slice(257, 262) === 'ustar') {
    fail(
      'this is a tar archive: unpack it first; if a PyTorch before 0.2 wrote it, save it again with a newer one',
    );
  }
  return fail('neither a PyTorch checkpoint (zip or legacy) nor a safetensors file');
}

// Zip format

function openZip(bytes: Uint8Array, fileName: string, limits: Limits, fail: Fail): Archive {
  const isPickle = (name: string): boolean => /^([^/]+\/)?data\.pkl$/.test(name);
  const { names, files } = unzip(
    bytes,
    (name) => isPickle(name) || name.endsWith('byteorder'),
    limits.unpacked,
    fail,
  );
  const pickles = [...names].filter(isPickle);
  if (pickles.length !== 1) {
    const count = pickles.length === 0 ? 'no' : 'more than one';
    fail(
      `a zip archive with ${count} data.pkl, which torch.save does not write; unpack it if it holds a checkpoint`,
    );
  }
  const prefix = pickles[0].slice(0, -'data.pkl'.length);
  if (names.has(`${prefix}constants.pkl`)) {
    fail('a TorchScript archive (torch.jit.save): save model.state_dict() with torch.save instead');
  }
  const order = files.get(`${prefix}byteorder`);
  const host: PickleHost = {
    fileName,
    globals: torchGlobals,
    isOpaque: isOpaqueGlobal,
    maxSteps: limits.pickleSteps,
    persistentLoad: (id) => persistentObject(id, fail),
  };
  return {
    root: readPickle(files.get(pickles[0])!, host).value,
    bigEndian: order !== undefined && new TextDecoder().decode(order.subarray(0, 8)) === 'big',
    readStorages: (keys) => {
      const folder = `${prefix}data/`;
      const isWanted = (name: string): boolean =>
        name.startsWith(folder) && keys.has(name.slice(folder.length));
      const storages = unzip(bytes, isWanted, limits.unpacked, fail).files;
      return new Map([...storages].map(([name, raw]) => [name.slice(folder.length), raw]));
    },
  };
}

/**
 * The names of all entries of a zip archive, and the content of the wanted ones.
 * @param room maximum bytes that the wanted entries unpack to
 */
function unzip(
  bytes: Uint8Array,
  isWanted: (name: string) => boolean,
  room: number,
  fail: Fail,
): { names: Set<string>; files: Map<string, Uint8Array> } {
  const names = new Set<string>();
  const files = new Map<string, Uint8Array>();
  try {
    for (const entry of zipEntries(bytes)) {
      const { name, size } = entry;
      if (names.has(name)) fail(`damaged: its zip directory has ${quoted(name)} twice`);
      names.add(name);
      if (!isWanted(name)) continue;
      room -= size;
      if (room < 0) fail('damaged: its zip entries are larger than its size allows');
      files.set(name, entry.read());
    }
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    return fail(
      `cut short or damaged: its zip archive can't be read (${error.message}); download or copy it again`,
    );
  }
  return { names, files };
}

// Legacy format

function openLegacy(bytes: Uint8Array, fileName: string, limits: Limits, fail: Fail): Archive {
  const storages = new Map<string, Storage>();
  const host: PickleHost = {
    fileName,
    globals: torchGlobals,
    isOpaque: isOpaqueGlobal,
    maxSteps: limits.pickleSteps,
    persistentLoad: (id) => {
      const storage = persistentObject(id, fail);
      if (storage instanceof Storage && !storages.has(storage.key))
        storages.set(storage.key, storage);
      return storage;
    },
  };
  let position = 0;
  const next = (): unknown => {
    const { value, end } = readPickle(bytes, host, position);
    position = end;
    return value;
  };
  if (next() !== LEGACY_MAGIC) fail('a pickle, but not a checkpoint written by torch.save');
  const protocol = next();
  if (protocol !== LEGACY_PROTOCOL) fail('a checkpoint of an unknown protocol version');
  next(); // details of the machine, not needed: values are always little-endian
  const root = next();
  const keys = next();
  if (!Array.isArray(keys)) return fail('damaged: it has no list of storages');

  const contents = new Map<string, Uint8Array>();
  for (const key of keys) {
    const storage = storages.get(keyText(key));
    if (!storage) return fail('damaged: it lists a storage that no tensor uses');
    const begin = position + 8;
    const end = begin + storage.length * storage.type.bytes;
    if (end > bytes.length) {
      return fail(
        'the file is cut short: values of its tensors are missing; download or copy it again',
      );
    }
    const count = new DataView(bytes.buffer, bytes.byteOffset + position, 8).getBigUint64(0, true);
    if (count !== BigInt(storage.length)) {
      return fail(
        `damaged: its storage ${quoted(storage.key)} has ${count} elements instead of ${storage.length}`,
      );
    }
    contents.set(storage.key, bytes.subarray(begin, end));
    position = end;
  }
  return { root, bigEndian: false, readStorages: () => contents };
}

// Both formats

/** A storage or a class: in the legacy format, ('module', class, …) names a whole model's class. */
function persistentObject(id: unknown, fail: Fail): Storage | PickleGlobal {
  if (Array.isArray(id) && id[0] === 'module' && id[1] instanceof PickleGlobal) return id[1];
  return storageOf(id, fail);
}

/**
 * ('storage', class, key, device, elements[, (view key, offset, elements)]), the persistent id of a
 * storage.
 */
function storageOf(id: unknown, fail: Fail): Storage {
  const parts: readonly unknown[] = Array.isArray(id) ? id : [];
  const [kind, storageClass, key, , length, view] = parts;
  const type = storageType(storageClass);
  if (kind !== 'storage' || !type || keyText(key) === '' || !isSize(length)) {
    return fail('damaged: its pickle has a malformed storage');
  }
  if (!Array.isArray(view)) return new Storage(keyText(key), type, length, 0, length);
  const [, begin, count] = view as readonly unknown[];
  if (!isSize(begin) || !isSize(count) || begin + count > length) {
    return fail('damaged: its pickle has a malformed storage view');
  }
  return new Storage(keyText(key), type, length, begin, begin + count);
}

function keyText(key: unknown): string {
  return typeof key === 'string' || typeof key === 'number' ? String(key) : '';
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

interface Found {
  /** The dict whose values are the model's tensors. */
  readonly stateDict: Map<unknown, unknown>;
  /** The dict of their moving averages, and its key. */
  readonly ema?: { readonly key: string; readonly dict: Map<unknown, unknown> };
}

function findStateDict(root: unknown, fail: Fail): Found {
  const path = dictsFrom(root, STATE_DICT_KEYS);
  const dict = path.at(-1);
  if (!dict) return fail(root instanceof OpaqueObject ? foreignGlobal(root.className) : notADict);
  if (holdsTensors(dict)) return { stateDict: dict, ema: findAverage(path) };

  const object = STATE_DICT_KEYS.map((key) => dict.get(key)).find(
    (value) => value instanceof OpaqueObject,
  );
  if (object) return fail(foreignGlobal(object.className));
  const names = [...dict.keys()].filter((name) => typeof name === 'string').slice(0, 8);
  const where = names.length > 0 ? ` under ${names.map(quoted).join(', ')}` : '';
  return fail(
    `no tensors found${where}; save model.state_dict() or {'state_dict': model.state_dict()}`,
  );
}

const notADict = 'the saved object is not a dict of tensors; save model.state_dict()';

/**
 * A chain of nested dicts, outermost first: each dict is the first one that its predecessor has
 * under one of `keys`.
 */
function dictsFrom(root: unknown, keys: readonly string[]): Map<unknown, unknown>[] {
  const path: Map<unknown, unknown>[] = [];
  let dict = isDict(root) ? root : undefined;
  while (dict && path.length <= keys.length) {
    path.push(dict);
    const outer: Map<unknown, unknown> = dict;
    dict = keys.map((key) => outer.get(key)).find(isDict);
  }
  return path;
}

/** An opaque object counts as a dict only if it has items. */
function isDict(value: unknown): value is Map<unknown, unknown> {
  return value instanceof Map && !(value instanceof OpaqueObject && value.size === 0);
}

function holdsTensors(dict: ReadonlyMap<unknown, unknown>): boolean {
  return [...dict].some(
    ([name, value]) =>
      typeof name === 'string' &&
      (value instanceof StoredTensor || value instanceof UnreadableTensor),
  );
}

/** Finds the moving average in one of the dicts that lead to the state dict. */
function findAverage(path: readonly Map<unknown, unknown>[]): Found['ema'] {
  for (const outer of path) {
    for (const key of EMA_KEYS) {
      const dict = dictsFrom(outer.get(key), EMA_WRAPPERS).find(holdsTensors);
      if (dict) return { key, dict };
    }
  }
  return undefined;
}

/**
 * Reads tensors from storages. Each storage is widened once; contiguous tensors are views of it.
 */
class TensorReader {
  private readonly widened = new Map<string, TensorData>();

  constructor(
    private readonly contents: ReadonlyMap<string, Uint8Array>,
    private readonly bigEndian: boolean,
    /**
     * Bytes that may still be allocated. Without a limit, expanded views, and storages read as
     * several types, could make a small file exhaust the memory.
     */
    private room: number,
  ) {}

  read(tensor: StoredTensor, fail: Fail): NamedTensor {
    const { storage, offset, size: shape, stride } = tensor;
    if (
      !(storage instanceof Storage) ||
      !isSize(offset) ||
      !isShape(shape) ||
      !isShape(stride) ||
      shape.length !== stride.length
    ) {
      return fail('has an invalid description: the file is damaged');
    }
    const type = tensor.dtype === undefined ? storage.type : dtypeOf(tensor.dtype);
    if (!type) return fail('has an unknown data type');
    const { widen } = type;
    if (!widen) return fail(`has ${type.name} values, which are not supported; save it as float32`);
    if (shape.includes(0)) return { shape, data: widen(new Uint8Array(0)) };

    // The length of an untyped storage is in bytes.
    const scale = storage.type.bytes / type.bytes;
    const begin = storage.begin * scale + offset;
    const last = shape.reduce((index, size, axis) => index + (size - 1) * stride[axis], begin);
    if (!Number.isInteger(begin) || last >= Math.floor(storage.end * scale)) {
      return fail('reaches past the end of its storage: the file is damaged');
    }
    const values = this.values(storage, type, widen, fail);
    const count = elementCount(shape);
    if (isContiguous(shape, stride)) return { shape, data: values.subarray(begin, begin + count) };
    this.take(count * values.BYTES_PER_ELEMENT, fail);
    try {
      return { shape, data: gather(values, begin, shape, stride) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return fail(`has ${count} values, more than an array can hold`);
    }
  }

  private take(bytes: number, fail: Fail): void {
    this.room -= bytes;
    if (!(this.room >= 0))
      fail('is far larger in memory than in the file; raise maxBytes if you trust the file');
  }

  private values(
    storage: Storage,
    type: ElementType,
    widen: (raw: Uint8Array) => TensorData,
    fail: Fail,
  ): TensorData {
    const id = `${type.name} ${storage.key}`;
    const known = this.widened.get(id);
    if (known) return known;
    const raw = this.contents.get(storage.key);
    if (!raw) return fail(`has no values: the file lacks its storage ${quoted(storage.key)}`);
    const length = storage.length * storage.type.bytes;
    if (raw.length < length) {
      return fail(
        `is cut short: its storage ${quoted(storage.key)} has ${raw.length} of ${length} bytes`,
      );
    }
    const whole = raw.subarray(0, length - (length % type.bytes));
    // Each element takes at most 8 bytes.
    if (type.name !== 'float32' && type.name !== 'int64')
      this.take((whole.length / type.bytes) * 8, fail);
    const values = widen(this.bigEndian ? reversedElements(whole, type.bytes) : whole);
    this.widened.set(id, values);
    return values;
  }
}

function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    if (shape[axis] !== 1 && stride[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Copies a strided view's elements into row-major order. */
function gather(
  values: TensorData,
  begin: number,
  shape: readonly number[],
  stride: readonly number[],
): TensorData {
  const result =
    values instanceof Float32Array
      ? new Float32Array(elementCount(shape))
      : new BigInt64Array(elementCount(shape));
  // The casts allow one loop for both element types: elements are only copied.
  const [from, to] = [values as Float32Array, result as Float32Array];
  const inner = shape.length - 1;
  const index = new Array<number>(shape.length).fill(0);
  let source = begin;
  for (let at = 0; at < to.length;) {
    for (let i = 0; i < shape[inner]; i += 1) to[at++] = from[source + i * stride[inner]];
    let axis = inner - 1;
    for (; axis >= 0; axis -= 1) {
      source += stride[axis];
      index[axis] += 1;
      if (index[axis] < shape[axis]) break;
      source -= index[axis] * stride[axis];
      index[axis] = 0;
    }
  }
  return result;
}

function reversedElements(raw: Uint8Array, bytes: number): Uint8Array {
  const reversed = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1)
    reversed[i] = raw[i - (i % bytes) + bytes - 1 - (i % bytes)];
  return reversed;
}
