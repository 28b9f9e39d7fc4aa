"""Folding batch norms into convolutions, and back.

Back: makes folded weights trainable again, gives every batch norm that was folded into its convolution back.

A file that ships holds convolutions with bias and no batch norms. Any batch norm does in inference what such a bias did
if its shift and scale undo its statistics; for training the statistics must be those of its input. So mean m and
variance v of each input are measured on training photographs, and the batch norm gets mean m, variance v, scale
sqrt(v + eps) and shift m + folded bias: the network's map stays as it was, up to rounding (about 5e-7).
"""
import copy
import re

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def norm_after(conv):
    """The name of the batch norm that follows a convolution, if one does."""
    return re.sub(r'downsample\.0$', 'downsample.1', re.sub(r'conv(\d?)$', r'bn\1', conv))


def folded_copy(module):
    """A copy for inference alone, each batch norm in its convolution."""
    module = copy.deepcopy(module).eval().requires_grad_(False)
    parts = dict(module.named_modules())
    for name, conv in parts.items():
        if isinstance(conv, nn.Conv2d) and isinstance(parts.get(norm_after(name)), nn.BatchNorm2d):
            replace(module, name, fuse_conv_bn_eval(conv, parts[norm_after(name)]))
            replace(module, norm_after(name), nn.Identity())
    return module


def replace(module, name, part):
    parent, _, own = name.rpartition('.')
    setattr(module.get_submodule(parent), own, part)


def folded_pairs(model, tensors):
    """{convolution's name: batch norm's name} where `tensors` holds the first one's weight and bias, and nothing of the
    second."""
    modules = dict(model.named_modules())
    pairs = {}
    for name, module in modules.items():
        if not isinstance(module, nn.Conv2d):
            continue
        norm = norm_after(name)
        if (isinstance(modules.get(norm), nn.BatchNorm2d) and {f'{name}.weight', f'{name}.bias'} <= tensors.keys()
                and not any(key.startswith(f'{norm}.') for key in tensors)):
            pairs[name] = norm
    return pairs


def without_statistics(model, tensors, pairs):
    """`tensors` with batch norms that only add the folded bias: what is measured with."""
    tensors = dict(tensors)
    own = model.state_dict()
    for conv, norm in pairs.items():
        bias = tensors.pop(f'{conv}.bias')
        if f'{conv}.bias' in own:
            tensors[f'{conv}.bias'] = torch.zeros_like(bias)
        epsilon = model.get_submodule(norm).eps
        tensors |= norm_tensors(norm, torch.zeros_like(bias), torch.ones_like(bias), bias, epsilon)
    return tensors


def norm_tensors(norm, mean, variance, bias, epsilon):
    return {f'{norm}.running_mean': mean.float(), f'{norm}.running_var': variance.float(),
            f'{norm}.weight': (variance.double() + epsilon).sqrt().float(), f'{norm}.bias': (mean + bias).float(),
            f'{norm}.num_batches_tracked': torch.tensor(0)}


class InputStatistics:
    """Mean and variance of each channel of what a module is given, over all pixels of all images."""

    def __init__(self, module):
        self.count, self.sum, self.squares = 0, 0.0, 0.0
        self.hook = module.register_forward_pre_hook(self.add)

    def add(self, _, inputs):
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        count = inputs[0].numel() // len(mean)
        self.count += count
        self.sum = self.sum + count * mean.double()
        self.squares = self.squares + count * (variance.double() + mean.double() ** 2)

    def mean(self):
        return self.sum / self.count

    def variance(self):
        return (self.squares / self.count - self.mean() ** 2).clamp(min=0)


@torch.no_grad()
def measure_norms(model, pairs, images):
    """The tensors of the paired batch norms of a model that `without_statistics` has filled.

    images: batches of the network's input, N x 3 x H x W, H and W multiples of 32.
    """
    training = model.training
    model.eval()
    statistics = {norm: InputStatistics(model.get_submodule(norm)) for norm in pairs.values()}
    for image in images:
        model(image)
    measured = {}
    for norm, found in statistics.items():
        found.hook.remove()
        module = model.get_submodule(norm)
        measured |= norm_tensors(norm, found.mean(), found.variance(), module.bias.double(), module.eps)
    model.train(training)
    return measured
