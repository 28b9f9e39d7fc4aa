"""Synthetic pages: words in many fonts laid over photographs, with exact word polygons and transcriptions.

A page is a background with a dozen blocks of text. A block is set flat (one or more lines, one font), then carried
onto the page by one map: straight (rotation, shear, perspective) or bent along an arc. The same map carries the word
boxes, so polygons are as exact as the glyphs' own ink boxes. Pages are made worse on purpose: JPEG, blur, noise.
"""
import functools
import json
import math
import string
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .geometry import Word, short_side

PAGE = 800  # pixels a side
BLOCKS = (5, 14)
HEIGHTS = (9, 80)  # of a line of text on the page, pixels
MIN_WORD = 8  # words lower than this are not kept as readable
PUNCTUATION = '.,!?:;'
COLOURS = np.array([(255, 255, 255), (0, 0, 0), (200, 20, 20), (245, 210, 40), (20, 60, 160), (10, 110, 60),
                    (240, 130, 20), (120, 70, 40), (220, 220, 210), (40, 40, 45)], np.float32)


class Assets:
    """What pack_data.py put under `root`: fonts/, backgrounds/, words.txt and fonts.json."""

    def __init__(self, root):
        listed = json.loads((root / 'fonts.json').read_text())
        self.fonts = [(root / 'fonts' / font['file'], font['capitals']) for font in listed]
        self.backgrounds = sorted((root / 'backgrounds').glob('*.webp'))
        self.words = (root / 'words.txt').read_text(encoding='utf-8').split()


# --- words -----------------------------------------------------------------------------------------------------------

def digits(rng, count):
    return ''.join(rng.choice(list(string.digits), count))


def number_like(rng):
    """Prices, times, dates, telephone and house numbers, codes, percentages."""
    kind = rng.integers(9)
    if kind == 0:
        return str(rng.integers(0, 10 ** int(rng.integers(1, 6))))
    if kind == 1:
        return f'{rng.choice(["$", "", "S$"])}{rng.integers(0, 300)}.{digits(rng, 2)}'
    if kind == 2:
        return f'{rng.integers(0, 24)}:{rng.integers(0, 60):02d}' + rng.choice(['', 'am', 'pm', 'AM', 'PM'])
    if kind == 3:
        return rng.choice(['-', '/', '.']).join(str(rng.integers(1, n)) for n in (32, 13, 2030))
    if kind == 4:
        return f'{digits(rng, 4)}-{digits(rng, 4)}' if rng.random() < 0.5 else f'+{digits(rng, 2)}-{digits(rng, 8)}'
    if kind == 5:
        return f'#{digits(rng, 2)}-{digits(rng, int(rng.integers(2, 4)))}'
    if kind == 6:
        letters = ''.join(rng.choice(list(string.ascii_uppercase), rng.integers(1, 4)))
        return letters + digits(rng, int(rng.integers(1, 5)))
    if kind == 7:
        return f'{rng.integers(1, 100)}%'
    return f'{rng.integers(1, 100)}{rng.choice(["st", "nd", "rd", "th", "km", "kg", "m", "A", "B", "x"])}'


def random_symbols(rng):
    return ''.join(rng.choice(list(string.digits + string.ascii_letters + string.punctuation), rng.integers(1, 9)))


def decorated(rng, word):
    """A word as it stands in a sentence, an address or a name."""
    kind = rng.integers(8)
    if kind < 3:
        return word + PUNCTUATION[rng.integers(len(PUNCTUATION))]
    return (f'({word})', f'"{word}"', f'{word}-{word[:4]}', f'www.{word}.com', f'&{word}')[kind - 3]


def random_word(rng, words):
    draw = rng.random()
    if draw < 0.14:
        return number_like(rng)
    if draw < 0.17:
        return random_symbols(rng)
    word = words[rng.integers(len(words))]
    return decorated(rng, word) if draw < 0.23 else word


def in_case(rng, text, style):
    if style == 'mixed':
        style = ('upper', 'lower', 'title')[rng.integers(3)]
    if style == 'upper':
        return text.upper()
    return text.lower() if style == 'lower' else text[:1].upper() + text[1:]


# --- setting a block flat --------------------------------------------------------------------------------------------

