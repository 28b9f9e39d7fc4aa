"""Shrinking polygons, and the label maps drawn of them."""
import unittest

import numpy as np

from support import RECTANGLE
from panpp_training.labels import draw_labels, kernel_polygon, shrink_offset, tight_boxes
from panpp_training.shrink import shrink


def points(polygon):
    return {tuple(map(int, point)) for point in polygon}


class Shrinking(unittest.TestCase):
    def test_a_rectangle_moves_in_by_the_offset(self):
        for polygon in (RECTANGLE, RECTANGLE[::-1]):
            pieces = shrink(polygon, 7)
            self.assertEqual([points(piece) for piece in pieces], [{(17, 17), (103, 17), (103, 43), (17, 43)}])

    def test_nothing_is_left_of_a_thin_one(self):
        self.assertEqual(shrink(RECTANGLE, 20), [])
        self.assertEqual(shrink([(0, 0), (5, 5)], 1), [])

    def test_a_dumbbell_falls_in_two_the_lower_first(self):
        dumbbell = [(0, 0), (40, 0), (40, 18), (80, 18), (80, 10), (120, 10), (120, 50), (80, 50), (80, 22), (40, 22),
                    (40, 40), (0, 40)]
        pieces = shrink(dumbbell, 6)
        self.assertEqual(len(pieces), 2)
        self.assertEqual(int(pieces[0][:, 1].max()), 44)
        self.assertEqual(int(pieces[1][:, 1].max()), 34)

    def test_offset_and_kernel(self):
        # area 4000, perimeter 280: 4000 * 0.75 / 280 = 10.7
        self.assertEqual(shrink_offset(RECTANGLE), 11)
        self.assertEqual(points(kernel_polygon(RECTANGLE)), {(21, 21), (99, 21), (99, 39), (21, 39)})
        self.assertEqual(shrink_offset([(0, 0), (1000, 0), (1000, 1000), (0, 1000)]), 20)
        degenerate = [(3, 3), (3, 3), (3, 3)]
        self.assertEqual(points(kernel_polygon(degenerate)), {(3, 3)})


class Labels(unittest.TestCase):
    def test_maps(self):
        first, second = np.array([(1, 1), (6, 1), (6, 4), (1, 4)]), np.array([(4, 2), (9, 2), (9, 7), (4, 7)])
        instances, kernels, mask = draw_labels([first, second], [True, False], 10, 12)
        self.assertEqual((instances == 1).sum(), 6 * 4 - 3 * 3)
        self.assertEqual((instances == 2).sum(), 6 * 6)
        self.assertEqual((mask == 0).sum(), 6 * 4)
        self.assertTrue(set(np.unique(kernels)) == {0, 1})
        self.assertEqual(tight_boxes(instances, 3).tolist(), [[0, 0, 0, 0], [1, 1, 5, 7], [2, 4, 8, 10], [0, 0, 0, 0]])


if __name__ == '__main__':
    unittest.main()
