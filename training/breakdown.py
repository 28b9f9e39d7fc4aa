#!/usr/bin/env python3
"""Prints how many words of a validation part a run finds and reads right, by their size, length and form.

  panpp eval --run --protocol icdar2015-e2e --images IMAGES --gt GT --results RUN
  python3 breakdown.py --benchmark icdar2015 --gt GT --run RUN

A word is found if a region has an IoU above 0.5 with it, counted in pixels; it is right if the texts agree, ignoring case.
"""
import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate import read_words
from panpp_training.geometry import short_side
from panpp_training.measure import SETTINGS, overlap


@dataclass
class Outcome:
    text: str
    size: float  # shorter side, pixels of the photograph
    touched: bool  # by any region
    found: bool = False
    right: bool = False


def outcomes_of(words, regions):
    """One Outcome for each word that counts; first come, first served."""
    polygons = [np.array(region['polygon'], np.float64) for region in regions]
    free = list(range(len(regions)))
    outcomes = []
    for word in words:
        if word.text is None:
            continue
        outcome = Outcome(word.text, short_side(word.polygon), False)
        for k in free[:]:
            one, other, both = overlap(word.polygon, polygons[k])
            outcome.touched |= both > 0
            if both / (one + other - both) > 0.5:
                outcome.found = True
                outcome.right = regions[k].get('text', '').lower() == word.text.lower()
                free.remove(k)
                break
        outcomes.append(outcome)
    return outcomes


def form_of(text):
    if text.isdigit():
        return 'digits'
    if not text.isalpha():
        return 'with signs'
    return 'lower case' if text.islower() else 'capitals' if text.isupper() else 'mixed case'


def range_of(value, bounds):
    for low, high in zip((0, *bounds), (*bounds, None)):
        if high is None or value < high:
            return f'{low} and more' if high is None else f'from {low}, under {high}'


PROPERTIES = {
    'shorter side, pixels': lambda outcome: range_of(outcome.size, (12, 16, 24, 40)),
    'letters': lambda outcome: range_of(len(outcome.text), (4, 8)),
    'form': lambda outcome: form_of(outcome.text),
}


def row(name, level, outcomes):
    found, right = (sum(getattr(outcome, what) for outcome in outcomes) for what in ('found', 'right'))
    return f'| {name} | {level} | {len(outcomes)} | {found} | {right} |'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--benchmark', choices=SETTINGS, required=True)
    parser.add_argument('--gt', type=Path, required=True)
    parser.add_argument('--run', type=Path, required=True)
    arguments = parser.parse_args()
    outcomes = []
    for path in sorted(arguments.gt.iterdir()):
        stored = json.loads((arguments.run / 'detections' / f'{path.stem.removeprefix("gt_")}.json').read_text())
        outcomes += outcomes_of(read_words(arguments.benchmark, path), stored.get('regions', []))
    print('| property | level | words | found | right |\n| --- | --- | --- | --- | --- |')
    print(row('all', '', outcomes))
    for name, level_of in PROPERTIES.items():
        for level in sorted({level_of(outcome) for outcome in outcomes}, key=lambda text: (len(text), text)):
            print(row(name, level, [outcome for outcome in outcomes if level_of(outcome) == level]))
    print(f'touched by no region: {sum(not outcome.touched for outcome in outcomes)}')


if __name__ == '__main__':
    main()
