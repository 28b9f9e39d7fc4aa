"""Crop maps and sizes of polygons."""
import unittest

import numpy as np

from support import RECTANGLE
from panpp_training import geometry


class Geometry(unittest.TestCase):
    def test_a_crop_map(self):
        matrix = geometry.crop_map((30, 40), (2, 2), 0.0, False, 100)
        self.assertEqual(geometry.apply(matrix, [(30, 40), (40, 40)]).tolist(), [[50, 50], [70, 50]])
        self.assertTrue(np.allclose(geometry.apply(geometry.invert(matrix), [(70, 50)]), [(40, 40)]))
        mirrored = geometry.crop_map((30, 40), (2, 2), 0.0, True, 100)
        self.assertEqual(geometry.apply(mirrored, [(40, 40)]).tolist(), [[30, 50]])

    def test_short_side(self):
        self.assertAlmostEqual(geometry.short_side(RECTANGLE), 40)


if __name__ == '__main__':
    unittest.main()
