"""Level words: sampled along their centrelines onto lines of one height, as the engine's rectified reading lays them
out (docs/spec.md). What it reads is always level and of this height, so that is what a reader is taught most."""
import math
from dataclasses import dataclass

import cv2
import numpy as np

from .dense import DensePages
from .geometry import Word, short_side
from .guide import centre_line
from .model import MEAN

LINE_HEIGHT, WORD_HEIGHT = 52, 32  # rows of a line, and of the word in its middle
MARGIN = (LINE_HEIGHT - WORD_HEIGHT) // 2  # rows and columns around a word
FROM_PHOTOGRAPHS = 0.55  # of the words; the others are drawn
LEAST_HEIGHT = 7  # pixels of the photograph
MOST_SQUEEZED = 1.5
FINEST, MOST_TAPS = 1.4, 6  # with more source pixels than that for one of the line, up to so many squared are averaged
CANDIDATES = 4  # words in a row that don't fit: the line is full
POINTS = 33  # at which a centreline is measured


@dataclass(frozen=True)
class Centreline:
    """A word's middle from its beginning to its end, as polynomials of 0...1; straight on beyond its ends."""
    coefficients: np.ndarray  # powers x 2 (x, y), the constant first
    length: float  # pixels, as the height
    height: float

    def at(self, distances):
        """The points at distances from the beginning, and the unit vectors across the line, both points x 2."""
        share = distances / self.length
        inside = np.clip(share, 0, 1)
        slope = np.polynomial.polynomial.polyder(self.coefficients)
        along = np.polynomial.polynomial.polyval(inside, slope).T
        place = np.polynomial.polynomial.polyval(inside, self.coefficients).T + along * (share - inside)[:, None]
        along /= np.hypot(*along.T)[:, None]
        return place, np.stack([-along[:, 1], along[:, 0]], 1)


def centreline_of(polygon):
    """The centreline of a word's polygon; None if the word is too low to be read, or no wider than a stroke."""
    line, _ = centre_line(polygon)
    half = len(polygon) // 2
    height = float(np.quantile(np.hypot(*(polygon[:half] - polygon[half:2 * half][::-1]).T), 0.8))
    reach = np.concatenate([[0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    if height < LEAST_HEIGHT or reach[-1] < 0.15 * height:
        return None
    coefficients = np.polynomial.polynomial.polyfit(reach / reach[-1], line, min(len(line) - 1, 3))
    points = np.polynomial.polynomial.polyval(np.linspace(0, 1, POINTS), coefficients).T
    return Centreline(coefficients, float(np.hypot(*np.diff(points, axis=0).T).sum()), height)


@dataclass(frozen=True)
class Offset:
    """How a region that a detector finds differs from the annotation. All but the slope in heights of the word."""
    taller: float = 0.0  # natural logarithm of the ratio
    start: float = 0.0  # how far it begins before the word
    end: float = 0.0
    down: float = 0.0
    slope: float = 0.0

    @staticmethod
    def random(rng):
        spread = 1.0 if rng.random() < 0.7 else 1.8
        taller, start, end, down, slope = rng.normal(0, spread, 5) * (0.1, 0.1, 0.1, 0.05, 0.04)
        return Offset(taller + 0.03, start, end, down, slope)


def sample_strip(image, line, offset, longest):
    """A word sampled level, with what is around it: LINE_HEIGHT x columns x channels. None if it is much longer than
    `longest` columns, or not in the image."""
    height = line.height * math.exp(offset.taller)
    start, end = -offset.start * height, line.length + offset.end * height
    scale = WORD_HEIGHT / height
    wanted = max((end - start) * scale, 1.0)
    columns = min(round(wanted), longest - 2 * MARGIN)
    if wanted > MOST_SQUEEZED * columns:
        return None
    step = max(1.0, wanted / columns) / scale
    taps = min(math.ceil(step), MOST_TAPS) if step > FINEST else 1
    width = columns + 2 * MARGIN
    along = start + ((np.arange(width * taps) + 0.5) / taps - MARGIN) * (end - start) / columns
    place, across = line.at(along)
    place += across * (offset.down * height + offset.slope * (along - line.length / 2))[:, None]
    down = ((np.arange(LINE_HEIGHT * taps) + 0.5) / taps - LINE_HEIGHT / 2) / scale
    x, y = (place[None, :, axis] + down[:, None] * across[None, :, axis] - 0.5 for axis in (0, 1))
    # OpenCV takes no image of 32 768 pixels or more, so it gets the part that it reads
    left, top = (max(math.floor(values.min()), 0) for values in (x, y))
    source = image[top:math.ceil(y.max()) + 2, left:math.ceil(x.max()) + 2]
    if not source.size:
        return None
    strip = cv2.remap(np.ascontiguousarray(source), (x - left).astype(np.float32), (y - top).astype(np.float32),
                      cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(strip, (width, LINE_HEIGHT), interpolation=cv2.INTER_AREA) if taps > 1 else strip


class LevelWords:
    """Crops full of level words, cut out of photographs and of drawn pages. One object a worker process."""

    def __init__(self, assets, photographs, store):
        self.store = store
        self.drawn = DensePages(assets, photographs, store)
        self.readable = [(number, word) for number, photo in enumerate(photographs) for word in photo.words
                         if word.text and short_side(word.polygon) >= LEAST_HEIGHT]

    def crop(self, rng, size):
        """size x size x 3 (uint8) and its words, each the box that the recognition head gets as its region."""
        page, drawn = self.drawn.draw(rng)
        drawn = [(page, word) for word in drawn if word.text]
        image = np.empty((size, size, 3), np.uint8)
        image[:] = np.round(np.array(MEAN) * 255)  # where the engine's pages are empty
        lines = size // LINE_HEIGHT
        first = int(rng.integers(0, size - lines * LINE_HEIGHT + 1))
        words = []
        for row in range(first, first + lines * LINE_HEIGHT, LINE_HEIGHT):
            words += self.fill_line(rng, image[row:row + LINE_HEIGHT], row, drawn)
        return image, words

    def fill_line(self, rng, pixels, row, drawn):
        words, left, failures = [], 0, 0
        while failures < CANDIDATES:
            source, word = self.any_word(rng, drawn)
            line = centreline_of(word.polygon)
            strip = None if line is None else sample_strip(source, line, Offset.random(rng), pixels.shape[1])
            right = left + (math.inf if strip is None else strip.shape[1])
            if right > pixels.shape[1]:
                failures += 1
                continue
            pixels[:, left:right] = strip
            low, high = (left + MARGIN, row + MARGIN), (right - MARGIN, row + MARGIN + WORD_HEIGHT)
            box = np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float64)
            words.append(Word(box, word.text, word.case_unknown, word.borders))
            left = right
        return words

    def any_word(self, rng, drawn):
        """An image and one of its words."""
        if self.readable and (not drawn or rng.random() < FROM_PHOTOGRAPHS):
            number, word = self.readable[rng.integers(len(self.readable))]
            return self.store.image(number), word
        return drawn[rng.integers(len(drawn))]
