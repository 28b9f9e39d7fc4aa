// Parses what the host needs from a WGSL file: structs, bindings and the workgroup size.
import type { Source } from './source.js';
import { tokensOf } from './tokens.js';

/** Names and types of members. A type contains no spaces: `array<atomic<u32>,4>`. */
export type Members = readonly (readonly [name: string, type: string])[];

/** For example `@group(0) @binding(1) var<storage, read> input: array<u32>;`. */
export interface DeclaredBinding {
  readonly name: string;
  readonly binding: number;
  readonly access: 'read' | 'write' | 'uniform' | 'texture';
  readonly type: string;
}

export interface Declarations {
  readonly structs: ReadonlyMap<string, Members>;
  readonly bindings: readonly DeclaredBinding[];
  /** The first argument of `@workgroup_size`: a number, or a constant's name. */
  readonly width?: string;
}

const known = new WeakMap<Source, Declarations>();

/** The declarations of a file, which is parsed only once. */
export function declarationsOf(source: Source): Declarations {
  let declarations = known.get(source);
  if (!declarations) known.set(source, (declarations = parse(source.text)));
  return declarations;
}

function parse(code: string): Declarations {
  const structs = new Map<string, Members>();
  const bindings: DeclaredBinding[] = [];
  let width: string | undefined;
  // The tokens of the current declaration, and the depth of its braces.
  let own: string[] = [];
  let depth = 0;
  for (const { text } of tokensOf(code)) {
    own.push(text);
    depth += Number(text === '{') - Number(text === '}');
    if (depth > 0 || !/[;}]/.test(text)) continue;
    if (own[0] === 'struct') structs.set(own[1], membersOf(own.slice(3, -1)));
    const binding = own.indexOf('binding');
    if (own[0] === '@' && binding > 0)
      bindings.push(bindingOf(own.slice(own.indexOf('var'), -1), Number(own[binding + 2])));
    const size = own.indexOf('workgroup_size');
    if (size > 0) width = own[size + 2];
    own = [];
  }
  return { structs, bindings, width };
}

// name : type , name : type
function membersOf(tokens: readonly string[]): Members {
  return tokens
    .join('')
    .split(/,(?=\w+:|$)/)
    .filter(Boolean)
    .map((member) => member.split(':') as [string, string]);
}

// var < storage , read_write > name : type; for a texture: var name : type
function bindingOf(tokens: readonly string[], binding: number): DeclaredBinding {
  const colon = tokens.indexOf(':');
  const access =
    tokens[1] !== '<'
      ? 'texture'
      : tokens[2] === 'uniform'
        ? 'uniform'
        : tokens[4] === 'read_write'
          ? 'write'
          : 'read';
  return { name: tokens[colon - 1], binding, access, type: tokens.slice(colon + 1).join('') };
}
