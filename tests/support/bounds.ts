// Watches a device's shaders for indices out of bounds. Shaders run without the clamps that a
// driver would put around every index (Dawn's toggle disable_robustness), so they must stay in
// bounds by themselves. Here every index expression of every shader that a device compiles is
// wrapped in a comparison with the length of what it indexes. An index out of bounds is clamped, as
// a driver would do, and recorded for its shader. The shaders also begin with garbage in their
// workgroup memory.
import type { Gpu } from '../../src/gpu/context.js';
import { tokensOf } from '../../src/wgsl/tokens.js';
import { withGarbage } from './workgroup-garbage.js';

/** What was seen since the watch began. */
export interface BoundsReport {
  /** Labels of the shaders that ran since the last report. */
  readonly ran: readonly string[];
  /** For each shader that indexed out of bounds: its label and an expression that did so. */
  readonly faults: readonly string[];
}

const mostShaders = 512;

/** Watches everything that is compiled on the device from now on. */
export function watchBounds({ device }: Gpu): { report(): Promise<BoundsReport> } {
  const size = mostShaders * 4;
  const flags = device.createBuffer({
    label: 'bounds',
    size,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
  });
  const visibility = GPUShaderStage.COMPUTE;
  const layout = device.createBindGroupLayout({
    label: 'bounds',
    entries: [{ binding: 0, visibility, buffer: { type: 'storage' } }],
  });
  const shaders: { label: string; expressions: readonly string[] }[] = [];
  const numbers = new Map<GPUShaderModule, number>();
  const pipelines = new Map<GPUComputePipeline, { group: GPUBindGroup; shader: number }>();
  const ran = new Set<number>();

  const wrap = <
    K extends
      | 'createShaderModule'
      | 'createPipelineLayout'
      | 'createComputePipeline'
      | 'createComputePipelineAsync'
      | 'createCommandEncoder',
  >(
    name: K,
    make: (original: GPUDevice[K]) => GPUDevice[K],
  ) =>
    Object.defineProperty(device, name, { value: make(device[name].bind(device) as GPUDevice[K]) });

  wrap('createShaderModule', (create) => (descriptor) => {
    const shader = shaders.length;
    if (shader === mostShaders) throw new Error(`more than ${mostShaders} shaders`);
    const { code, expressions } = instrument(withGarbage(descriptor.code), shader);
    const module = create({ ...descriptor, code });
    shaders.push({ label: descriptor.label ?? '', expressions });
    numbers.set(module, shader);
    return module;
  });
  wrap(
    'createPipelineLayout',
    (create) => (descriptor) =>
      create({ ...descriptor, bindGroupLayouts: [...descriptor.bindGroupLayouts, layout] }),
  );
  const known = (
    pipeline: GPUComputePipeline,
    { compute: { module } }: GPUComputePipelineDescriptor,
  ) => {
    const entries = [{ binding: 0, resource: { buffer: flags } }];
    const group = device.createBindGroup({
      label: 'bounds',
      layout: pipeline.getBindGroupLayout(1),
      entries,
    });
    pipelines.set(pipeline, { group, shader: numbers.get(module)! });
    return pipeline;
  };
  wrap('createComputePipeline', (create) => (descriptor) => known(create(descriptor), descriptor));
  wrap(
    'createComputePipelineAsync',
    (create) => async (descriptor) => known(await create(descriptor), descriptor),
  );
  wrap('createCommandEncoder', (create) => (descriptor) => {
    const encoder = create(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (passDescriptor) => {
      const pass = begin(passDescriptor);
      const set = pass.setPipeline.bind(pass);
      pass.setPipeline = (pipeline) => {
        set(pipeline);
        const { group, shader } = pipelines.get(pipeline)!;
        pass.setBindGroup(1, group);
        ran.add(shader);
      };
      return pass;
    };
    return encoder;
  });

  return {
    async report() {
      const readable = device.createBuffer({
        size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(flags, 0, readable, 0, size);
      device.queue.submit([encoder.finish()]);
      await readable.mapAsync(GPUMapMode.READ);
      const marks = new Uint32Array(readable.getMappedRange().slice(0));
      readable.destroy();
      const labels = [...ran].map((shader) => shaders[shader].label);
      ran.clear();
      return {
        ran: labels,
        faults: shaders.flatMap(({ label, expressions }, shader) =>
          marks[shader] > 0 ? [`${label}: ${expressions[marks[shader] - 1]}`] : [],
        ),
      };
    },
  };
}

/**
 * Adds a length check to every index in WGSL. Returns the index expressions too, in the order of
 * their mark numbers.
 * @throws Error for an index into something of unknown length, so that nothing stays unwatched
 */
export function instrument(code: string, shader: number): { code: string; expressions: string[] } {
  const tokens = [...tokensOf(code)];
  const texts = tokens.map(({ text }) => text);
  const lengths = lengthsOf(texts);
  const expressions: string[] = [];
  let indexed = '';

  // Rewrites from a token to the end, or to the bracket that closes an index.
  const rewrite = (from: number, isIndex: boolean): { text: string; end: number } => {
    let text = '';
    let at = from;
    while (at < tokens.length) {
      const token = tokens[at].text;
      if (token === ']' && isIndex) return { text, end: at };
      if (/^subgroupMatrix(Load|Store)$/.test(token)) {
        const call = matrixCall(texts, at);
        const length = lengths.get(call.memory);
        if (length === undefined) throw new Error(`the length of ${call.memory} is not known`);
        expressions.push(`${token}(&${call.memory}, ${call.offset})`);
        const last = `u32(${call.offset}) + ${call.extent} - 1u`;
        const first = `(bounds_index(${last}, u32(${length}), ${expressions.length}u) + 1u - ${call.extent})`;
        text += call.withOffset(first);
        at = call.end + 1;
        continue;
      }
      if (token !== '[') {
        text += `${token} `;
        at++;
        continue;
      }
      // What is indexed: a name, perhaps a struct member's, or an indexed value, written as that
      // name followed by `[]`.
      const [before, last] = [tokens[at - 2]?.text, tokens[at - 1]?.text];
      const name = last === ']' ? `${indexed}[]` : before === '.' ? `.${last}` : last;
      const { text: index, end } = rewrite(at + 1, true);
      const expression = `${name}[${code.slice(tokens[at].at + 1, tokens[end].at)}]`;
      const length = lengths.get(name);
      indexed = name;
      at = end + 1;
      // WGSL itself checks constant indices into what has a constant length.
      if (length === undefined && /^\d+u? $/.test(index)) {
        text += `[${index}]`;
        continue;
      }
      if (length === undefined)
        throw new Error(`the length of what ${expression} indexes is not known`);
      expressions.push(expression);
      text += `[bounds_index(u32(${index}), u32(${length}), ${expressions.length}u)]`;
    }
    return { text, end: at };
  };

  const { text } = rewrite(0, false);
  return {
    code: `${text}
@group(1) @binding(0) var<storage, read_write> bounds_flags: array<atomic<u32>, ${mostShaders}>;
fn bounds_index(index: u32, length: u32, mark: u32) -> u32 {
  if (index >= length) { atomicStore(&bounds_flags[${shader}], mark); }
  return min(index, length - 1u);
}
`,
    expressions,
  };
}

/** A call that loads or stores a subgroup matrix. */
interface MatrixCall {
  /** The array, and where in it the matrix begins. */
  readonly memory: string;
  readonly offset: string;
  /** Elements of the array from the matrix's first to its last. */
  readonly extent: string;
  /** The index of its last token. */
  readonly end: number;
  /** The call with another offset. */
  withOffset(offset: string): string;
}

/** Parses `subgroupMatrixLoad<Type, order>(&memory, offset, stride)`, or a store of a value. */
function matrixCall(tokens: readonly string[], at: number): MatrixCall {
  const open = tokens.indexOf('(', at);
  const args: string[] = [''];
  let depth = 1;
  let end = open;
  while (depth > 0) {
    const token = tokens[++end];
    depth += Number(token === '(') - Number(token === ')');
    if (token === ',' && depth === 1) args.push('');
    else if (depth > 0) args.push(`${args.pop()} ${token}`);
  }
  const isLoad = tokens[at] === 'subgroupMatrixLoad';
  const [memory] = /\w+/.exec(args[0])!;
  const [offset, stride] = [args[1], args.at(-1)!];
  const matrix = isLoad ? tokens[at + 2] : tokens[tokens.indexOf(args[2].trim()) + 2];
  const alias = tokens.findIndex(
    (token, index) => token === matrix && tokens[index - 1] === 'alias',
  );
  const [, columns, rows] = /<\w+,(\w+),(\w+)>/.exec(typeAt(tokens, alias + 2))!;
  const isByColumns = tokens.slice(at, open).includes('col_major');
  const [lines, line] = isByColumns ? [columns, rows] : [rows, columns];
  const declared = tokens.findIndex(
    (token, index) => token === memory && tokens[index + 1] === ':',
  );
  const [element] = arrayParts(typeAt(tokens, declared + 2))!;
  const values = /^vec4|4$/.test(element) ? 4 : 1;
  const extent = `((${lines} - 1u) * u32(${stride}) + ${line} / ${values}u)`;
  const head = tokens.slice(at, open + 1).join(' ');
  return {
    memory,
    offset,
    extent,
    end,
    withOffset: (own) => `${head}${[args[0], own, ...args.slice(2)].join(',')})`,
  };
}

// Lengths by name; struct members' names begin with a dot. Within a shader, a name is assumed to
// have one meaning.
function lengthsOf(tokens: readonly string[]): Map<string, string> {
  const lengths = new Map<string, string>();
  const aliases = new Map<string, string>();
  const results = new Map<string, string>();
  const addType = (name: string, type: string, unknown?: string) => {
    const [element, length = unknown] = arrayParts(type) ?? [];
    const own = element ? length : widthOf(type);
    if (own === undefined) return;
    if ((lengths.get(name) ?? own) !== own)
      throw new Error(`${name} has two lengths: ${lengths.get(name)} and ${own}`);
    lengths.set(name, own);
    const width = element && widthOf(aliases.get(element) ?? element);
    if (width) lengths.set(`${name}[]`, width);
  };
  tokens.forEach((token, at) => {
    if (token === 'alias') aliases.set(tokens[at + 1], typeAt(tokens, at + 3));
    if (token === '->' && tokens[at - 1] === ')')
      results.set(tokens[tokens.lastIndexOf('fn', at) + 1], typeAt(tokens, at + 1));
  });
  // A struct's last array may be as long as the buffer that holds the struct.
  const buffers = new Map<string, string>();
  tokens.forEach((token, at) => {
    if (token === 'var' && tokens[at + 1] === '<')
      buffers.set(tokens[tokens.indexOf(':', at) + 1], tokens[tokens.indexOf(':', at) - 1]);
  });
  let struct: string | undefined;
  let space: string | undefined;
  tokens.forEach((token, at) => {
    if (token === 'struct') struct = tokens[at + 1];
    if (token === '}') struct = undefined;
    if (token === 'var') space = tokens[at + 1] === '<' ? tokens[at + 2] : undefined;
    const next = tokens[at + 1];
    if (next === ':' && /^\w+$/.test(token)) {
      const type = typeAt(tokens, at + 2);
      if (space === 'uniform' && type.startsWith('array'))
        throw new Error(`${token}: arrays within uniforms are not watched`);
      if (struct)
        addType(
          `.${token}`,
          type,
          buffers.has(struct) ? `arrayLength(&${buffers.get(struct)}.${token})` : undefined,
        );
      else addType(token, type, space && `arrayLength(&${token})`);
      space = undefined;
    }
    if (next === '=' && ['let', 'var', 'const'].includes(tokens[at - 1]))
      addType(token, results.get(tokens[at + 2]) ?? typeAt(tokens, at + 2));
  });
  return lengths;
}

/** The type that begins at a token, without spaces. */
function typeAt(tokens: readonly string[], at: number): string {
  let type = tokens[at];
  let depth = 0;
  for (let next = at + 1; depth > 0 || (next === at + 1 && tokens[next] === '<'); next++) {
    type += tokens[next];
    for (const character of tokens[next])
      depth += Number('<('.includes(character)) - Number('>)'.includes(character));
  }
  return type;
}

/** An array type's element type and length, as text. */
function arrayParts(type: string): [element: string, length?: string] | undefined {
  const inner = /^array<(.*)>$/.exec(type)?.[1];
  if (inner === undefined) return undefined;
  let depth = 0;
  for (let at = 0; at < inner.length; at++) {
    depth += Number('<('.includes(inner[at])) - Number('>)'.includes(inner[at]));
    if (inner[at] === ',' && depth === 0) return [inner.slice(0, at), inner.slice(at + 1)];
  }
  return [inner];
}

/** The number of components of a vector type. */
function widthOf(type: string): string | undefined {
  return /^vec([234])/.exec(type)?.[1];
}
