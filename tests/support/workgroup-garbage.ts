// Fills workgroup memory with garbage before a shader begins. Devices are opened without the
// driver's clearing of that memory (Dawn's toggle disable_workgroup_init), so shaders must write
// what they read. A driver may hand out cleared memory all the same; garbage shows every mistake.
import { tokensOf } from '../../src/wgsl/tokens.js';

/** All bits set: a NaN, or the largest whole number. Not a constant, or compilers reject the NaN. */
const GARBAGE = 'workgroup_garbage';

/** WGSL whose entry point `main` first sets every bit of its workgroup memory. */
export function withGarbage(code: string): string {
  const tokens = [...tokensOf(code)];
  const texts = tokens.map(({ text }) => text);
  const fill = texts.flatMap((text, at) => {
    if (text !== 'var' || texts[at + 1] !== '<' || texts[at + 2] !== 'workgroup') return [];
    const end = texts.indexOf(';', at);
    const type = code.slice(tokens[at + 6].at, tokens[end].at).replaceAll(/\s/g, '');
    return [setBits(texts[at + 4], type, texts)];
  });
  if (fill.length === 0) return code;
  const main = texts.findIndex((text, at) => text === 'main' && texts[at - 1] === 'fn');
  const body = tokens[texts.indexOf('{', main)].at + 1;
  return `${code.slice(0, body)} ${fill.join(' ')} workgroupBarrier(); ${code.slice(body)}
var<private> ${GARBAGE}: u32 = 0xffffffffu;
`;
}

function setBits(name: string, type: string, tokens: readonly string[]): string {
  const array = /^array<(\w+(?:<\w+>)?),(.*?),?>$/.exec(type);
  if (!array) return setOne(name, type, tokens);
  const [, element, length] = array;
  const one = setOne(`${name}[garbage_at]`, element, tokens);
  return `for (var garbage_at = 0u; garbage_at < u32(${length}); garbage_at++) { ${one} }`;
}

function setOne(place: string, type: string, tokens: readonly string[]): string {
  return type.startsWith('atomic')
    ? `atomicStore(&${place}, ${GARBAGE});`
    : `${place} = ${garbageOf(type, tokens)};`;
}

function garbageOf(type: string, tokens: readonly string[]): string {
  const scalars: Record<string, string> = {
    u32: GARBAGE,
    i32: `i32(${GARBAGE})`,
    f32: `bitcast<f32>(${GARBAGE})`,
    f16: `f16(bitcast<f32>(${GARBAGE}))`,
  };
  if (scalars[type]) return scalars[type];
  const vector = /^vec[234]([uif])$/.exec(type);
  if (vector) return `${type}(${scalars[`${vector[1]}32`]})`;
  const struct = tokens.findIndex((text, at) => text === type && tokens[at - 1] === 'struct');
  if (struct === -1) throw new Error(`workgroup memory of type ${type} can't be filled`);
  const members = tokens.slice(struct + 2, tokens.indexOf('}', struct)).join('');
  const types = [...members.matchAll(/:(\w+)/g)].map(([, member]) => member);
  return `${type}(${types.map((member) => garbageOf(member, tokens)).join(', ')})`;
}