@dataclass
class FlatBlock:
    ink: np.ndarray  # uint8, rows x columns
    outline: np.ndarray | None
    words: list  # (left, top, right, bottom, text, borders of the characters)
    line_height: float


@functools.lru_cache(maxsize=300)
def load_font(path, size):
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def set_word(draw, edge, font, x, baseline, text, spacing, stroke):
    """Draws one word; returns its ink box, the borders between its characters, and where the pen stands after it."""
    box = None
    borders = x + np.array([font.getlength(text[:k]) + spacing * k for k in range(len(text) + 1)])
    for glyphs in (text if spacing else [text]):
        position = (x, baseline)
        draw.text(position, glyphs, fill=255, font=font, anchor='ls')
        if edge is not None:
            edge.text(position, glyphs, fill=255, font=font, anchor='ls', stroke_width=stroke)
        left, top, right, bottom = draw.textbbox(position, glyphs, font=font, anchor='ls')
        if right > left and bottom > top:
            box = (left, top, right, bottom) if box is None else (min(box[0], left), min(box[1], top),
                                                                  max(box[2], right), max(box[3], bottom))
        x += font.getlength(glyphs) + spacing
    return box, borders, x - spacing


def set_block(rng, font_path, lines, size):
    """Lines of words as ink on black, with the words' ink boxes."""
    font = load_font(font_path, size)
    spacing = size * rng.uniform(0.05, 0.4) if rng.random() < 0.12 else 0
    gap = size * rng.uniform(0.25, 0.6) + spacing
    leading = size * rng.uniform(1.0, 1.6)
    stroke = max(1, round(size * rng.uniform(0.03, 0.08))) if rng.random() < 0.2 else 0
    widths = [sum(font.getlength(word) + spacing * len(word) for word in line) + gap * (len(line) - 1)
              for line in lines]
    margin = size // 2 + 2 * stroke + 2
    width = int(max(widths) + 2 * margin)
    height = int(leading * (len(lines) - 1) + 1.5 * size + 2 * margin)
    if width > 6000:
        return None
    ink = Image.new('L', (width, height))
    draw = ImageDraw.Draw(ink)
    outline = Image.new('L', (width, height)) if stroke else None
    edge = ImageDraw.Draw(outline) if stroke else None
    justify = rng.choice((0.0, 0.5, 1.0), p=(0.4, 0.5, 0.1))
    words = []
    for row, line in enumerate(lines):
        x = margin + justify * (max(widths) - widths[row])
        baseline = margin + size + row * leading
        for word in line:
            box, borders, x = set_word(draw, edge, font, x, baseline, word, spacing, stroke)
            x += gap
            if box is not None:
                left, right = box[0] - stroke, box[2] + stroke
                borders = np.clip((borders - left) / (right - left), 0, 1)
                words.append((left, box[1] - stroke, right, box[3] + stroke, word, borders))
    return FlatBlock(np.asarray(ink), np.asarray(outline) if stroke else None, words, size * 1.2) if words else None


# --- carrying a block onto the page ----------------------------------------------------------------------------------

class Straight:
    """Rotation, shear and perspective. `scale`: page pixels to a flat pixel."""

    def __init__(self, rng, width, height, scale):
        angle = math.radians(rng.normal(0, 6) if rng.random() < 0.75 else rng.uniform(-60, 60))
        if rng.random() < 0.04:
            angle += math.pi / 2 * rng.choice((-1, 1))
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - (width / 2, height / 2)
        corners *= scale * np.array([1.0, rng.uniform(0.85, 1.15)])
        corners[:, 0] += corners[:, 1] * rng.normal(0, 0.1)
        if rng.random() < 0.5:  # seen from the side or from below
            corners *= 1 + np.array([-1, 1, 1, -1])[:, None] * rng.normal(0, 0.12)
            corners *= 1 + np.array([-1, -1, 1, 1])[:, None] * rng.normal(0, 0.06)
        rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        self.corners = corners @ rotation
        flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        self.matrix = cv2.getPerspectiveTransform(flat, self.corners.astype(np.float32))

    def outline(self):
        return self.corners

    def forward(self, points):
        return cv2.perspectiveTransform(np.asarray(points, np.float64)[None], self.matrix)[0]

    def word_polygon(self, left, top, right, bottom):
        return self.forward([(left, top), (right, top), (right, bottom), (left, bottom)])

    def draw(self, plane, offset, size):
        shift = np.array([[1, 0, offset[0]], [0, 1, offset[1]], [0, 0, 1]], np.float64)
        return cv2.warpPerspective(plane, shift @ self.matrix, size, flags=cv2.INTER_LINEAR)


