#!/usr/bin/env python3
"""Makes the synthetic generator's assets from unpacked packages: fonts, backgrounds, a word list.

  python3 prepare_assets.py --packages DIR --out DIR

DIR is what fetch_assets.sh made (any folder with font files, photographs and /usr/share/dict lists will do). Fonts that
cannot draw every printable ASCII character, or whose letters do not look like letters (symbols, bar codes), are left
out; photographs are brought to 1024 pixels. The result can be read as it is or packed (pack_data.py).
"""
import argparse
import hashlib
import json
import shutil
import string
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

PRINTABLE = string.digits + string.ascii_letters + string.punctuation
GLYPHS = string.digits + string.ascii_letters
GLYPH_SIDE = 20
LARGEST_FONT = 180_000  # bytes
FONTS_A_FAMILY = 6
TELLING = 'abdeghnqr'  # letters whose capital has another form
CAPITALS_LIKENESS = 0.58
LEAST_LIKENESS = 0.45  # correlation with the average letter form
BACKGROUND_SIDE = 1024
SMALLEST_BACKGROUND = 700
LEAST_DETAIL = 6.0  # standard deviation of the grey levels: flat colours are made, not packed


def glyph_images(path):
    """Every letter and digit as a GLYPH_SIDE square, or None if the font lacks a character."""
    try:
        font = ImageFont.truetype(str(path), 40, layout_engine=ImageFont.Layout.BASIC)
        missing = font.getmask('\ufffe').getbbox(), bytes(font.getmask('\ufffe'))
        images = []
        for character in PRINTABLE:
            mask = font.getmask(character)
            if mask.getbbox() is None or (mask.getbbox(), bytes(mask)) == missing:
                return None
            if character in GLYPHS:
                image = Image.frombytes('L', mask.size, bytes(mask)).crop(mask.getbbox())
                images.append(np.asarray(image.resize((GLYPH_SIDE, GLYPH_SIDE), Image.BILINEAR), np.float32).ravel())
    except (OSError, ValueError):
        return None
    glyphs = np.stack(images)
    glyphs -= glyphs.mean(1, keepdims=True)
    return glyphs / (np.linalg.norm(glyphs, axis=1, keepdims=True) + 1e-6)


def has_only_capitals(glyphs):
    """Whether small letters look like capitals: such a font's words count as written in capitals."""
    pairs = [float(glyphs[GLYPHS.index(c)] @ glyphs[GLYPHS.index(c.upper())]) for c in TELLING]
    return float(np.mean(pairs)) > CAPITALS_LIKENESS


def choose_fonts(root):
    """[(file, whether it has only capitals)] of font files that draw all characters and look like letters.

    At most FONTS_A_FAMILY of one name are taken.
    """
    seen, families, candidates = set(), {}, []
    for path in sorted(p for p in root.rglob('*') if p.suffix.lower() in ('.ttf', '.otf')):
        if not path.is_file() or path.stat().st_size > LARGEST_FONT:
            continue
        digest = hashlib.sha256(path.read_bytes()).digest()
        family = path.stem.split('-')[0].rstrip(string.digits)
        if digest in seen or families.get(family, 0) >= FONTS_A_FAMILY:
            continue
        glyphs = glyph_images(path)
        if glyphs is not None:
            seen.add(digest)
            families[family] = families.get(family, 0) + 1
            candidates.append((path, glyphs))
    average = np.median(np.stack([glyphs for _, glyphs in candidates]), axis=0)
    average /= np.linalg.norm(average, axis=1, keepdims=True) + 1e-6
    return [(path, has_only_capitals(glyphs)) for path, glyphs in candidates
            if float((glyphs * average).sum(1).mean()) >= LEAST_LIKENESS]


def write_backgrounds(root, out):
    out.mkdir(parents=True, exist_ok=True)
    seen, count = set(), 0
    for path in sorted(p for p in root.rglob('*') if p.suffix.lower() in ('.jpg', '.jpeg', '.png', '.webp')):
        if not path.is_file():
            continue
        try:
            image = Image.open(path)
            if min(image.size) < SMALLEST_BACKGROUND:
                continue
            image = image.convert('RGB')
        except (OSError, ValueError):
            continue
        image.thumbnail((BACKGROUND_SIDE * 2, BACKGROUND_SIDE))
        small = np.asarray(image.convert('L').resize((8, 8), Image.BOX))
        if small.tobytes() in seen or np.asarray(image.convert('L')).std() < LEAST_DETAIL:
            continue
        seen.add(small.tobytes())
        image.save(out / f'{count:03d}.webp', quality=72)
        count += 1
    return count


def write_words(root, out):
    words = set()
    for path in sorted(root.glob('usr/share/dict/*')):
        if path.is_file():
            words.update(path.read_text(encoding='utf-8', errors='ignore').split())
    kept = sorted(w for w in words if w.isascii() and w.isalpha() and 2 <= len(w) <= 14)
    out.write_text('\n'.join(kept) + '\n')
    return len(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--packages', type=Path, required=True)
    parser.add_argument('--out', type=Path, required=True)
    arguments = parser.parse_args()
    root = arguments.packages / 'root' if (arguments.packages / 'root').is_dir() else arguments.packages
    fonts = arguments.out / 'fonts'
    fonts.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, (path, capitals) in enumerate(choose_fonts(root)):
        listed.append({'file': f'{number:03d}-{path.name}', 'capitals': capitals})
        shutil.copyfile(path, fonts / listed[-1]['file'])
    (arguments.out / 'fonts.json').write_text(json.dumps(listed, indent=0))
    backgrounds = write_backgrounds(root, arguments.out / 'backgrounds')
    words = write_words(root, arguments.out / 'words.txt')
    print(f'{len(listed)} fonts, {backgrounds} backgrounds, {words} words')


if __name__ == '__main__':
    main()
