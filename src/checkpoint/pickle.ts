// Reads Python pickles as data. A pickle is a program for a stack machine that may name any Python
// function and call it. This machine knows only the globals that its host lists; they make plain
// values, and nothing is ever executed. The opcodes are those of protocols 1 to 5 (documented in
// CPython's Lib/pickletools.py) that torch.save can produce; protocol 0 keeps storages as text that
// PyTorch itself can't load again.
//
// Python → here: None null, int number (bigint past 2^53), float number, str string, bytes and
// bytearray Uint8Array, list and tuple Array, dict Map, set and frozenset Set; anything else is
// what the host makes of it, or an OpaqueObject.
import { quoted } from '../errors.js';
import { failIn } from './problems.js';
import type { Fail } from './problems.js';

/** A Python global that the host knows: its name and, if it is callable, what a call returns. */
export class PickleGlobal {
  constructor(
    /** Full name, such as `collections.OrderedDict`. */
    readonly name: string,
    /**
     * Returns a value for Python's positional arguments; time and memory must be at most
     * proportional to the direct arguments.
     */
    readonly call?: (args: readonly unknown[]) => unknown,
  ) {}
}

/**
 * An object made by a class or function that the host does not know. Only the items of dict
 * subclasses are kept; arguments and attributes are dropped.
 */
export class OpaqueObject extends Map<unknown, unknown> {
  constructor(
    /** Full name of its class. */
    readonly className: string,
  ) {
    super();
  }
}

/** What a pickle may refer to outside itself. */
export interface PickleHost {
  /** Name of the file for error messages. */
  readonly fileName: string;
  /**
   * The globals that are allowed, by full name (Python 2's `__builtin__` is looked up as
   * `builtins`).
   */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Whether a global that is not listed may make opaque objects. Default: none may. */
  isOpaque?(name: string): boolean;
  /** The object that a persistent id refers to. */
  persistentLoad(id: unknown): unknown;
  /**
   * Steps that one pickle may take. The limit keeps a small hostile file from making gigabytes of
   * objects or from copying a long list repeatedly.
   */
  readonly maxSteps: number;
}

/** Maximum bytes of an integer. Python has no limit, and parsing takes quadratic time. */
const MAX_INTEGER_BYTES = 1024;

/**
 * Reads one pickle that begins at `start`.
 *
 * @returns its value and the position after its end.
 * @throws PanppError `checkpoint` for a damaged pickle and for a global that the host does not
 * list; the message names it.
 */
export function readPickle(
  bytes: Uint8Array,
  host: PickleHost,
  start = 0,
): { value: unknown; end: number } {
  const machine = new PickleMachine(bytes, host, start);
  return { value: machine.run(), end: machine.position };
}

class PickleMachine {
  readonly fail: Fail;
  private readonly view: DataView;
  private readonly text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  private stack: unknown[] = [];
  /** Stack heights at the open marks; values below the last mark can't be popped. */
  private marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private steps = 0;
  private running = true;

  constructor(
    private readonly bytes: Uint8Array,
    readonly host: PickleHost,
    public position: number,
  ) {
    this.fail = failIn(host.fileName);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    while (this.running) {
      this.spend(1);
      const opcode = this.uint(1);
      const step = STEPS[opcode];
      if (!step)
        return this.fail(`damaged: its pickle has an unknown opcode 0x${opcode.toString(16)}`);
      step(this);
    }
    return this.pop();
  }

