// Defines the globals in PyTorch's checkpoints. Sources: torch/_utils.py (the _rebuild functions)
// and the list that torch.load(weights_only=True) allows; also NumPy's scalars and arrays, which
// optimizers and training loops save. Tensors stay descriptions until their values are needed, so
// an optimizer's tensors cost nothing.
import { elementType, elementTypeNames } from './dtypes.js';
import type { ElementType } from './dtypes.js';
import { PickleGlobal } from './pickle.js';

/**
 * A tensor as the pickle describes it; its parts are checked later, when an error can name the
 * tensor.
 */
export class StoredTensor {
  constructor(
    readonly storage: unknown,
    readonly offset: unknown,
    readonly size: unknown,
    readonly stride: unknown,
    /** A global such as `torch.uint16`, where the storage has no type of its own. */
    readonly dtype?: unknown,
  ) {}
}

/** A tensor whose values can't be read; `kind` says why, as in "it is …". */
export class UnreadableTensor {
  constructor(readonly kind: string) {}
}

/** A block of values, kept in the archive under `key`. Tensors may share it. */
export class Storage {
  constructor(
    readonly key: string,
    readonly type: ElementType,
    /** Number of elements that the archive keeps under the key. */
    readonly length: number,
    /** Index of the first element; nonzero only for storage views of PyTorch before 0.4. */
    readonly begin: number,
    /** The index after its last element. */
    readonly end: number,
  ) {}
}

/** A value that no tensor needs (a NumPy scalar, a device, …). */
const OPAQUE = Symbol('opaque');

const STORAGE_TYPES: ReadonlyMap<string, string> = new Map([
  ['DoubleStorage', 'float64'],
  ['FloatStorage', 'float32'],
  ['HalfStorage', 'float16'],
  ['BFloat16Storage', 'bfloat16'],
  ['LongStorage', 'int64'],
  ['IntStorage', 'int32'],
  ['ShortStorage', 'int16'],
  ['CharStorage', 'int8'],
  ['ByteStorage', 'uint8'],
  ['BoolStorage', 'bool'],
  ['ComplexFloatStorage', 'complex64'],
  ['ComplexDoubleStorage', 'complex128'],
  ['QInt8Storage', 'qint8'],
  ['QUInt8Storage', 'quint8'],
  ['QInt32Storage', 'qint32'],
  ['QUInt4x2Storage', 'quint4x2'],
  ['QUInt2x4Storage', 'quint2x4'],
  ['UntypedStorage', 'uint8'], // counted in bytes; the tensor gives the type
]);

const storageTypes = new Map<string, ElementType>();
for (const [name, type] of STORAGE_TYPES) {
  for (const module of ['torch', 'torch.cuda', 'torch.storage'])
    storageTypes.set(`${module}.${name}`, elementType(type)!);
}
const dtypes = new Map(elementTypeNames.map((name) => [`torch.${name}`, elementType(name)!]));

/** The element type of a storage class such as `torch.FloatStorage`. */
export function storageType(value: unknown): ElementType | undefined {
  return value instanceof PickleGlobal ? storageTypes.get(value.name) : undefined;
}

/** The element type of a dtype such as `torch.float16`. */
export function dtypeOf(value: unknown): ElementType | undefined {
  return value instanceof PickleGlobal ? dtypes.get(value.name) : undefined;
}

