"""Words for a reader that learns on a frozen network: what the network made of them, kept and used several times.

While the network is frozen its fused map of a picture does not change, and drawing and running it cost more than what
comes after it. So of each word the cells are kept that its 8 x 32 samples depend on through the recognition head's 3x3
convolution, and that convolution is computed there alone: on half of a dense crop.
"""
from collections import deque
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from .recognition import roi_taps, weighted_rows


@dataclass(frozen=True)
class KeptWord:
    """Word on a patch of h x w cells of the fused map, with a border of one cell around it."""
    cells: torch.Tensor  # (h + 2)(w + 2) x 512
    neighbours: torch.Tensor  # hw x 9, rows of `cells`
    index: torch.Tensor  # 256 x 16, cells of the patch that the samples read
    weight: torch.Tensor  # 256 x 16
    tokens: torch.Tensor
    fold: torch.Tensor
    windows: torch.Tensor  # 2 x tokens x 256, where its characters are (guide.py)


def keep_words(fused, label_map, regions, tokens, fold, windows):
    """KeptWords of a batch. fused: batch x 512 x H/4 x W/4; the rest as the recognition head takes it."""
    padded = F.pad(fused, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    rows, columns, weight = roi_taps(label_map, regions, *fused.shape[2:])
    read = weight > 0
    kept = []
    for k, image in enumerate(regions[:, 0].tolist()):
        if not read[k].any():
            continue
        used_rows, used_columns = rows[k][read[k]], columns[k][read[k]]
        top, left = int(used_rows.min()), int(used_columns.min())
        height, width = int(used_rows.max()) - top + 1, int(used_columns.max()) - left + 1
        cells = padded[image, top:top + height + 2, left:left + width + 2].reshape(-1, fused.shape[1]).contiguous()
        row = torch.arange(height)[:, None, None, None] + torch.arange(3)[None, None, :, None]
        column = torch.arange(width)[None, :, None, None] + torch.arange(3)[None, None, None, :]
        index = torch.where(read[k], (rows[k] - top) * width + columns[k] - left, 0)
        kept.append(KeptWord(cells, (row * (width + 2) + column).reshape(-1, 9), index, weight[k].clone(),
                             tokens[k], fold[k], windows[k].half()))
    return kept


def memory_of(head, words):
    """The recognition head's 8 x 32 features of KeptWords: conv, batch norm, ReLU, masked RoI.

    Returns words x 256 x channels.
    """
    cells = torch.cat([word.cells for word in words])
    first = torch.tensor([0] + [len(word.cells) for word in words[:-1]]).cumsum(0).tolist()
    neighbours = torch.cat([word.neighbours + start for word, start in zip(words, first)])
    windows = cells[neighbours.flatten()].view(len(neighbours), -1)
    filters = head.conv.weight.permute(0, 2, 3, 1).flatten(1)
    table = F.linear(windows, filters.to(windows.dtype), head.conv.bias.to(windows.dtype)).float()
    table = F.relu(head.bn(table[:, :, None, None])).flatten(1)
    start = torch.tensor([0] + [len(word.neighbours) for word in words[:-1]]).cumsum(0)
    index = torch.stack([word.index for word in words]) + start[:, None, None]
    return weighted_rows(table, index, torch.stack([word.weight for word in words]))


class WordBuffer:
    """The newest words; batches are drawn from all of them at random."""

    def __init__(self, size):
        self.words = deque(maxlen=size)

    def add(self, words):
        self.words.extend(words)

    def draw(self, count):
        return [self.words[k] for k in torch.randint(len(self.words), (count,)).tolist()]
