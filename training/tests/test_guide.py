"""Where the characters of a word are, and the loss that guides attention there."""
import math
import unittest

import numpy as np
import torch

import support  # noqa: F401  (training/ on the path)
from panpp_training.guide import character_places, guide_loss, guide_windows
from panpp_training.recognition import MAX_TOKENS


class Guide(unittest.TestCase):
    def test_places_of_characters_follow_the_polygon(self):
        """Along a level word, one read from bottom to top, and one bent to a quarter circle."""
        level = character_places([(10, 20), (70, 20), (70, 40), (10, 40)], 'abc')
        np.testing.assert_allclose(level[:4], [(20, 30, 10, 0, 20), (40, 30, 10, 0, 20), (60, 30, 10, 0, 20),
                                               (65, 30, 5, 0, 20)], atol=1e-4)
        self.assertFalse(level[4:].any())
        rising = character_places([(10, 70), (10, 10), (30, 10), (30, 70)], 'mi')
        np.testing.assert_allclose(rising[:2], [(20, 47.5, 0, -22.5, 20), (20, 17.5, 0, -7.5, 20)], atol=1e-4)
        angles = np.linspace(np.pi, np.pi / 2, 9)
        circle = np.stack([np.cos(angles), -np.sin(angles)], 1)
        bent = character_places(np.concatenate([60 * circle, 40 * circle[::-1]]), 'ab')
        np.testing.assert_allclose(np.hypot(*bent[:2, :2].T), 50, atol=1)
        np.testing.assert_allclose(np.arctan2(-bent[:2, 1], bent[:2, 0]), np.pi * np.array([7, 5]) / 8, atol=0.01)
        self.assertFalse(character_places([(0, 0), (9, 0), (9, 9), (0, 9)], 'x' * MAX_TOKENS)[-1, 0] == 0)

    def test_windows_are_where_the_samples_are(self):
        """Also in a region that is turned because it is high: there the 32 samples run down the picture."""
        polygons = [(10, 20), (70, 20), (70, 40), (10, 40)], [(80, 10), (100, 10), (100, 90), (80, 90)]
        places = torch.from_numpy(np.stack([character_places(polygon, 'ab') for polygon in polygons]))
        regions = torch.tensor([[0, 1, 20, 10, 40, 70], [0, 2, 10, 80, 90, 100]])
        windows = guide_windows(places, regions, 100, 120).unflatten(2, (8, 32))
        self.assertEqual(windows.shape, (2, MAX_TOKENS + 1, 8, 32))
        for token, column in ((0, 8), (1, 24)):
            row, best = divmod(int(windows[0, token].argmax()), 32)
            self.assertLessEqual(abs(best + 0.5 - column), 1)
            self.assertIn(row, (3, 4))
            self.assertGreater(float(windows[0, token].max()), 0.95)
        # the second word is read from left to right, so both its characters' windows are 80 pixels high
        down = windows[1, 0].mean(0)
        self.assertGreater(float(down.min()), 0.1)
        self.assertGreater(float(windows[1, 0, 2].mean()), 2 * float(windows[1, 0, 6].mean()))
        self.assertGreater(float(windows[1, 1, 6].mean()), 2 * float(windows[1, 1, 2].mean()))

    def test_the_guide_is_least_where_attention_is_on_the_character(self):
        windows = torch.zeros(1, 2, 256)
        windows[0, 0, 5], windows[0, 1, 9] = 1, 1
        counted = torch.tensor([[True, False]])
        attention = torch.zeros(1, 2, 2, 256)
        attention[:, :, 0, 5] = attention[:, :, 1, 0] = 1
        self.assertLess(float(guide_loss(attention, windows, counted)), 0)  # no other token counts
        attention[:, 1, 0] = attention[:, 1, 0].roll(1)
        self.assertAlmostEqual(float(guide_loss(attention, windows, counted)), -math.log(0.501), places=5)


if __name__ == '__main__':
    unittest.main()
