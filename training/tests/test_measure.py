"""Matching what is found with what is annotated."""
import unittest

import numpy as np

import support  # noqa: F401  (training/ on the path)
from panpp_training.geometry import Word
from panpp_training.measure import match


class Measuring(unittest.TestCase):
    def test_match(self):
        def square(x, y, side=10):
            return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], np.float64)

        words = [Word(square(0, 0), 'a'), Word(square(50, 0), None), Word(square(100, 0), 'b')]
        found = [square(1, 0), square(51, 1), square(200, 0)]
        # one pair; the second lies on a don't-care; the third is a false alarm; 'b' is missed
        self.assertEqual(match(found, words).tolist(), [1, 2, 2])
        self.assertEqual(match(found, words, ['A', 'x', 'b']).tolist(), [1, 2, 2])
        self.assertEqual(match(found, words, ['b', 'x', 'a']).tolist(), [0, 2, 2])


if __name__ == '__main__':
    unittest.main()
