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
    # copies, so that no word holds the memory of its whole batch
    for k, (image, top, left, bottom, right) in enumerate(extents(regions[:, 0], rows, columns, read)):
        if bottom < top:
            continue
        height, width = bottom - top + 1, right - left + 1
        cells = padded[image, top:bottom + 3, left:right + 3].clone(memory_format=torch.contiguous_format)
        index = torch.where(read[k], (rows[k] - top) * width + columns[k] - left, 0)
        kept.append(KeptWord(cells.view(-1, fused.shape[1]), neighbours_of(height, width, fused.device), index,
                             weight[k].clone(), tokens[k].clone(), fold[k].clone(), windows[k].half()))
    return kept


def extents(images, rows, columns, read):
    """[image, top, left, bottom, right] of the cells that each word reads; the bottom above the top if there are none.
    All words at once: each number that is asked of a GPU makes it wait."""
    none_low, none_high = torch.iinfo(rows.dtype).max, -1
    bounds = [torch.where(read, cells, none).flatten(1)
              for none in (none_low, none_high) for cells in (rows, columns)]
    low, high = [each.amin(1) for each in bounds[:2]], [each.amax(1) for each in bounds[2:]]
    return torch.stack([images, *low, *high], 1).tolist()


def neighbours_of(height, width, device):
    """The 3 x 3 cells around each of a patch's, as rows of its cells with their border: hw x 9."""
    down, across, around = (torch.arange(count, device=device) for count in (height, width, 3))
    row = (down[:, None] + around)[:, None, :, None]
    column = (across[:, None] + around)[None, :, None, :]
    return (row * (width + 2) + column).reshape(-1, 9)


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
    start = torch.tensor([0] + [len(word.neighbours) for word in words[:-1]], device=cells.device).cumsum(0)
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
