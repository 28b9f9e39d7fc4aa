#!/usr/bin/env python3
"""Draws pages on which one property of the words is varied, to see where a model begins to fail.

  python3 limits.py --assets ASSETS/made --out LIMITS
  panpp eval --run --protocol icdar2015-e2e --images LIMITS/images --gt LIMITS/gt --results LIMITS/run
  python3 limits.py --out LIMITS --score panpp
  panpp spot LIMITS/sheet.png --min-score 0.8

The first command writes a page for each level of each property, 24 words in 12 fonts, with ground truth in ICDAR 2015's
form, and sheet.png: one word at all levels, a row a property. Pages have the same words, unless length or form is varied.
The third prints, a row a level, how many words are found and how many are right, by panpp's own scoring of the run (PANPP
is the command: `panpp`, or `node dist/cli.js`). A run with --no-rectify needs a folder of its own, which --run names. That scoring ignores case, and punctuation at the ends of a word. LIMITS
must be new: a run keeps its results though the pages change.
"""
import argparse
import json
import math
import shlex
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1280, 720
WORDS = 24  # a page
FONTS = 12
DRAWN = 96  # font size at which words are drawn before they are bent and scaled
BACKGROUND = 215
SEED = 7


@dataclass(frozen=True)
class Style:
    height: float = 24  # of the word's ink, pixels
    turn: float = 0  # degrees, counterclockwise
    bend: float = 0  # degrees of the arc that the word lies on
    blur: float = 0  # sigma, pixels
    contrast: float = 160  # difference of grey values
    length: tuple = (4, 8)  # letters
    form: str = 'lower'


LEVELS = {
    'height': (8, 12, 16, 24, 32, 44),
    'turn': (0, 15, 30, 45, 60, 90),
    'bend': (0, 45, 90, 135, 180),
    'blur': (0, 1, 2, 3, 4),
    'contrast': (160, 80, 40, 20, 10),
    'length': ((1, 2), (3, 4), (5, 7), (8, 10), (11, 14)),
    'form': ('lower', 'Title', 'CAPITALS', 'digits', 'signs'),
}


# --- words -----------------------------------------------------------------------------------------------------------

def text_of(rng, style, words):
    low, high = style.length
    if style.form == 'digits':
        return ''.join(rng.choice(list('0123456789'), rng.integers(2, 6)))
    word = str(rng.choice([word for word in words if low <= len(word) <= high]))
    if style.form == 'signs':
        return str(rng.choice([f'{word}!', f'"{word}"', f'({word})', f'{word}?', f'{word}.']))
    return {'lower': word, 'Title': word.title(), 'CAPITALS': word.upper()}[style.form]


def ink_of(text, font):
    """Opacities of a word, float32 H x W, cut to its ink."""
    left, top, right, bottom = font.getbbox(text)
    image = Image.new('L', (right - left + 8, bottom - top + 8))
    ImageDraw.Draw(image).text((4 - left, 4 - top), text, font=font, fill=255)
    return cut(np.asarray(image, np.float32) / 255)


def cut(ink):
    ys, xs = np.nonzero(ink > 0.05)
    return ink[ys.min():ys.max() + 1, xs.min():xs.max() + 1]


def bent(ink, degrees):
    """The word on an arc, its middle upright."""
    if degrees == 0:
        return ink
    height, width = ink.shape
    angle = math.radians(degrees)
    radius = width / angle  # of the word's base line
    outer = radius + height
    half = min(angle / 2, math.pi / 2)
    columns = np.arange(-math.ceil(outer * math.sin(half)), math.ceil(outer * math.sin(half)) + 1)
    rows = np.arange(0, math.ceil(outer - radius * math.cos(angle / 2)) + 1)
    x, y = np.meshgrid(columns, outer - rows)
    theta, distance = np.arctan2(x, y), np.hypot(x, y)
    return cut(cv2.remap(ink, (width / 2 + theta * radius).astype(np.float32),
                         (outer - distance).astype(np.float32), cv2.INTER_LINEAR))


def placed(ink, style):
    """(opacities, quadrilateral) of the word as it stands on the page; both have the same origin.

    A bent word is as high as its letters are asked to be, not as its arc is.
    """
    letters = ink.shape[0]
    scale = style.height / letters
    ink = bent(ink, style.bend)
    height, width = ink.shape[0] * scale, ink.shape[1] * scale
    angle = math.radians(style.turn)
    reach_x = abs(width * math.cos(angle)) + abs(height * math.sin(angle))
    reach_y = abs(width * math.sin(angle)) + abs(height * math.cos(angle))
    margin = 3 + 3 * style.blur
    size = math.ceil(reach_x + 2 * margin), math.ceil(reach_y + 2 * margin)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = np.hstack([turn * scale, (np.array(size) / 2 - turn @ np.array([width, height]) / 2)[:, None]])
    smooth = cv2.GaussianBlur(ink, (0, 0), 0.4 / scale) if scale < 0.8 else ink  # the letters are drawn larger
    shown = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_LINEAR)
    if style.blur:
        shown = cv2.GaussianBlur(shown, (0, 0), style.blur)
    corners = np.array([[0, 0], [ink.shape[1], 0], ink.shape[::-1], [0, ink.shape[0]]], np.float64)
    return shown, corners @ matrix[:, :2].T + matrix[:, 2]


