"""Reading and writing weights: the authors' checkpoint form, this trainer's state, partial ImageNet tensors."""
from pathlib import Path

import torch

from .safetensors_file import read_safetensors
from .unfold import folded_pairs, measure_norms, without_statistics

RECOGNITION = 'rec_head.'  # names of the recognition head's tensors


def without_prefix(state):
    return {name[len('module.'):] if name.startswith('module.') else name: tensor for name, tensor in state.items()}


def load_weights(path):
    """{name: tensor} of a .pth.tar, of a trainer's state (the averaged weights) or of a safetensors file."""
    path = Path(path)
    if path.suffix == '.safetensors':
        arrays, _ = read_safetensors(path)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if not any(name.startswith('backbone.') for name in tensors):
            tensors = {f'backbone.{name}': tensor for name, tensor in tensors.items()}
    else:
        stored = torch.load(path, map_location='cpu')
        tensors = without_prefix(stored.get('average') or stored['state_dict'])
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def initialise_from(model, path, images, partial=False):
    """Fills a model from a file. Returns lines about it.

    Folded batch norms are given back (unfold.py) by running the model on what `images()` yields: the network's inputs.
    What the file must hold is the network: a tensor of it that is missing or has another shape ends the program, unless
    `partial`. A recognition head may be missing, as a whole: then it starts from nothing, and the lines say so.
    """
    own = model.state_dict()
    tensors = load_weights(path)
    pairs = folded_pairs(model, tensors)
    tensors = without_statistics(model, tensors, pairs)
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise SystemExit(f'{path} has no tensor of this model')
    absent = [name for name in own if name not in fitting and not name.endswith('num_batches_tracked')]
    new_head = not any(name.startswith(RECOGNITION) for name in tensors)
    left_out = [name for name in absent if not (new_head and name.startswith(RECOGNITION))]
    if left_out and not partial:
        raise SystemExit(f'{path} lacks {len(left_out)} of the model\'s tensors or has them in another shape: '
                         f'{", ".join(left_out[:6])}{", ..." if len(left_out) > 6 else ""}; '
                         f'--partial starts them from nothing and lists them all')
    model.load_state_dict(fitting, strict=False)
    lines = [f'{Path(path).name}: {len(fitting)} of the model\'s {len(own)} tensors, '
             f'{len(tensors.keys() - fitting.keys())} unused']
    if pairs:
        model.load_state_dict(measure_norms(model, pairs, images()), strict=False)
        lines.append(f'{len(pairs)} folded batch norms given back')
    if left_out:
        lines.append('from nothing: ' + ', '.join(left_out))
    if len(absent) > len(left_out):
        lines.append('the recognition head starts from nothing: the file has none')
    return lines


def save_checkpoint(path, weights, iteration, half=False):
    """Writes the form that the authors' trainer writes (legacy serialisation, `module.` names)."""
    state = {}
    for name, tensor in weights.items():
        tensor = tensor.detach().cpu().contiguous()
        state[f'module.{name}'] = tensor.half() if half and tensor.is_floating_point() else tensor
    torch.save({'epoch': 1, 'iter': iteration, 'state_dict': state}, path, _use_new_zipfile_serialization=False)


def save_atomically(value, path):
    """A reader, and a run that is cut off, see the old file or the new one."""
    partial = path.with_suffix('.partial')
    torch.save(value, partial)
    partial.replace(path)


class Average:
    """Exponential moving average of weights and of batch norms' statistics."""

    def __init__(self, model, decay):
        self.decay = decay
        self.updates = 0
        self.values = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        old, new = [], []
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                old.append(self.values[name])
                new.append(tensor)
            else:
                self.values[name].copy_(tensor)
        torch._foreach_lerp_(old, new, 1 - decay)  # exact where nothing changes: frozen parts
