"""Procedural weights: every parameter computed from its name, so that a check of a big model needs no big file."""
import zlib

import numpy as np
import torch


def uniform(name, count):
    """`count` numbers in [-1, 1): a 32-bit mixing function of the index and the name's CRC."""
    x = np.arange(count, dtype=np.uint64) * 0x9E3779B1 + zlib.crc32(name.encode())
    x &= 0xFFFFFFFF
    x ^= x >> 16
    x = x * 0x85EBCA6B & 0xFFFFFFFF
    x ^= x >> 13
    x = x * 0xC2B2AE35 & 0xFFFFFFFF
    x ^= x >> 16
    return x / 2.0 ** 31 - 1


def value(name, tensor, last_batch_norm):
    shape = tuple(tensor.shape)
    if name.endswith('num_batches_tracked'):
        return np.ones(shape)
    u = uniform(name, tensor.numel()).reshape(shape)
    if name.endswith('running_var'):
        return 1 + 0.5 * u
    if name.endswith('running_mean'):
        return 0.2 * u
    if len(shape) == 4:
        gain = 2 if name.startswith('backbone') else 0.5
        return u * np.sqrt(3) * np.sqrt(gain / np.prod(shape[1:]))
    if len(shape) == 2:
        return u * np.sqrt(3) * np.sqrt(1 / shape[1])
    if name.endswith('weight'):
        return (1 + 0.3 * u) * (0.25 if '.layer' in name and f'.{last_batch_norm}.' in name else 1)
    return 0.1 * u


def fill(model, last_batch_norm='bn2'):
    state = {name: torch.from_numpy(np.asarray(value(name, tensor, last_batch_norm))).to(tensor.dtype)
             for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    return model
