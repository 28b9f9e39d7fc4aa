#!/usr/bin/env python3
"""Writes a trained model's averaged weights as a .pth.tar that `panpp convert` reads.

  python3 export.py RUN/state.pt OUT.pth.tar [--half]

Works on a run that is still going on or was cut off. --half halves the file; `panpp convert` widens it, but then folds
batch norms that are rounded, and `panpp convert --half` rounds again: for weights that ship leave it out here.
"""
import argparse
from pathlib import Path

import torch

from panpp_training.weights import load_weights, save_checkpoint


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('state', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--half', action='store_true')
    arguments = parser.parse_args()
    weights = load_weights(arguments.state)
    step = torch.load(arguments.state, map_location='cpu').get('step', 0)
    save_checkpoint(arguments.out, weights, step, arguments.half)
    print(f'{arguments.out}: {len(weights)} tensors, {arguments.out.stat().st_size / 1e6:.1f} MB, step {step}')


if __name__ == '__main__':
    main()
