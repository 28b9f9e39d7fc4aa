// Assembles shaders from files: joins common parts, adds a variant's declarations, and unrolls
// statements. Lines of the result can be traced back to the files.
import { type DeclaredBinding, declarationsOf } from './declarations.js';
import type { Source } from './source.js';
import { StructLayout } from './struct.js';
import { tokensOf } from './tokens.js';
import { unrolled } from './unroll.js';

/** What a variant of a shader adds to its files. */
export interface Variant {
  /**
   * How values are stored: `{ input: 'f16' }` declares the aliases `input1` (a scalar) and `input4`
   * (a vec4). Each combination of types is a separate shader.
   */
  readonly types?: Readonly<Record<string, 'f32' | 'f16'>>;
  /**
   * Declared as `const` of `u32`, for values that can't be an `override`: lengths of arrays in
   * structs, sizes of matrices.
   */
  readonly constants?: Readonly<Record<string, number>>;
  /** How often statements are repeated, by letter; see unroll.ts. */
  readonly counts?: Readonly<Record<string, number>>;
  /**
   * The subgroup size that it needs. The device needs the features `subgroups` and
   * `subgroup-size-control`.
   */
  readonly subgroupSize?: number;
}

/** WGSL to compile, with the declarations that the host needs. */
export class Shader {
  readonly code: string;
  /** As in `Variant`. */
  readonly subgroupSize: number | undefined;
  readonly #sources: readonly Source[];
  readonly #constants: Readonly<Record<string, number>>;
  readonly #firstLines: number[] = [];
  readonly #layouts = new Map<string, StructLayout>();
  #bindings: readonly DeclaredBinding[] | undefined;

  constructor(
    sources: readonly Source[],
    { types = {}, constants = {}, counts = {}, subgroupSize }: Variant,
  ) {
    // WGSL allows directives only before all declarations, so they are moved to the front.
    let directives = Object.values(types).includes('f16') ? 'enable f16;' : '';
    let body = '';
    let line = 2;
    for (const { text } of sources) {
      const { own, rest } = withoutDirectives(text);
      directives += own;
      this.#firstLines.push(line);
      line += rest.split('\n').length;
      body += `${rest.includes('$') ? unrolled(rest, counts) : rest}\n`;
    }
    const added = [
      ...Object.entries(constants).map(([name, value]) => `const ${name}=${value}u;`),
      ...Object.entries(types).map(
        ([name, type]) => `alias ${name}1=${type};alias ${name}4=vec4<${type}>;`,
      ),
    ];
    this.code = `${directives}${added.join('')}\n${body}`;
    this.subgroupSize = subgroupSize;
    this.#sources = sources;
    this.#constants = constants;
  }

  /** The bindings that its files declare, sorted by number. */
  get bindings(): readonly DeclaredBinding[] {
    return (this.#bindings ??= this.#sources
      .flatMap((source) => declarationsOf(source).bindings)
      .sort((a, b) => a.binding - b.binding));
  }

  /**
   * The workgroup size along x, given the values of overrides; undefined if it is a constant that
   * is not among them.
   */
  width(overrides: Readonly<Record<string, number>> = {}): number | undefined {
    const width = this.#sources.map((source) => declarationsOf(source).width).find(Boolean);
    return width === undefined
      ? undefined
      : (overrides[width] ?? (Number.parseInt(width, 10) || undefined));
  }

  /**
   * The code for a fixed subgroup size, with the same line numbers. The device needs the features
   * `subgroups` and `subgroup-size-control`.
   */
  pinned(subgroupSize: number): string {
    const directives = 'enable subgroups;enable subgroup_size_control;';
    return directives + this.code.replace('@compute', `@compute @subgroup_size(${subgroupSize})`);
  }

  /** The layout of one of its structs. */
  layout(struct: string): StructLayout {
    let layout = this.#layouts.get(struct);
    if (!layout) {
      const structs = new Map(
        this.#sources.flatMap((source) => [...declarationsOf(source).structs]),
      );
      this.#layouts.set(struct, (layout = new StructLayout(struct, structs, this.#constants)));
    }
    return layout;
  }

  /** The file and line that a line of `code` comes from, for example `conv_tiled.wgsl:41`. */
  place(line: number): string {
    const index = this.#firstLines.findLastIndex((first) => first <= line);
    return index < 0
      ? `code added to ${this.#sources[0].name}`
      : `${this.#sources[index].name}:${line - this.#firstLines[index] + 1}`;
  }
}

/** Returns a function that assembles a variant of these files; each variant is made only once. */
export function shaderOf(...sources: readonly Source[]): (variant?: Variant) => Shader {
  const made = new Map<string, Shader>();
  return (variant = {}) => {
    const key = JSON.stringify(variant);
    let shader = made.get(key);
    if (!shader) made.set(key, (shader = new Shader(sources, variant)));
    return shader;
  };
}

/**
 * Separates the directives at the start of a file. Spaces replace them, so that columns don't
 * change.
 */
function withoutDirectives(text: string): { own: string; rest: string } {
  let own = '';
  let rest = text;
  let first = -1;
  for (const { text: token, at } of tokensOf(text)) {
    if (first < 0 && !/^(?:enable|requires|diagnostic)$/.test(token)) break;
    if (first < 0) first = at;
    if (token !== ';') continue;
    const directive = text.slice(first, at + 1);
    own += directive;
    rest = rest.replace(directive, ' '.repeat(directive.length));
    first = -1;
  }
  return { own, rest };
}
