"""Reading and writing weights: the authors' checkpoint form, this trainer's state, partial ImageNet tensors."""
from pathlib import Path

import torch

from .safetensors_file import read_safetensors


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


def initialise_from(model, path):
    """Copies every tensor that the model has under the same name and shape. Returns a line about it."""
    own = model.state_dict()
    tensors = load_weights(path)
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise SystemExit(f'{path} has no tensor of this model')
    model.load_state_dict(fitting, strict=False)
    return f'{Path(path).name}: {len(fitting)} of the model\'s {len(own)} tensors, {len(tensors) - len(fitting)} unused'


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
        torch._foreach_mul_(old, decay)
        torch._foreach_add_(old, new, alpha=1 - decay)
