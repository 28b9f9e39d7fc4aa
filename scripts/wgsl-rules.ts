// Rules for WGSL files: the width of lines, the form of names, and that every name is used.
import { tokensOf } from '../src/wgsl/tokens.js';

export interface WgslFile {
  readonly path: string;
  readonly text: string;
}

/** Same as in .prettierrc. */
const maxColumns = 100;

const forms = {
  lowerCamelCase: /^_?[a-z][a-zA-Z0-9]*$/,
  UpperCamelCase: /^[A-Z][a-zA-Z0-9]*$/,
  UPPER_SNAKE_CASE: /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/,
};

type Kind =
  'function' | 'variable' | 'parameter' | 'member' | 'struct' | 'alias' | 'constant' | 'override';

const formOf: Readonly<Record<Kind, keyof typeof forms>> = {
  function: 'lowerCamelCase',
  variable: 'lowerCamelCase',
  parameter: 'lowerCamelCase',
  member: 'lowerCamelCase',
  struct: 'UpperCamelCase',
  alias: 'UpperCamelCase',
  constant: 'UPPER_SNAKE_CASE',
  override: 'UPPER_SNAKE_CASE',
};

/** The name of every entry point, which nothing calls. */
const entryPoint = 'main';

interface Declaration {
  readonly kind: Kind;
  readonly name: string;
  /** Index of its name in the file's tokens. */
  readonly index: number;
  /** The range of tokens in which the name is known, if it is local to a function. */
  readonly scope?: readonly [first: number, end: number];
}

/**
 * The problems in some files, one `path:line: problem` each. Files are checked together, because a
 * function may be used in another file.
 */
export function wgslProblems(files: readonly WgslFile[]): string[] {
  const parsed = files.map(({ path, text }) => {
    const tokens = [...tokensOf(text)];
    const words = tokens.map((token) => token.text);
    const lineOf = (index: number) => text.slice(0, tokens[index].at).split('\n').length;
    return { path, text, words, lineOf, declarations: declarationsIn(words) };
  });
  const everywhere = parsed.flatMap(({ words, declarations }) => usesIn(words, declarations));
  return parsed.flatMap(({ path, text, words, lineOf, declarations }) => {
    const wide = text.split('\n').flatMap((line, index) => {
      const columns = [...line].length;
      return columns > maxColumns
        ? [`${path}:${index + 1}: ${columns} columns; at most ${maxColumns}`]
        : [];
    });
    const named = declarations.flatMap(({ kind, name, index, scope }) => {
      const place = `${path}:${lineOf(index)}: ${kind} ${name}`;
      const form = formOf[kind];
      if (!forms[form].test(name.replace(/_?\$[a-z]/g, '0'))) return [`${place} is not ${form}`];
      // The host reads and writes members; not all of them are used in WGSL. A leading underscore
      // marks an intentionally unused name, as in TypeScript.
      if (kind === 'member' || name === entryPoint || name.startsWith('_')) return [];
      const uses = scope ? usesIn(words, declarations, scope) : everywhere;
      return uses.some((word) => isSame(word, name)) ? [] : [`${place} is not used`];
    });
    return [...wide, ...named];
  });
}

/** All words of a range except the names that it declares, and members after a dot. */
function usesIn(
  words: readonly string[],
  declarations: readonly Declaration[],
  [first, end]: readonly [first: number, end: number] = [0, words.length],
): string[] {
  const declared = new Set(declarations.map(({ index }) => index));
  const range = words.slice(first, end);
  return range.filter((_, at) => !declared.has(first + at) && words[first + at - 1] !== '.');
}

/** Whether two words can be the same name after unrolling (src/wgsl/unroll.ts). */
function isSame(word: string, name: string): boolean {
  if (!`${word}${name}`.includes('$')) return word === name;
  const counted = /\$[a-z]|\d+/g;
  return word.replace(counted, '0') === name.replace(counted, '0');
}

function declarationsIn(words: readonly string[]): Declaration[] {
  const found: Declaration[] = [];
  // The current function: the index of its first token, and the index after its last.
  let scope: readonly [number, number] | undefined;
  words.forEach((word, index) => {
    if (scope && index >= scope[1]) scope = undefined;
    if (word === 'fn') {
      const body = words.indexOf('{', index);
      scope = [index, closing(words, body) + 1];
      found.push({ kind: 'function', name: words[index + 1], index: index + 1 });
      for (const at of labelled(words, index + 2))
        found.push({ kind: 'parameter', name: words[at], index: at, scope });
    }
    if (word === 'struct' || word === 'alias')
      found.push({ kind: word, name: words[index + 1], index: index + 1 });
    if (word === 'struct')
      for (const at of labelled(words, index + 2))
        found.push({ kind: 'member', name: words[at], index: at });
    if (/^(let|var|const|override)$/.test(word)) {
      // After the address space, as in `var<workgroup> name`.
      const at = words[index + 1] === '<' ? words.indexOf('>', index) + 1 : index + 1;
      const isConstant = word === 'const' && !scope;
      const kind = word === 'override' ? word : isConstant ? 'constant' : 'variable';
      found.push({ kind, name: words[at], index: at, scope });
    }
  });
  return found;
}

/** Indices of the names before a colon, directly within the brackets that open at `open`. */
function labelled(words: readonly string[], open: number): number[] {
  const end = closing(words, open);
  const found: number[] = [];
  let depth = 0;
  for (let index = open; index < end; index++) {
    depth += Number(/^[({[]$/.test(words[index])) - Number(/^[)}\]]$/.test(words[index]));
    if (depth === 1 && words[index + 1] === ':') found.push(index);
  }
  return found;
}

/** The index of the bracket that closes the one at `open`. */
function closing(words: readonly string[], open: number): number {
  let depth = 0;
  for (let index = open; index < words.length; index++) {
    depth += Number(/^[({[]$/.test(words[index])) - Number(/^[)}\]]$/.test(words[index]));
    if (depth === 0) return index;
  }
  return words.length;
}