  stop(): void {
    this.running = false;
  }

  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.host.maxSteps)
      this.fail(
        'damaged: its pickle is longer than any checkpoint needs; raise maxPickleSteps if you trust the file',
      );
  }

  // Input

  /** Skips `length` bytes and returns where they begin. */
  private advance(length: number): number {
    const begin = this.position;
    if (length > this.bytes.length - begin) {
      this.fail(
        `cut short or damaged: its pickle ends inside a value at byte ${begin}; download or copy it again`,
      );
    }
    this.position += length;
    return begin;
  }

  take(length: number): Uint8Array {
    const begin = this.advance(length);
    return this.bytes.subarray(begin, begin + length);
  }

  /** Unsigned little-endian integer of 1, 2, 4 or 8 bytes. */
  uint(size: 1 | 2 | 4 | 8): number {
    const at = this.advance(size);
    if (size === 1) return this.bytes[at];
    if (size === 2) return this.view.getUint16(at, true);
    if (size === 4) return this.view.getUint32(at, true);
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }

  int32(): number {
    return this.view.getInt32(this.advance(4), true);
  }

  float64(): number {
    return this.view.getFloat64(this.advance(8), false);
  }

  /** Two's-complement little-endian integer, as in Python's LONG1 and LONG4. */
  long(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES)
      return this.fail(`damaged: its pickle has an integer of ${length} bytes`);
    const raw = this.take(length);
    if (length === 0) return 0;
    let digits = '';
    for (const byte of raw) digits = byte.toString(16).padStart(2, '0') + digits;
    return narrowed(BigInt.asIntN(length * 8, BigInt(`0x${digits}`)));
  }

  string(length: number): string {
    const raw = this.take(length);
    try {
      return this.text.decode(raw);
    } catch {
      return this.fail(
        `damaged: its pickle has a text that is not UTF-8 at byte ${this.position - length}`,
      );
    }
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0)
      return this.fail(
        'cut short or damaged: its pickle ends inside a line; download or copy it again',
      );
    const text = this.string(end - this.position);
    this.position = end + 1;
    return text;
  }

  /** A decimal integer on its own line; protocol 1 also writes booleans this way, as 00 and 01. */
  decimalLine(): number | bigint | boolean {
    const text = this.line();
    if (text === '00') return false;
    if (text === '01') return true;
    if (!/^-?\d{1,1000}L?$/.test(text))
      return this.fail(`damaged: its pickle has ${quoted(text)} for an integer`);
    return narrowed(BigInt(text.replace('L', '')));
  }

  // Stack and memo

  push(value: unknown): void {
    this.stack.push(value);
  }

  pop(): unknown {
    this.need(1);
    return this.stack.pop();
  }

  top(): unknown {
    this.need(1);
    return this.stack[this.stack.length - 1];
  }

  popMany(count: number): unknown[] {
    this.need(count);
    return this.stack.splice(this.stack.length - count);
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  popToMark(): unknown[] {
    const height = this.marks.pop();
    if (height === undefined)
      return this.fail('damaged: its pickle closes a group that was not opened');
    return this.stack.splice(height);
  }

  /** POP discards the last value, or the last mark if there is nothing above it. */
  discard(): void {
    if (this.stack.length === this.marks.at(-1)) this.marks.pop();
    else this.pop();
  }

  private need(count: number): void {
    if (this.stack.length - (this.marks.at(-1) ?? 0) < count) {
      this.fail('damaged: its pickle takes a value from an empty stack');
    }
  }

  memoize(index = this.memo.size): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index))
      this.fail(`damaged: its pickle recalls the value ${index}, which it never stored`);
    this.push(this.memo.get(index));
  }

  // Objects

  pushGlobal(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') {
      this.fail('damaged: its pickle names a global by something other than text');
    }
    const fullName = `${module === '__builtin__' ? 'builtins' : module}.${name}`;
    const known = this.host.globals.get(fullName);
    if (known) return this.push(known);
    if (!this.host.isOpaque?.(fullName)) return this.fail(foreignGlobal(fullName));
    this.spend(fullName.length >> 6); // the name takes memory
    this.push(new PickleGlobal(fullName, () => new OpaqueObject(fullName)));
  }

  call(callable: unknown, args: unknown): void {
    // For example, what functools.partial or getattr returned.
    if (callable instanceof OpaqueObject) return this.push(new OpaqueObject(callable.className));
    if (!(callable instanceof PickleGlobal) || !callable.call || !Array.isArray(args)) {
      return this.fail('damaged: its pickle calls something that is not callable');
    }
    for (const argument of args) this.spend(Array.isArray(argument) ? argument.length : 1);
    this.push(callable.call(args));
  }

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (list instanceof OpaqueObject) return;
    if (!Array.isArray(list))
      return this.fail('damaged: its pickle appends to something that is not a list');
    for (const item of items) list.push(item);
  }

  setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof Map))
      return this.fail('damaged: its pickle sets an item of something that is not a dict');
    if (items.length % 2 !== 0)
      return this.fail('damaged: its pickle has a dict key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  addItems(items: readonly unknown[]): void {
    const set = this.top();
    if (set instanceof OpaqueObject) return;
    if (!(set instanceof Set))
      return this.fail('damaged: its pickle adds to something that is not a set');
    for (const item of items) set.add(item);
  }
}

