"""The pictures of ../limits.py."""
import math
import unittest

import cv2
import numpy as np

import support  # noqa: F401  (training/ on the path)
import limits


class Limits(unittest.TestCase):
    def test_the_outline_holds_the_ink_of_a_turned_or_bent_word(self):
        ink = np.ones((40, 200), np.float32)
        for style in (limits.Style(), limits.Style(turn=30), limits.Style(turn=90), limits.Style(bend=120, turn=20)):
            shown, corners = limits.placed(ink, style)
            inside = np.zeros(shown.shape, np.uint8)
            cv2.fillPoly(inside, [np.round(corners).astype(np.int32)], 1)
            self.assertGreater((shown * inside).sum() / shown.sum(), 0.95, style)
            height = np.linalg.norm(corners[3] - corners[0])
            if not style.bend:
                self.assertAlmostEqual(height, style.height)
                self.assertGreater(shown.sum() / inside.sum(), 0.9, style)
            turned = math.degrees(math.atan2(*(corners[1] - corners[0])[::-1] * (-1, 1)))
            self.assertAlmostEqual(turned, style.turn)


if __name__ == '__main__':
    unittest.main()
