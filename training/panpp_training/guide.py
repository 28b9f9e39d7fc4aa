"""Where the characters of a word are, which shows the decoder's attention where to look while it learns.

Attention finds the characters by itself, but only after some million words: until then the decoder guesses a word from
its letters in no order. A polygon says roughly where each character stands, and a loss on the attention (`guide_loss`) passes that on. It needs no
other annotation, and the network it trains is the same.
"""
import numpy as np
import torch

from .recognition import MAX_TOKENS, ROI_HEIGHT, ROI_WIDTH

NARROW, WIDE = frozenset("iljtfrI1.,:;!'|()[]"), frozenset('mwMW@%&')
ALONG, ACROSS = 0.75, 0.5  # a window's standard deviations, in widths of the character and heights of the word
END_WIDTH = 0.5  # of the end of a word, in widths of a character


def centre_line(polygon):
    """The line midway between a word's upper and lower border (points x 2), and the word's height along it.

    The polygon starts at the word's beginning; its first half runs along the upper border, the second half back.
    """
    half = len(polygon) // 2
    upper, lower = polygon[:half], polygon[half:2 * half][::-1]
    return (upper + lower) / 2, float(np.hypot(*(upper - lower).T).mean())


def character_places(polygon, text):
    """Of each character of a word, and of its end: (x, y), the half step to its border along the line, and the word's
    height. MAX_TOKENS + 1 rows of 5, float32; rows that the word does not have are 0."""
    line, height = centre_line(np.asarray(polygon, np.float64))
    steps = np.hypot(*np.diff(line, axis=0).T)
    reach = np.concatenate([[0], steps.cumsum()])
    widths = np.array([0.5 if c in NARROW else 1.5 if c in WIDE else 1.0 for c in text])
    borders = np.concatenate([[0], widths.cumsum()]) / widths.sum() * reach[-1]
    end = END_WIDTH * reach[-1] / widths.sum()
    first = np.append(borders[:-1], reach[-1] - end)[:MAX_TOKENS + 1]
    last = np.append(borders[1:], reach[-1])[:MAX_TOKENS + 1]

    def at(distance):
        return np.stack([np.interp(distance, reach, line[:, axis]) for axis in (0, 1)], 1)

    places = np.zeros((MAX_TOKENS + 1, 5), np.float32)
    places[:len(first), :2] = at((first + last) / 2)
    places[:len(first), 2:4] = (at(last) - at(first)) / 2
    places[:len(first), 4] = height
    return places


def guide_windows(places, regions, height, width):
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
    along = (away * step).sum(3) / half / (2 * ALONG * half)
    across = (away[..., 0] * step[..., 1] - away[..., 1] * step[..., 0]) / half
    across = across / (ACROSS * places[:, :, None, 4]).clamp(min=1)
    return torch.exp(-0.5 * (along ** 2 + across ** 2))


def guide_loss(attention, windows, counted):
    """-log of how much of the attention (mean of the heads) lies near the character, averaged by word, then over words.

    attention: words x heads x tokens x 256; windows: words x tokens x 256; counted: words x tokens, bool.
    """
    near = (attention.float().mean(1) * windows).sum(2)
    per_token = -torch.log(near + 1e-3) * counted
    return (per_token.sum(1) / counted.sum(1).clamp(min=1)).mean()