/** The message about a global that is not allowed. */
export function foreignGlobal(name: string): string {
  return (
    `its pickle refers to ${quoted(name).slice(1, -1)}, which no model's weights need; nothing was executed. ` +
    'If you trust the file, load it with PyTorch and save model.state_dict() alone'
  );
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

type Step = (machine: PickleMachine) => void;

/** What each opcode does, by its byte; the names are pickletools'. */
const STEPS: readonly (Step | undefined)[] = (() => {
  const steps = new Array<Step | undefined>(256);
  const on = (opcode: string | number, step: Step): void => {
    steps[typeof opcode === 'string' ? opcode.charCodeAt(0) : opcode] = step;
  };

  on(0x80, (m) => m.uint(1)); // PROTO: the version is not needed
  on(0x95, (m) => m.uint(8)); // FRAME: a hint for buffering
  on('.', (m) => m.stop()); // STOP

  on('N', (m) => m.push(null)); // NONE
  on(0x88, (m) => m.push(true)); // NEWTRUE
  on(0x89, (m) => m.push(false)); // NEWFALSE
  on('K', (m) => m.push(m.uint(1))); // BININT1
  on('M', (m) => m.push(m.uint(2))); // BININT2
  on('J', (m) => m.push(m.int32())); // BININT
  on('I', (m) => m.push(m.decimalLine())); // INT
  on('L', (m) => m.push(m.decimalLine())); // LONG
  on(0x8a, (m) => m.push(m.long(m.uint(1)))); // LONG1
  on(0x8b, (m) => m.push(m.long(m.uint(4)))); // LONG4
  on('G', (m) => m.push(m.float64())); // BINFLOAT
  on('U', (m) => m.push(m.string(m.uint(1)))); // SHORT_BINSTRING, Python 2's str
  on('T', (m) => m.push(m.string(m.uint(4)))); // BINSTRING
  on(0x8c, (m) => m.push(m.string(m.uint(1)))); // SHORT_BINUNICODE
  on('X', (m) => m.push(m.string(m.uint(4)))); // BINUNICODE
  on(0x8d, (m) => m.push(m.string(m.uint(8)))); // BINUNICODE8
  on('C', (m) => m.push(m.take(m.uint(1)))); // SHORT_BINBYTES
  on('B', (m) => m.push(m.take(m.uint(4)))); // BINBYTES
  on(0x8e, (m) => m.push(m.take(m.uint(8)))); // BINBYTES8
  on(0x96, (m) => m.push(m.take(m.uint(8)))); // BYTEARRAY8

  on(')', (m) => m.push([])); // EMPTY_TUPLE
  on(0x85, (m) => m.push(m.popMany(1))); // TUPLE1
  on(0x86, (m) => m.push(m.popMany(2))); // TUPLE2
  on(0x87, (m) => m.push(m.popMany(3))); // TUPLE3
  on('t', (m) => m.push(m.popToMark())); // TUPLE
  on(']', (m) => m.push([])); // EMPTY_LIST
  on('l', (m) => m.push(m.popToMark())); // LIST
  on('a', (m) => m.append(m.popMany(1))); // APPEND
  on('e', (m) => m.append(m.popToMark())); // APPENDS
  on('}', (m) => m.push(new Map())); // EMPTY_DICT
  on('s', (m) => m.setItems(m.popMany(2))); // SETITEM
  on('u', (m) => m.setItems(m.popToMark())); // SETITEMS
  on(0x8f, (m) => m.push(new Set())); // EMPTY_SET
  on(0x90, (m) => m.addItems(m.popToMark())); // ADDITEMS
  on(0x91, (m) => m.push(new Set(m.popToMark()))); // FROZENSET

  on('(', (m) => m.mark()); // MARK
  on('0', (m) => m.discard()); // POP
  on('1', (m) => m.popToMark()); // POP_MARK
  on('2', (m) => m.push(m.top())); // DUP
  on('q', (m) => m.memoize(m.uint(1))); // BINPUT
  on('r', (m) => m.memoize(m.uint(4))); // LONG_BINPUT
  on(0x94, (m) => m.memoize()); // MEMOIZE
  on('h', (m) => m.recall(m.uint(1))); // BINGET
  on('j', (m) => m.recall(m.uint(4))); // LONG_BINGET

  on('c', (m) => m.pushGlobal(m.line(), m.line())); // GLOBAL
  // STACK_GLOBAL
  on(0x93, (m) => {
    const [module, name] = m.popMany(2);
    m.pushGlobal(module, name);
  });
  // REDUCE and NEWOBJ: both call a class or function with its arguments
  for (const opcode of ['R', 0x81]) {
    on(opcode, (m) => {
      const [callable, args] = m.popMany(2);
      m.call(callable, args);
    });
  }
  // NEWOBJ_EX
  on(0x92, (m) => {
    const [callable, args] = m.popMany(3);
    m.call(callable, args);
  });
  // BUILD: the attributes of an object, such as a state dict's _metadata, hold no tensor of the
  // model
  on('b', (m) => {
    m.pop();
    m.top();
  });
  on('Q', (m) => m.push(m.host.persistentLoad(m.pop()))); // BINPERSID
  return steps;
})();
