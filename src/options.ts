// Checks options at run time: JavaScript callers may pass anything, and a misspelt option would
// otherwise be silently ignored.
import { PanppError } from './errors.js';

/**
 * @throws PanppError `argument` if `options` is not an object or has a property that `call` does
 * not accept
 */
export function checkOptions(call: string, options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new PanppError(
      'argument',
      `the options of ${call} are ${String(options)}; give an object, or none`,
    );
  }
  const wrong = Object.keys(options).find((name) => !names.includes(name));
  if (wrong === undefined) return;
  const plain = (name: string) => name.replace(/[-_]/g, '').toLowerCase();
  const near = names.find((name) => plain(name) === plain(wrong));
  throw new PanppError(
    'argument',
    `${call} has no option ${wrong}; ${near ? `it is spelt ${near}` : `it has ${names.join(', ')}`}`,
  );
}

/**
 * @param most default: any finite number
 * @throws PanppError `argument` if `value` is not a number from `least` to `most`
 */
export function checkNumber(name: string, value: unknown, least: number, most?: number): void {
  checkRange(name, value, typeof value === 'number', 'a number', least, most);
}

/** As `checkNumber`, for whole numbers. */
export function checkInteger(name: string, value: unknown, least: number, most?: number): void {
  checkRange(name, value, Number.isInteger(value), 'a whole number', least, most);
}

function checkRange(
  name: string,
  value: unknown,
  isKind: boolean,
  kind: string,
  least: number,
  most = Number.MAX_VALUE,
): void {
  if (isKind && (value as number) >= least && (value as number) <= most) return;
  const given = typeof value === 'string' ? `"${value}"` : String(value);
  const range = most < Number.MAX_VALUE ? `from ${least} to ${most}` : `of at least ${least}`;
  throw new PanppError('argument', `${name} is ${given}; it must be ${kind} ${range}`);
}

/** Copies `options` without properties that are undefined. */
export function withoutUndefined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}