class Arc:
    """A line bent along a circle, over or under it, turned by some angle."""

    def __init__(self, rng, width, height, scale):
        self.middle = np.array([width / 2, height / 2])
        self.scale = scale
        total = rng.uniform(0.5, 3.4) if rng.random() < 0.8 else rng.uniform(3.4, 5.5)  # radians
        self.radius = max(width * scale / total, 0.75 * height * scale)
        self.hollow = rng.random() < 0.35  # text runs along the lower half: like a smile
        self.angle = rng.normal(0, 0.25)
        self.size = np.array([width, height], np.float64)

    def forward(self, points):
        along, up = ((np.asarray(points, np.float64) - self.middle) * self.scale * (1, -1)).T
        bend = -1 if self.hollow else 1
        theta = along / self.radius
        radius = self.radius + bend * up
        x, y = radius * np.sin(theta), bend * (self.radius - radius * np.cos(theta))
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)

    def backward(self, points):
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x = points[..., 0] * cosine + points[..., 1] * sine
        y = -points[..., 0] * sine + points[..., 1] * cosine
        bend = -1 if self.hollow else 1
        height = self.radius - bend * y
        theta = np.arctan2(x, height)
        up = bend * (np.hypot(x, height) - self.radius)
        return np.stack([theta * self.radius, -up], -1) / self.scale + self.middle

    def border(self, left, top, right, bottom):
        steps = int(min(10, max(2, math.ceil((right - left) * self.scale / self.radius / 0.2) + 1)))
        x = np.linspace(left, right, steps)
        return np.concatenate([np.stack([x, np.full(steps, top)], 1), np.stack([x[::-1], np.full(steps, bottom)], 1)])

    def outline(self):
        return self.forward(self.border(0, 0, *self.size))

    def word_polygon(self, left, top, right, bottom):
        return self.forward(self.border(left, top, right, bottom))

    def draw(self, plane, offset, size):
        columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        flat = self.backward(np.stack([columns - offset[0] + 0.5, rows - offset[1] + 0.5], -1)) - 0.5
        flat = flat.astype(np.float32)
        return cv2.remap(plane, flat[..., 0], flat[..., 1], cv2.INTER_LINEAR)


# --- pages -----------------------------------------------------------------------------------------------------------

def luminance(colour):
    return float(np.dot(colour, (0.299, 0.587, 0.114)))


def contrasting(rng, against, least):
    """A colour whose luminance differs from `against` by at least `least`, if the dice allow."""
    for _ in range(12):
        colour = COLOURS[rng.integers(len(COLOURS))] if rng.random() < 0.6 else rng.uniform(0, 255, 3)
        colour = np.clip(colour + rng.normal(0, 12, 3), 0, 255)
        if abs(luminance(colour) - luminance(against)) >= least:
            return colour
    return np.full(3, 255.0 if luminance(against) < 128 else 0.0)


def slow_light(rng, height, width):
    """Uneven light: a smooth field around 1."""
    field = rng.uniform(0.75, 1.2, (3, 3)).astype(np.float32)
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]


def blend(target, colour, alpha):
    target += (colour - target) * alpha[..., None]


