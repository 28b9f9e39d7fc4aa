"""Dense pages, which teach to read: a hundred words on a page, where a scene has three a crop.

Two kinds: drawn words in blocks of lines, and words cut out of the training photographs with what is around them. Both
are packed where there is room, found for all places at once by a correlation of the page's free area with the block's
shape.
"""
import math

import cv2
import numpy as np

from .geometry import Word, short_side
from .synthetic import PAGE, Arc, Straight, SyntheticPages, degrade, set_block

GRID = 4  # pixels of the page to a cell of the packing
FAILURES = 10  # blocks in a row that find no room: the page is full
LINE_HEIGHTS = (16, 64)  # of drawn text, pixels a line: words of about 10 to 45
CUT_HEIGHTS = (12, 48)  # of words cut out of photographs
CUT_SCALES = (0.6, 1.8)  # of a photograph at its benchmark's size


def find_room(rng, taken, shape):
    """A free place for `shape` (uint8, cells) on `taken`, as (row, column) of its corner, marked as taken; or None.

    Of the free places one among the topmost is drawn, so pages fill from the top without being regular.
    """
    rows, columns = shape.shape
    if rows > taken.shape[0] or columns > taken.shape[1]:
        return None
    covered = cv2.matchTemplate(taken.astype(np.float32), shape.astype(np.float32), cv2.TM_CCORR)
    free = np.flatnonzero(covered.ravel() < 0.5)
    if not len(free):
        return None
    place = free[int(len(free) * 0.25 * rng.random() ** 2)]
    row, column = divmod(int(place), covered.shape[1])
    taken[row:row + rows, column:column + columns] |= shape
    return row, column


def cells_of(polygons, low, high):
    """The polygons as a mask of cells, for the box from low to high."""
    columns, rows = np.ceil((high - low) / GRID).astype(int) + 1
    mask = np.zeros((rows, columns), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.round((polygon - low) / GRID).astype(np.int32)], 1)
    return mask


class DensePages(SyntheticPages):
    """Drawn words: blocks of lines, straight or bent, till the page is full."""

    page_uses = 10
    pages_kept = 10

    def new_page(self, rng):
        page, words = self.background(rng)
        taken = np.zeros((PAGE // GRID, PAGE // GRID), np.uint8)
        for word in words:
            cv2.fillPoly(taken, [np.round(word.polygon / GRID).astype(np.int32)], 1)
        failures = 0
        while failures < FAILURES:
            added = self.add_block(rng, page, taken)
            failures = 0 if added else failures + 1
            words += added
        return degrade(rng, page), words

    def add_block(self, rng, page, taken):
        bent = rng.random() < 0.2
        height = math.exp(rng.uniform(*np.log(LINE_HEIGHTS)))
        size = int(max(16, height * 1.3))
        font, capitals = self.assets.fonts[rng.integers(len(self.assets.fonts))]
        lines = self.lines(rng, bent)
        if capitals:
            lines = [[word.upper() for word in line] for line in lines]
        block = set_block(rng, font, lines, size)
        if block is None:
            return []
        rows, columns = block.ink.shape
        placed = (Arc if bent else Straight)(rng, columns, rows, min(height / size, 0.9 * PAGE / columns))
        on_plate = rng.random() < 0.15
        polygons = self.word_polygons(rng, block, placed)
        where = self.find_place(rng, taken, [placed.outline()] if on_plate else roomy(block, placed))
        if where is None:
            return []
        self.paint(rng, page, block, placed, where, on_plate)
        return self.page_words(block, polygons, where)

    def find_place(self, rng, taken, outlines):
        everything = np.concatenate(outlines)
        low, high = everything.min(0), everything.max(0)
        place = find_room(rng, taken, cells_of(outlines, low, high))
        return None if place is None else np.array(place[::-1]) * GRID - low


def roomy(block, placed):
    """The words' outlines with a little room around."""
    room = 0.08 * block.line_height
    return [placed.word_polygon(left - room, top - room, right + room, bottom + room)
            for left, top, right, bottom, *_ in block.words]


class CutWords(SyntheticPages):
    """Words cut out of training photographs, each with what is around it."""

    page_uses = 10
    pages_kept = 10

    def __init__(self, assets, photographs, store):
        super().__init__(assets, (), store)  # backgrounds without words of their own
        self.sources = photographs
        self.cuttable = [(number, word) for number, photo in enumerate(photographs)
                         for word in photo.words if word.text]

    def new_page(self, rng):
        page, words = self.background(rng)
        taken = np.zeros((PAGE // GRID, PAGE // GRID), np.uint8)
        failures = 0
        while failures < FAILURES:
            added = self.add_cut(rng, page, taken)
            failures = 0 if added else failures + 1
            words += added
        return degrade(rng, page) if rng.random() < 0.3 else np.clip(page, 0, 255).astype(np.uint8), words

    def add_cut(self, rng, page, taken):
        number, word = self.cuttable[rng.integers(len(self.cuttable))]
        photo = self.sources[number]
        height = short_side(word.polygon)
        scale = photo.benchmark_scale() * math.exp(rng.uniform(*np.log(CUT_SCALES)))
        scale = min(max(scale * height, CUT_HEIGHTS[0]), CUT_HEIGHTS[1]) / max(height, 1)
        margin = rng.uniform(0.1, 0.5) * height
        low = np.maximum(np.floor(word.polygon.min(0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(word.polygon.max(0) + margin), (photo.width, photo.height)).astype(int)
        size = np.round((high - low) * scale).astype(int)
        if (size < 8).any() or (size > PAGE // 2).any():
            return []
        place = find_room(rng, taken, np.ones(-(-size[::-1] // GRID), np.uint8))
        if place is None:
            return []
        left, top = place[1] * GRID, place[0] * GRID
        cut = self.store.image(number)[low[1]:high[1], low[0]:high[0]]
        how = cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR
        page[top:top + size[1], left:left + size[0]] = cv2.resize(cut, tuple(size.tolist()), interpolation=how)
        return [Word(polygon * (size / (high - low)) + (left, top), text, other.case_unknown)
                for other in photo.words for polygon, text in in_cut(other, low, high)]


def in_cut(word, low, high):
    """The word as it shows in a cut of its photograph, in the cut's pixels: whole, as don't care where it is cut, or
    not at all. A list of none or one (polygon, text)."""
    polygon = np.clip(word.polygon, low, high) - low
    extent = polygon.max(0) - polygon.min(0)
    if (extent < 1).any():
        return []
    whole = (word.polygon >= low - 1).all() and (word.polygon <= high + 1).all()
    return [(polygon, word.text if whole else None)]
