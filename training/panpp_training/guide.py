"""Where the characters of a word are, which shows a reader that learns where to look and what to see there.

Attention finds the characters by itself, but only after some million words: until then the decoder guesses a word from
its letters in no order. A polygon and the text say roughly where each character stands. Two losses pass that on: one on
the attention (`guide_loss`), and one of a classifier that sees a single character's features and no sequence
(`Speller`). They need no other annotation, and the network that they train is the same.
"""
import numpy as np
import torch
from torch import nn

from .recognition import MAX_TOKENS, ROI_HEIGHT, ROI_WIDTH, recognition_loss

NARROW, WIDE = frozenset("iljtfrI1.,:;!'|()[]"), frozenset('mwMW@%&')
# standard deviations of a window, in widths of the character and heights of the word
ATTENDED, SPELLED = (0.75, 0.5), (0.4, 0.25)
END_WIDTH = 0.5  # of the end of a word, in widths of a character


def centre_line(polygon):
    """The line midway between a word's upper and lower border (points x 2), and the word's height along it.

    The polygon starts at the word's beginning; its first half runs along the upper border, the second half back.
    """
    half = len(polygon) // 2
    upper, lower = polygon[:half], polygon[half:2 * half][::-1]
    return (upper + lower) / 2, float(np.hypot(*(upper - lower).T).mean())


def character_places(polygon, text, borders=None):
    """Of each character of a word, and of its end: (x, y), the half step to its border along the line, and the word's
    height. MAX_TOKENS + 1 rows of 5, float32; rows that the word does not have are 0.

    borders: the len(text) + 1 borders of the characters, 0...1 along the word; guessed from the letters if not given.
    """
    line, height = centre_line(np.asarray(polygon, np.float64))
    steps = np.hypot(*np.diff(line, axis=0).T)
    reach = np.concatenate([[0], steps.cumsum()])
    if borders is None:
        widths = np.array([0.5 if c in NARROW else 1.5 if c in WIDE else 1.0 for c in text])
        borders = np.concatenate([[0], widths.cumsum()]) / widths.sum()
    borders = borders * reach[-1]
    end = END_WIDTH * reach[-1] / len(text)
    first = np.append(borders[:-1], reach[-1] - end)[:MAX_TOKENS + 1]
    last = np.append(borders[1:], reach[-1])[:MAX_TOKENS + 1]

    def at(distance):
        return np.stack([np.interp(distance, reach, line[:, axis]) for axis in (0, 1)], 1)

    places = np.zeros((MAX_TOKENS + 1, 5), np.float32)
    places[:len(first), :2] = at((first + last) / 2)
    places[:len(first), 2:4] = (at(last) - at(first)) / 2
    places[:len(first), 4] = height
    return places


def guide_windows(places, regions, height, width, spread=ATTENDED):
    """How near each of a region's 8 x 32 samples is to each character: words x tokens x 256, 0 to 1 (at its centre).

    places: words x tokens x 5; regions: words x 6, as `masked_roi` takes them; height, width: of the image.
    """
    top, left = (regions[:, 2:4] - 1).clamp(min=0).float().unbind(1)
    bottom = (regions[:, 4] + 1).clamp(max=height).float()
    right = (regions[:, 5] + 1).clamp(max=width).float()
    rows, columns = bottom - top, right - left
    short = ((torch.arange(ROI_HEIGHT, device=places.device) + 0.5) / ROI_HEIGHT)[:, None].expand(-1, ROI_WIDTH)
    long = ((torch.arange(ROI_WIDTH, device=places.device) + 0.5) / ROI_WIDTH).expand(ROI_HEIGHT, -1)
    upright = (rows > 1.5 * columns)[:, None]
    y = top[:, None] + rows[:, None] * torch.where(upright, long.flatten(), short.flatten())
    x = left[:, None] + columns[:, None] * torch.where(upright, short.flatten(), long.flatten())
    away = torch.stack([x, y], 2)[:, None] - places[:, :, None, :2]  # words x tokens x 256 x 2
    step = places[:, :, None, 2:4]
    half = step.norm(dim=3).clamp(min=0.5)
    along = (away * step).sum(3) / half / (2 * spread[0] * half)
    across = (away[..., 0] * step[..., 1] - away[..., 1] * step[..., 0]) / half
    across = across / (spread[1] * places[:, :, None, 4]).clamp(min=1)
    return torch.exp(-0.5 * (along ** 2 + across ** 2))


def guide_loss(attention, windows, counted):
    """-log of how much of the attention (mean of the heads) lies near the character, averaged by word, then over words.

    attention: words x heads x tokens x 256; windows: words x tokens x 256; counted: words x tokens, bool.
    """
    near = (attention.float().mean(1) * windows).sum(2)
    per_token = -torch.log(near + 1e-3) * counted
    return (per_token.sum(1) / counted.sum(1).clamp(min=1)).mean()


class Speller(nn.Module):
    """Classifies the features around each character's place, which teaches the features to tell characters apart. It
    is no part of the model."""

    def __init__(self, width, vocabulary):
        super().__init__()
        self.vocabulary = vocabulary
        self.classify = nn.Linear(width, vocabulary.size)

    def forward(self, memory, windows, tokens, fold):
        """The loss, and the share of characters that are right.

        memory: words x 256 x width; windows: words x tokens x 256; tokens: words x tokens; fold: words, bool.
        """
        vocabulary = self.vocabulary
        tokens = torch.where(tokens == vocabulary.eos, vocabulary.pad, tokens)
        logits = self.classify(windows @ memory.float() / windows.sum(2, keepdim=True).clamp(min=1e-3))
        return recognition_loss(logits, tokens, vocabulary, fold), token_accuracy(logits, tokens, vocabulary, fold)


def token_accuracy(logits, tokens, vocabulary, fold):
    """The share of tokens that are right; in either case where `fold` (words, bool) says so."""
    best = logits.argmax(2)
    right = (best == tokens) | (fold[:, None] & (best == vocabulary.other_case().to(tokens.device)[tokens]))
    counted = tokens != vocabulary.pad
    return (right & counted).sum() / counted.sum().clamp(min=1)
