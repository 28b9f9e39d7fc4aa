// Watches a device's shaders for indices out of bounds. Shaders run without the clamps that a driver would put around every index (Dawn's toggle
// disable_robustness), so they must stay in bounds by themselves. Here every index expression of every shader that a device compiles is wrapped in a
// comparison with the length of what it indexes; an index beyond it is clamped, as a driver would, and leaves its mark, by shader.
import type { Gpu } from '../../src/gpu/context.js';

/** What was seen since the watch began. */
export interface BoundsReport {
  /** Labels of the shaders that ran. */
  readonly ran: readonly string[];
  /** Of each shader that indexed out of bounds: its label, and the expression that did so first. */
  readonly faults: readonly string[];
}

const mostShaders = 512;

/** Watches everything that is compiled on the device from now on. */
export function watchBounds({ device }: Gpu): { report(): Promise<BoundsReport> } {
  const size = mostShaders * 4;
  const flags = device.createBuffer({ label: 'bounds', size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const visibility = GPUShaderStage.COMPUTE;
  const layout = device.createBindGroupLayout({ label: 'bounds', entries: [{ binding: 0, visibility, buffer: { type: 'storage' } }] });
  const shaders: { label: string; expressions: readonly string[] }[] = [];
  const numbers = new Map<GPUShaderModule, number>();
  const pipelines = new Map<GPUComputePipeline, { group: GPUBindGroup; shader: number }>();
  const ran = new Set<number>();

  const wrap = <K extends 'createShaderModule' | 'createPipelineLayout' | 'createComputePipeline' | 'createComputePipelineAsync' | 'createCommandEncoder'>(
    name: K,
    make: (original: GPUDevice[K]) => GPUDevice[K],
  ) => Object.defineProperty(device, name, { value: make(device[name].bind(device) as GPUDevice[K]) });

  wrap('createShaderModule', (create) => (descriptor) => {
    const shader = shaders.length;
    if (shader === mostShaders) throw new Error(`more than ${mostShaders} shaders`);
    const { code, expressions } = instrument(descriptor.code, shader);
    const module = create({ ...descriptor, code });
    shaders.push({ label: descriptor.label ?? '', expressions });
    numbers.set(module, shader);
    return module;
  });
  wrap('createPipelineLayout', (create) => (descriptor) => create({ ...descriptor, bindGroupLayouts: [...descriptor.bindGroupLayouts, layout] }));
  const known = (pipeline: GPUComputePipeline, { compute: { module } }: GPUComputePipelineDescriptor) => {
    const entries = [{ binding: 0, resource: { buffer: flags } }];
    const group = device.createBindGroup({ label: 'bounds', layout: pipeline.getBindGroupLayout(1), entries });
    pipelines.set(pipeline, { group, shader: numbers.get(module)! });
    return pipeline;
  };
  wrap('createComputePipeline', (create) => (descriptor) => known(create(descriptor), descriptor));
  wrap('createComputePipelineAsync', (create) => async (descriptor) => known(await create(descriptor), descriptor));
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
      const readable = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(flags, 0, readable, 0, size);
      device.queue.submit([encoder.finish()]);
      await readable.mapAsync(GPUMapMode.READ);
      const marks = new Uint32Array(readable.getMappedRange().slice(0));
      readable.destroy();
      return {
        ran: [...ran].map((shader) => shaders[shader].label),
        faults: shaders.flatMap(({ label, expressions }, shader) => (marks[shader] > 0 ? [`${label}: ${expressions[marks[shader] - 1]}`] : [])),
      };
    },
  };
}

/**
 * WGSL whose indices are compared with lengths, and the index expressions, in the order of the numbers by which they are marked.
 * @throws Error for an index into something whose length is not known: nothing stays unwatched
 */