/** Every global that has a meaning in a checkpoint's pickle. */
export const torchGlobals: ReadonlyMap<string, PickleGlobal> = (() => {
  const globals = new Map<string, PickleGlobal>();
  const allow = (name: string, call?: PickleGlobal['call']): void => {
    globals.set(name, new PickleGlobal(name, call));
  };
  const unreadable = (kind: string) => () => new UnreadableTensor(kind);

  for (const name of [...storageTypes.keys(), ...dtypes.keys()]) allow(name);

  // (storage, offset, size, stride); v2 adds (requires_grad, hooks, metadata), v3 (requires_grad,
  // hooks, dtype, metadata)
  allow(
    'torch._utils._rebuild_tensor',
    (args) => new StoredTensor(args[0], args[1], args[2], args[3]),
  );
  allow('torch._utils._rebuild_tensor_v2', (args) => denseTensor(args, undefined, args[6]));
  allow('torch._utils._rebuild_tensor_v3', (args) => denseTensor(args, args[6], args[7]));
  // (tensor, requires_grad, hooks[, attributes])
  allow('torch._utils._rebuild_parameter', (args) => args[0]);
  allow('torch._utils._rebuild_parameter_with_state', (args) => args[0]);
  allow('torch.nn.parameter.Parameter', (args) => args[0]);
  allow('torch.nn.parameter.Buffer', (args) => args[0]);
  allow('torch.Tensor');
  allow('torch._tensor._rebuild_from_type_v2', rebuildSubclass);
  allow('torch._utils._rebuild_qtensor', unreadable('quantized'));
  allow('torch._utils._rebuild_sparse_tensor', unreadable('sparse'));
  allow('torch._utils._rebuild_sparse_csr_tensor', unreadable('sparse'));
  allow('torch._utils._rebuild_meta_tensor_no_storage', unreadable('a meta tensor without values'));
  allow('torch.serialization._get_layout', () => OPAQUE);
  for (const scheme of ['per_tensor', 'per_channel']) {
    for (const kind of ['affine', 'symmetric', 'affine_float_qparams'])
      allow(`torch.${scheme}_${kind}`);
  }
  allow('torch.Size', (args) => args[0] ?? []);
  allow('torch.device', () => OPAQUE);

  allow('collections.OrderedDict', (args) => dictOf(args[0]));
  allow('collections.defaultdict', () => new Map());
  allow('collections.Counter', (args) => dictOf(args[0])); // a MultiStepLR's milestones
  for (const name of ['set', 'frozenset'])
    allow(`builtins.${name}`, (args) => new Set(Array.isArray(args[0]) ? args[0] : []));
  for (const name of ['bytearray', 'complex']) allow(`builtins.${name}`, () => OPAQUE);
  allow('_codecs.encode', () => OPAQUE); // how protocol 2 writes bytes

  allow('numpy.dtype', () => OPAQUE);
  allow('numpy.ndarray');
  for (const core of ['numpy.core', 'numpy._core']) {
    allow(`${core}.multiarray.scalar`, () => OPAQUE);
    allow(`${core}.multiarray._reconstruct`, unreadable('a NumPy array'));
    allow(`${core}.numeric._frombuffer`, unreadable('a NumPy array'));
  }
  return globals;
})();

/**
 * Modules and functions that run programs: a file that refers to them is an attack, not a training
 * state.
 */
const HOSTILE =
  /^((os|posix|nt|sys|subprocess|shutil|socket|ctypes|runpy|importlib|pty|webbrowser|code|multiprocessing|asyncio)\.|builtins\.(eval|exec|compile|open|input|breakpoint|__import__)$)/;

/**
 * Whether objects made by an unknown global are ignored: training code stores its arguments, paths,
 * dates and optimizers beside the weights.
 */
export function isOpaqueGlobal(name: string): boolean {
  return !HOSTILE.test(name);
}

/** `metadata` marks a tensor whose values must be negated or conjugated on reading. */
function denseTensor(
  args: readonly unknown[],
  dtype: unknown,
  metadata: unknown,
): StoredTensor | UnreadableTensor {
  if (metadata instanceof Map && metadata.size > 0)
    return new UnreadableTensor('a lazily negated or conjugated view');
  return new StoredTensor(args[0], args[1], args[2], args[3], dtype);
}

/**
 * (function, type, arguments, attributes): a tensor of a subclass or with extra attributes, made by
 * one of the functions above.
 */
function rebuildSubclass([make, , args]: readonly unknown[]): unknown {
  const isTensor = make instanceof PickleGlobal && make.name.startsWith('torch._utils._rebuild_');
  return isTensor && Array.isArray(args) ? make.call!(args) : OPAQUE;
}

/** A dict from a dict, or from a list of pairs, as Python 2 wrote an OrderedDict. */
function dictOf(source: unknown): Map<unknown, unknown> {
  if (source instanceof Map) return source;
  const dict = new Map<unknown, unknown>();
  if (Array.isArray(source)) {
    for (const pair of source) if (Array.isArray(pair)) dict.set(pair[0], pair[1]);
  }
  return dict;
}
