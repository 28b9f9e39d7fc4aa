"""What several test files share.

The tests have small, hand-computed cases; the comparison with reference data is ../check.py.

  python3 -m unittest discover -s tests                          (from training/)
  python3 -m unittest discover -s tests -p test_losses.py        (one file)

Importing this puts training/ on the path, so a test file imports it before the modules it tests.
"""
import json
import sys
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np
import torch

TRAINING = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TRAINING))

from panpp_training.data import PixelStore, load_photographs  # noqa: E402

torch.set_num_threads(1)
RECTANGLE = [(10, 10), (110, 10), (110, 50), (10, 50)]


def two_photographs(folder):
    """A data folder with two small photographs, written as lossless files."""
    for dataset, text in (('icdar2015', 'Exit'), ('totaltext', 'exit')):
        part = folder / dataset
        (part / 'train').mkdir(parents=True)
        image = np.full((120, 160, 3), 90, np.uint8)
        word = [(30, 40), (110, 40), (110, 80), (30, 80)]
        cv2.fillPoly(image, [np.array(word)], (250, 240, 230))
        cv2.imwrite(str(part / 'train' / 'a.png'), image)
        entry = {'image': 'train/a.png', 'width': 160, 'height': 120,
                 'words': [{'polygon': word, 'text': text},
                           {'polygon': [(5, 5), (25, 5), (25, 15), (5, 15)], 'text': None}]}
        (part / 'train.jsonl').write_text(json.dumps(entry) + '\n')


class TwoPhotographs(unittest.TestCase):
    """A test case with the folder of two_photographs, and its pixels stored."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = Path(self.temporary.name)
        two_photographs(self.folder)
        self.photographs, held_out = load_photographs(self.folder)
        self.assertEqual((len(self.photographs), len(held_out)), (2, 0))
        self.store = PixelStore(self.photographs, self.folder, 1)