export function instrument(source: string, shader: number): { code: string; expressions: string[] } {
  const code = source.replace(/\/\/.*/g, '');
  const lengths = lengthsOf(code);
  const expressions: string[] = [];
  let indexed = '';

  // From `at` to the end of the text, or to the bracket that closes an index.
  const rewrite = (at: number, isIndex: boolean): { text: string; end: number } => {
    let text = '';
    while (at < code.length) {
      const character = code[at];
      if (character === ']' && isIndex) return { text, end: at };
      if (character !== '[') {
        text += character;
        at++;
        continue;
      }
      // A name, perhaps a struct member's, or what such an index gave: `[]` after the name stands for that.
      const name = /\.?[A-Za-z_]\w*$/.exec(code.slice(0, at))?.[0] ?? (code[at - 1] === ']' ? `${indexed}[]` : '…');
      const { text: index, end } = rewrite(at + 1, true);
      const expression = `${name}[${code.slice(at + 1, end)}]`;
      const length = lengths.get(name);
      indexed = name;
      at = end + 1;
      // WGSL itself checks constant indices into what has a constant length.
      if (length === undefined && /^\d+u?$/.test(index)) {
        text += `[${index}]`;
        continue;
      }
      if (length === undefined) throw new Error(`the length of what ${expression} indexes is not known`);
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

// By name; of struct members with a point before it. Names are taken to mean one thing in a shader.
function lengthsOf(code: string): Map<string, string> {
  const lengths = new Map<string, string>();
  const add = (name: string, length: string) => {
    if ((lengths.get(name) ?? length) !== length) throw new Error(`${name} has two lengths: ${lengths.get(name)} and ${length}`);
    lengths.set(name, length);
  };
  for (const [, access, name, type] of code.matchAll(/\bvar<(\w+)[^>]*>\s+(\w+)\s*:\s*([^;=]+)[;=]/g)) {
    const length = arrayLengthOf(type);
    if (length !== undefined) add(name, length || `arrayLength(&${name})`);
    // Four values as they are stored (src/layers/precision.ts), or a vector.
    const width = /^array<(?:\w+|vec)(?<width>[234])\b/.exec(type)?.groups?.width ?? /^array<vec([234])/.exec(type)?.[1];
    if (width) add(`${name}[]`, width);
    else if (access === 'uniform' && type.includes('array<')) throw new Error(`${name}: arrays within uniforms are not watched`);
  }
  for (const [, body] of code.matchAll(/\bstruct\s+\w+\s*\{([^}]*)\}/g)) {
    for (const [, name, type] of body.matchAll(/(\w+)\s*:\s*((?:array<.*>)|vec[234]\w*(?:<\w+>)?)\s*,/g)) addType(`.${name}`, type);
  }
  // Locals, parameters and results: arrays of a length in the type, vectors.
  for (const [, name, type] of code.matchAll(/\b(\w+)\s*:\s*((?:array|vec)[^;,)={]*(?:<[^>]*>)?)/g)) if (!lengths.has(name) && !lengths.has(`.${name}`)) addType(name, type);
  for (const [, name, type] of code.matchAll(/\b(?:let|var|const)\s+(\w+)\s*=\s*(array<[^>]*>|vec[234]\w*)/g)) addType(name, type);
  for (const [, name, called] of code.matchAll(/\b(?:let|var)\s+(\w+)\s*=\s*(\w+)\(/g)) {
    const result = new RegExp(`\\bfn\\s+${called}\\([^)]*\\)\\s*->\\s*(array<[^{]*>)`).exec(code);
    if (result) addType(name, result[1]);
  }
  return lengths;

  function addType(name: string, type: string) {
    const length = arrayLengthOf(type) || /^vec([234])/.exec(type)?.[1];
    if (length) add(name, length);
  }
}

// '' for an array that is as long as its buffer; undefined for another type.
function arrayLengthOf(type: string): string | undefined {
  const inner = /^array<(.*)>\s*$/s.exec(type.trim())?.[1];
  if (inner === undefined) return undefined;
  let depth = 0;
  for (let at = 0; at < inner.length; at++) {
    if (inner[at] === '<' || inner[at] === '(') depth++;
    else if (inner[at] === '>' || inner[at] === ')') depth--;
    else if (inner[at] === ',' && depth === 0) return inner.slice(at + 1).trim();
  }
  return '';
}
