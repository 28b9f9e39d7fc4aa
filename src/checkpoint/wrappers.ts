// Removes the prefixes of training wrappers from the names of a model's tensors.
import { quoted } from '../errors.js';
import { failIn } from './problems.js';
import type { NamedTensor } from './tensor.js';

/** Prefixes of DataParallel and torch.compile; parts of a model may be wrapped too. */
const WRAPPERS = ['module', '_orig_mod'];
/** Attributes under which training code keeps the model. */
const OWNERS = [...WRAPPERS, 'model', 'net'];

/**
 * The same tensors by the model's own names: without any sequence of `module.`, `_orig_mod.`,
 * `model.` and `net.` at the start, and without the first two inside a name.
 * @throws PanppError `checkpoint` if two tensors get the same name.
 */
export function withoutWrappers(
  tensors: ReadonlyMap<string, NamedTensor>,
  fileName = 'checkpoint',
): Map<string, NamedTensor> {
  const plain = new Map<string, NamedTensor>();
  const origins = new Map<string, string>();
  for (const [name, tensor] of tensors) {
    const own = ownName(name);
    const other = origins.get(own);
    if (other !== undefined) {
      const both = `${quoted(other)} and ${quoted(name)}`;
      failIn(fileName)(
        `${both} both become ${quoted(own)} of the model; save one model's state_dict() alone`,
      );
    }
    origins.set(own, name);
    plain.set(own, tensor);
  }
  return plain;
}

function ownName(name: string): string {
  const parts = name.split('.');
  const first = parts.findIndex((part, i) => !OWNERS.includes(part) || i === parts.length - 1);
  return parts
    .slice(first)
    .filter((part, i) => i === 0 || !WRAPPERS.includes(part))
    .join('.');
}
