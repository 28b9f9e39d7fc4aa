"""Packing words densely, and words cut from photographs."""
import unittest

import numpy as np

import support  # noqa: F401  (training/ on the path)
from panpp_training.dense import find_room, in_cut
from panpp_training.geometry import Word


class Packing(unittest.TestCase):
    def test_shapes_are_packed_without_overlap_until_there_is_no_room(self):
        rng = np.random.default_rng(0)
        taken, total = np.zeros((20, 30), np.uint8), 0
        shape = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], np.uint8)
        while (place := find_room(rng, taken, shape)) is not None:
            total += shape.sum()
            self.assertEqual(taken.sum(), total)
        self.assertGreater(total, 0.6 * taken.size)
        self.assertIsNone(find_room(rng, taken, np.ones((21, 1), np.uint8)))

    def test_a_word_of_a_cut_is_whole_or_does_not_count(self):
        word = Word(np.array([(10.0, 10), (30, 10), (30, 20), (10, 20)]), 'ab', True)
        low, high = np.array([5, 5]), np.array([40, 30])
        (polygon, text), = in_cut(word, low, high)
        self.assertEqual((polygon.tolist(), text), ([[5, 5], [25, 5], [25, 15], [5, 15]], 'ab'))
        (polygon, text), = in_cut(word, low, np.array([20, 30]))
        self.assertEqual((polygon.max(0).tolist(), text), ([15, 15], None))
        self.assertEqual(in_cut(word, np.array([31, 0]), high), [])


if __name__ == '__main__':
    unittest.main()
