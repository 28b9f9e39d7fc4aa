// Reads sharded checkpoints, as Hugging Face's libraries write large ones: a JSON index
// {"metadata": {…}, "weight_map": {tensor: file}} beside the files.
import { quoted } from '../errors.js';
import { failIn } from './problems.js';
import type { NamedTensor } from './tensor.js';

/**
 * The names of the files that an index refers to; undefined if the bytes are not an index.
 * @throws PanppError `checkpoint` for an index with a name that is not a plain file name.
 */
export function shardNames(index: Uint8Array, fileName: string): string[] | undefined {
  const map = weightMap(index);
  if (!map) return undefined;
  const names = [...new Set(map.values())];
  const odd = names.find((name) => name === '' || /[\\/\0]|^\.\.?$/.test(name));
  if (odd !== undefined)
    failIn(fileName)(`refers to ${quoted(odd)}, which is not the name of a file beside it`);
  return names;
}

/**
 * The tensors that an index lists, each from its file.
 * @param read reads one file.
 * @throws PanppError `checkpoint` for a file that is missing, lacks a tensor or has one that the
 * index does not list.
 */
export function readShards(
  index: Uint8Array,
  shards: ReadonlyMap<string, Uint8Array>,
  fileName: string,
  read: (shard: Uint8Array, name: string) => ReadonlyMap<string, NamedTensor>,
): Map<string, NamedTensor> {
  const fail = failIn(fileName);
  const map = weightMap(index)!;
  const tensors = new Map<string, NamedTensor>();
  for (const shard of shardNames(index, fileName)!) {
    const bytes = shards.get(shard);
    if (!bytes)
      return fail(`${quoted(shard)}, which it refers to, is missing; put all its files beside it`);
    for (const [name, tensor] of read(bytes, shard)) {
      if (map.get(name) !== shard)
        return fail(`tensor ${quoted(name)} of ${quoted(shard)} is not listed in the index`);
      tensors.set(name, tensor);
    }
  }
  for (const [name, shard] of map) {
    if (!tensors.has(name))
      return fail(`tensor ${quoted(name)} is not in ${quoted(shard)}, where it should be`);
  }
  return tensors;
}

function weightMap(index: Uint8Array): Map<string, string> | undefined {
  if (index[0] !== 0x7b) return undefined; // {
  try {
    const parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(index)) as {
      weight_map?: unknown;
    };
    const entries = Object.entries(Object(parsed.weight_map) as Record<string, unknown>);
    const isMap = entries.length > 0 && entries.every(([, file]) => typeof file === 'string');
    return isMap ? new Map(entries as [string, string][]) : undefined;
  } catch {
    return undefined;
  }
}
