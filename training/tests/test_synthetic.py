"""Synthetic text: painted words and their polygons."""
import unittest

import cv2
import numpy as np

import support  # noqa: F401  (training/ on the path)
from panpp_training.synthetic import Arc, Straight


class Synthetic(unittest.TestCase):
    def test_painted_blocks_fill_their_word_polygons(self):
        for kind in (Straight, Arc):
            for seed in range(6):
                placed = kind(np.random.default_rng(seed), 300, 60, 1.0)
                plane = np.zeros((60, 300), np.uint8)
                plane[10:50, 40:260] = 255
                polygon = placed.word_polygon(40, 10, 260, 50)
                offset = np.array([450, 450])
                painted = placed.draw(plane, offset, (900, 900)) > 127
                mask = np.zeros((900, 900), np.uint8)
                cv2.fillPoly(mask, [np.round((polygon + offset) * 16).astype(np.int32)], 1, shift=4)
                shared = (painted & (mask > 0)).sum() / (painted | (mask > 0)).sum()
                self.assertGreater(shared, 0.93, f'{kind.__name__}, seed {seed}')


if __name__ == '__main__':
    unittest.main()