# --- pages -----------------------------------------------------------------------------------------------------------

class Page:
    def __init__(self, rng):
        light = cv2.resize(rng.normal(0, 12, (5, 8)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self.grey = BACKGROUND + light
        self.rng = rng
        self.lines = []

    def put(self, text, font, style, centre):
        shown, corners = placed(ink_of(text, font), style)
        left, top = (np.array(centre) - np.array(shown.shape[::-1]) / 2).astype(int)
        low, high = max(left, 0), max(top, 0)
        part = shown[high - top:HEIGHT - top, low - left:WIDTH - left]
        self.grey[high:high + part.shape[0], low:low + part.shape[1]] -= style.contrast * part
        points = np.round(corners + (left, top)).astype(int)
        self.lines.append(','.join(map(str, points.ravel())) + f',{text}\n')

    def image(self):
        noisy = self.grey + self.rng.normal(0, 2, self.grey.shape)
        return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).convert('RGB')


def fonts_of(assets):
    """Fonts with lower case, evenly taken from all."""
    listed = [font for font in json.loads((assets / 'fonts.json').read_text()) if not font['capitals']]
    chosen = [listed[int(k)] for k in np.linspace(0, len(listed) - 1, FONTS)]
    return [ImageFont.truetype(str(assets / 'fonts' / font['file']), DRAWN) for font in chosen]


def write_pages(assets, out):
    words = [word.lower() for word in (assets / 'words.txt').read_text(encoding='utf-8').split()
             if word.isascii() and word.isalpha()]
    fonts = fonts_of(assets)
    for name in ('images', 'gt'):
        (out / name).mkdir(parents=True)
    levels = [(name, level) for name, values in LEVELS.items() for level in values]
    for number, (name, level) in enumerate(levels, 1):
        rng = np.random.default_rng(SEED)  # the same words and light on all pages, but for length and form
        style = replace(Style(), **{name: level})
        page = Page(rng)
        columns = 6 if name == 'turn' else 4
        for place in range(WORDS):
            centre = (WIDTH * (place % columns + 0.5) / columns,
                      HEIGHT * (place // columns + 0.5) / (WORDS / columns))
            page.put(text_of(rng, style, words), fonts[place % FONTS], style, centre)
        page.image().save(out / 'images' / f'img_{number}.png')
        (out / 'gt' / f'gt_img_{number}.txt').write_text(''.join(page.lines))
    (out / 'levels.json').write_text(json.dumps(levels))
    sheet = Page(np.random.default_rng(SEED))
    texts = {'height': ('road',) * 6, 'turn': ('road',) * 6,
             'length': ('of', 'road', 'harbour', 'workshop', 'marketplaces'),
             'form': ('harbour', 'Harbour', 'HARBOUR', '1902', '(harbour)')}
    for row, (name, values) in enumerate(LEVELS.items()):
        for column, level in enumerate(values):
            centre = WIDTH * (column + 0.5) / len(values), HEIGHT * (row + 0.5) / len(LEVELS)
            text = texts.get(name, ('harbour',) * len(values))[column]
            sheet.put(text, fonts[FONTS // 2], replace(Style(), **{name: level}), centre)
    sheet.image().save(out / 'sheet.png')
    print(f'{len(levels)} pages in {out}')


# --- figures ---------------------------------------------------------------------------------------------------------

def per_image(panpp, out, run, protocol):
    """{number: (pairs, words)} by panpp's scoring."""
    command = [*shlex.split(panpp), 'eval', '--protocol', protocol, '--gt', str(out / 'gt'), '--results',
               str(run), '--json', '--per-image']
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {int(row['image']): (sum(pair['correct'] for pair in row['pairs']), row['gt']) for row in report['perImage']}


def print_figures(panpp, out, run):
    levels = json.loads((out / 'levels.json').read_text())
    found, right = (per_image(panpp, out, run, protocol) for protocol in ('icdar2015', 'icdar2015-e2e'))
    print('| property | level | words | found | right |\n| --- | --- | --- | --- | --- |')
    for number, (name, level) in enumerate(levels, 1):
        shown = '-'.join(map(str, level)) if isinstance(level, list) else level
        print(f'| {name} | {shown} | {found[number][1]} | {found[number][0]} | {right[number][0]} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--assets', type=Path, help='what prepare_assets.py made')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--score', metavar='PANPP', help='print the figures of a run')
    parser.add_argument('--run', type=Path, help='the run to score; default: OUT/run')
    arguments = parser.parse_args()
    if arguments.score:
        print_figures(arguments.score, arguments.out, arguments.run or arguments.out / 'run')
    elif arguments.assets:
        write_pages(arguments.assets, arguments.out)
    else:
        parser.error('either --assets or --score')


if __name__ == '__main__':
    main()
