#!/usr/bin/env python3
"""Runs a PyTorch model over a validation part and writes results in the benchmark's own form.

  python3 evaluate.py CHECKPOINT --data DIR --benchmark icdar2015 --out RESULTS
  python3 evaluate.py CHECKPOINT --data DIR --held-out 50

RESULTS then holds res_img_N.txt (ICDAR 2015: x,y,... a line) or N.txt (Total-Text: y,x,... a line), which the
official protocols in `panpp eval` score; a quick one-to-one F is printed here. Figures of the product itself come from
`panpp convert` and `panpp eval --run`, which use the engine and not this file. The second form writes nothing and
prints the quick F on training photographs that train.py keeps out: what to watch and to choose by, since the validation
parts are for measuring only.
"""
import argparse
from pathlib import Path

import numpy as np
import torch

from panpp_training.data import load_photographs, read_rgb
from panpp_training.geometry import Word
from panpp_training.measure import SETTINGS, detect, f_measure, match, print_held_out
from panpp_training.model import PanPP
from panpp_training.recognition import CHARACTER_SETS, Vocabulary
from panpp_training.weights import load_weights


def load_model(path, device):
    """A model in eval mode, with a recognition head if the checkpoint has one."""
    weights = load_weights(path)
    embedding = weights.get('rec_head.decoder.emb.weight')
    vocabularies = [Vocabulary(name) for name in CHARACTER_SETS]
    vocabulary = next((v for v in vocabularies if embedding is not None and v.size == len(embedding)), None)
    model = PanPP(18, vocabulary)
    model.load_state_dict(weights)
    return model.eval().to(device)


def read_words(benchmark, path):
    """Words of a ground-truth file."""
    words = []
    for line in path.read_text(encoding='utf-8-sig').replace('\r', '').split('\n'):
        if not line:
            continue
        if benchmark == 'icdar2015':
            fields = line.split(',')
            numbers, text = fields[:8], ','.join(fields[8:])
        else:
            numbers, _, text = line.partition(',####')
            numbers = numbers.split(',')
        polygon = np.array(numbers, np.float64).reshape(-1, 2)
        words.append(Word(polygon, None if text == '###' else text))
    return words


def result_line(benchmark, polygon, word):
    points = polygon if benchmark == 'icdar2015' else polygon[:, ::-1]
    return ','.join(map(str, points.ravel().tolist())) + (f',{word}' if word is not None else '')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--benchmark', choices=SETTINGS)
    parser.add_argument('--out', type=Path)
    parser.add_argument('--held-out', type=int, help='photographs of each data set')
    parser.add_argument('--words', action='store_true', help='append the recognised word to each line')
    parser.add_argument('--precision', choices=('float32', 'bfloat16'), default='float32', help='of the network')
    parser.add_argument('--limit', type=int, default=10 ** 6, help='images, for a quick look')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments = parser.parse_args()
    model = load_model(arguments.checkpoint, arguments.device)
    low_precision = torch.autocast(torch.device(arguments.device).type, torch.bfloat16,
                                   enabled=arguments.precision == 'bfloat16')
    if arguments.held_out:
        with low_precision:
            print_held_out(model, load_photographs(arguments.data)[1], arguments.held_out, arguments.device)
        return
    if not arguments.benchmark or not arguments.out:
        parser.error('either --held-out, or --benchmark and --out')
    if arguments.words and model.rec_head is None:
        raise SystemExit(f'{arguments.checkpoint} has no recognition head: leave --words out')
    part = arguments.data / arguments.benchmark / 'validation'
    arguments.out.mkdir(parents=True, exist_ok=True)
    counts = np.zeros(3, int)
    images = sorted((part / 'images').iterdir())[:arguments.limit]
    for image_path in images:
        with low_precision:
            found = detect(model, read_rgb(image_path), SETTINGS[arguments.benchmark], arguments.device)
        lines = [result_line(arguments.benchmark, polygon, word if arguments.words else None)
                 for polygon, _, word, _ in found]
        prefix, truth = ('res_', 'gt_') if arguments.benchmark == 'icdar2015' else ('', '')
        (arguments.out / f'{prefix}{image_path.stem}.txt').write_text(''.join(f'{line}\n' for line in lines))
        words = read_words(arguments.benchmark, part / 'gt' / f'{truth}{image_path.stem}.txt')
        counts += match([polygon.astype(np.float64) for polygon, *_ in found], words)
    precision, recall, f = f_measure(counts)
    print(f'{arguments.benchmark}: {len(images)} images, {counts[0]} of {counts[2]} words found, '
          f'{counts[1]} detections; one-to-one, by pixels: P {precision:.1%}  R {recall:.1%}  F {f:.1%}')


if __name__ == '__main__':
    main()
