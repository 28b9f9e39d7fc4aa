// The names of a model's tensors without those of what it was wrapped in for training.
import { failIn, quoted } from './problems.js';
import type { NamedTensor } from './tensor.js';

/** DataParallel's and torch.compile's; a part of a model may be wrapped as well as the whole. */
const WRAPPERS = ['module', '_orig_mod'];
/** Attributes under which training code keeps the model. */
const OWNERS = [...WRAPPERS, 'model', 'net'];

/**
 * The same tensors by the model's own names: without `module.`, `_orig_mod.`, `model.` and `net.`,
 * and any sequence of them, in front of a name, and without the first two within it.
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
        `${both} are both ${quoted(own)} of the model; save the one model's state_dict() alone`,
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
