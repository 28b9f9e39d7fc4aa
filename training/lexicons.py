#!/usr/bin/env python3
"""Writes a lexicon for each image of a validation part, as ICDAR 2015 describes its strong ones.

  python3 lexicons.py --data DATA --benchmark icdar2015 --out LEXICONS

LEXICONS then holds voc_NAME.txt for `panpp eval --lexicon`: 100 words, those of the image and others drawn from the
other images' words, all of three characters and more. The benchmark's own lexicons come with its test set; they have
other distractors, so figures with these are not directly comparable with published ones.
"""
import argparse
import random
from pathlib import Path

from evaluate import read_words
from panpp_training.measure import SETTINGS

SIZE = 100
LEAST_LENGTH = 3


def lexicon(own, others, seed):
    """`own` words first, then others in random order, up to SIZE; none twice, ignoring case."""
    drawn = random.Random(seed).sample(sorted(others), len(others))
    distinct = {}
    for word in [*own, *drawn]:
        distinct.setdefault(word.lower(), word)
    return list(distinct.values())[:max(SIZE, len({word.lower() for word in own}))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--benchmark', choices=SETTINGS, required=True)
    parser.add_argument('--out', type=Path, required=True)
    arguments = parser.parse_args()
    part = arguments.data / arguments.benchmark / 'validation'
    words = {}
    for path in sorted((part / 'gt').iterdir()):
        name = path.stem.removeprefix('gt_')
        words[name] = [word.text for word in read_words(arguments.benchmark, path)
                       if word.text is not None and len(word.text) >= LEAST_LENGTH]
    everything = {word for own in words.values() for word in own}
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, own in words.items():
        text = ''.join(f'{word}\n' for word in lexicon(own, everything, name))
        (arguments.out / f'voc_{name}.txt').write_text(text, encoding='utf-8')
    print(f'{len(words)} lexicons in {arguments.out}')


if __name__ == '__main__':
    main()