class SyntheticPages:
    """Draws pages and hands each out a few times. One object a worker process."""

    page_uses = 4  # crops cut from a page before it is replaced, on average
    pages_kept = 12

    def __init__(self, assets, photographs=(), store=None):
        self.assets = assets
        self.photographs = photographs
        self.store = store
        self.seen_words = [word.text for photo in photographs for word in photo.words if word.text]
        self.kept = []

    def draw(self, rng):
        """An RGB page (uint8) and its words: what data.CropMaker takes as a photograph."""
        if len(self.kept) < self.pages_kept or rng.random() < 1 / self.page_uses:
            page = self.new_page(rng)
            if len(self.kept) < self.pages_kept:
                self.kept.append(page)
            else:
                self.kept[rng.integers(self.pages_kept)] = page
            return page
        return self.kept[rng.integers(len(self.kept))]

    def new_page(self, rng):
        page, words = self.background(rng)
        taken = np.zeros((PAGE // 4, PAGE // 4), np.uint8)
        for word in words:
            cv2.fillPoly(taken, [np.round(word.polygon / 4).astype(np.int32)], 1)
        for _ in range(rng.integers(*BLOCKS)):
            words += self.add_block(rng, page, taken)
        return degrade(rng, page), words

    # backgrounds

    def background(self, rng):
        draw = rng.random()
        if self.photographs and draw < 0.35:
            return self.photograph_with_words(rng)
        if self.assets.backgrounds and draw < 0.8:
            path = self.assets.backgrounds[rng.integers(len(self.assets.backgrounds))]
            return random_cut(rng, load_background(path)), []
        return plain(rng), []

    def photograph_with_words(self, rng):
        """A training photograph with its own words; new ones are added around them."""
        number = int(rng.integers(len(self.photographs)))
        photo = self.photographs[number]
        scale = max(PAGE / photo.width, PAGE / photo.height) * rng.uniform(1, 1.3)
        width, height = math.ceil(photo.width * scale), math.ceil(photo.height * scale)
        left, top = rng.integers(0, width - PAGE + 1), rng.integers(0, height - PAGE + 1)
        image = cv2.resize(self.store.image(number), (width, height), interpolation=cv2.INTER_LINEAR)
        words = []
        for word in photo.words:
            polygon = word.polygon * (width / photo.width, height / photo.height) - (left, top)
            if (polygon.max(0) > 0).all() and (polygon.min(0) < PAGE).all():
                words.append(Word(polygon, word.text, word.case_unknown))
        return image[top:top + PAGE, left:left + PAGE].astype(np.float32), words

    # blocks

    def lines(self, rng, bent):
        style = rng.choice(('upper', 'title', 'lower', 'mixed'), p=(0.4, 0.27, 0.23, 0.1))
        count = 1 if bent or rng.random() < 0.6 else int(rng.integers(2, 5))
        most = 4 if count > 1 or bent else 5
        return [[in_case(rng, self.word(rng), style) for _ in range(rng.integers(1, most))] for _ in range(count)]

    def word(self, rng):
        """From the word list and the generators, or a word that some training photograph shows."""
        if self.seen_words and rng.random() < 0.3:
            return self.seen_words[rng.integers(len(self.seen_words))]
        return random_word(rng, self.assets.words)

    def add_block(self, rng, page, taken):
        bent = rng.random() < 0.25
        height = math.exp(rng.uniform(*np.log(HEIGHTS)))
        size = int(min(96, max(16, height * 1.3)))
        font, capitals = self.assets.fonts[rng.integers(len(self.assets.fonts))]
        lines = self.lines(rng, bent)
        if capitals:
            lines = [[word.upper() for word in line] for line in lines]
        block = set_block(rng, font, lines, size)
        if block is None:
            return []
        rows, columns = block.ink.shape
        scale = min(height / size, 0.9 * PAGE / columns)
        placed = (Arc if bent else Straight)(rng, columns, rows, scale)
        where = self.find_place(rng, taken, placed.outline())
        if where is None:
            return []
        self.paint(rng, page, block, placed, where, rng.random() < 0.3)
        return self.page_words(block, self.word_polygons(rng, block, placed), where)

    def word_polygons(self, rng, block, placed):
        polygons = []
        for left, top, right, bottom, *_ in block.words:
            grow = rng.uniform(0, 0.06) * (bottom - top)  # annotators leave a little room
            polygons.append(placed.word_polygon(left - grow, top - grow, right + grow, bottom + grow))
        return polygons

    def page_words(self, block, polygons, where):
        return [page_word(polygon + where, text, borders)
                for polygon, (*_, text, borders) in zip(polygons, block.words)]

    def find_place(self, rng, taken, outline):
        low, high = outline.min(0), outline.max(0)
        if ((high - low) > PAGE).any():
            return None
        for _ in range(8):
            where = rng.uniform(-low, PAGE - high)
            left, top = np.maximum(((outline + where).min(0) / 4).astype(int) - 1, 0)
            right, bottom = ((outline + where).max(0) / 4).astype(int) + 2
            mask = np.zeros(taken[top:bottom, left:right].shape, np.uint8)
            cv2.fillPoly(mask, [np.round((outline + where) / 4 - (left, top)).astype(np.int32)], 1)
            if not (taken[top:bottom, left:right] & mask).any():
                taken[top:bottom, left:right] |= mask
                return where
        return None

    def paint(self, rng, page, block, placed, where, on_plate):
        low = np.floor(placed.outline().min(0) + where).astype(int) - 3
        high = np.ceil(placed.outline().max(0) + where).astype(int) + 4
        (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(high, PAGE)
        target = page[top:bottom, left:right]
        size = (right - left, bottom - top)
        offset = where - (left, top)

        softness = rng.uniform(0.3, 1.2) if rng.random() < 0.4 else 0

        def on_page(plane):
            drawn = placed.draw(plane, offset, size).astype(np.float32) / 255
            return cv2.GaussianBlur(drawn, (0, 0), softness) if softness else drawn

        opacity = rng.uniform(0.75, 1.0)
        ground = target.mean((0, 1))
        if on_plate:
            ground = contrasting(rng, ground, 20)
            plate = on_page(np.full_like(block.ink, 255))
            blend(target, ground * slow_light(rng, *target.shape[:2]), plate * rng.uniform(0.7, 1))
        least = rng.uniform(25, 60) if rng.random() < 0.25 else 80
        colour = contrasting(rng, ground, least)
        ink = on_page(block.ink)
        if rng.random() < 0.18:
            distance = rng.uniform(-0.08, 0.08, 2) * block.line_height
            moved = cv2.warpAffine(ink, np.array([[1, 0, distance[0]], [0, 1, distance[1]]]), size)
            blend(target, contrasting(rng, colour, 60), cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.5, 3)) * 0.7)
        if block.outline is not None:
            blend(target, contrasting(rng, colour, 60), on_page(block.outline) * opacity)
        blend(target, colour * slow_light(rng, *target.shape[:2]), ink * opacity)


def page_word(polygon, text, borders):
    return Word(polygon, text if short_side(polygon) >= MIN_WORD else None, borders=borders)


@functools.lru_cache(maxsize=12)
def load_background(path):
    return np.asarray(Image.open(path).convert('RGB'))


def random_cut(rng, image):
    height, width = image.shape[:2]
    side = int(min(height, width) * rng.uniform(0.5, 1))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    cut = cv2.resize(image[top:top + side, left:left + side], (PAGE, PAGE), interpolation=cv2.INTER_LINEAR)
    return (cut[:, ::-1] if rng.random() < 0.5 else cut).astype(np.float32)


def plain(rng):
    """A wall, a sheet, a screen: one or two colours, uneven light, grain, sometimes ruled lines."""
    page = np.empty((PAGE, PAGE, 3), np.float32)
    page[:] = contrasting(rng, rng.uniform(0, 255, 3), 0)
    for _ in range(rng.integers(0, 4)):
        corners = rng.uniform(-100, PAGE + 100, (4, 2)).astype(np.int32)
        cv2.fillConvexPoly(page, cv2.convexHull(corners), rng.uniform(0, 255, 3).tolist())
    if rng.random() < 0.3:
        step, tone = int(rng.integers(8, 60)), rng.uniform(0, 255, 3)
        page[::step] = tone
        if rng.random() < 0.5:
            page[:, ::step] = tone
    grain = rng.normal(0, rng.uniform(0, 14), (PAGE // 2, PAGE // 2, 1)).astype(np.float32)
    page += cv2.resize(grain, (PAGE, PAGE))[..., None]
    return page * slow_light(rng, PAGE, PAGE)


def degrade(rng, page):
    """Blur, motion and JPEG, each on some of the pages; uint8."""
    if rng.random() < 0.35:
        page = cv2.GaussianBlur(page, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.1:
        length = int(rng.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, math.pi)
        reach = np.array([math.cos(angle), math.sin(angle)]) * length / 2
        middle = np.full(2, length / 2 - 0.5)
        cv2.line(kernel, tuple(np.round(middle - reach).astype(int).tolist()),
                 tuple(np.round(middle + reach).astype(int).tolist()), 1.0)
        page = cv2.filter2D(page, -1, kernel / kernel.sum())
    image = np.clip(page, 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        quality = int(rng.integers(25, 95))
        image = cv2.imdecode(cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1], cv2.IMREAD_COLOR)
    return image
