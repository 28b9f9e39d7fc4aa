"""Words sampled level, and crops full of them."""
import math
import unittest

import numpy as np

import support
from panpp_training.geometry import Word
from panpp_training.level import LINE_HEIGHT, MARGIN, WORD_HEIGHT, LevelWords, Offset, centreline_of, sample_strip

EXACT = Offset()


def box(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def strip_of(image, polygon, offset=EXACT, longest=320):
    return sample_strip(image, centreline_of(polygon), offset, longest)


class Strips(unittest.TestCase):
    def setUp(self):
        self.image = np.random.default_rng(0).integers(0, 256, (120, 300, 3), np.uint8)
        self.word = box(100, 40, 190, 40 + WORD_HEIGHT)
        self.level = self.image[30:82, 90:200]

    def test_a_level_word_of_the_lines_height_is_copied(self):
        np.testing.assert_array_equal(strip_of(self.image, self.word), self.level)

    def test_a_word_that_runs_down_or_is_upside_down_is_turned(self):
        height, width = self.image.shape[:2]
        x, y = self.word.T
        turned = np.ascontiguousarray(np.rot90(self.image, -1))
        np.testing.assert_array_equal(strip_of(turned, np.stack([height - y, x], 1)), self.level)
        turned = np.ascontiguousarray(np.rot90(self.image, 2))
        np.testing.assert_array_equal(strip_of(turned, np.stack([width - x, height - y], 1)), self.level)

    def test_what_is_finer_than_the_line_is_averaged(self):
        twice = self.image.repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(strip_of(twice, 2 * self.word), self.level)

    def test_along_an_arc_a_word_becomes_straight(self):
        y, x = np.mgrid[:400, :400] + 0.5
        angle = np.arctan2(x - 200, 380 - y)  # 0 above the centre
        image = (128 + 100 * np.sin(angle * 8))[..., None].repeat(3, 2).astype(np.uint8)
        angles = np.linspace(-0.5, 0.5, 7)

        def border(radius):
            return np.stack([200 + radius * np.sin(angles), 380 - radius * np.cos(angles)], 1)

        strip = strip_of(image, np.concatenate([border(266), border(234)[::-1]]))
        self.assertEqual(strip.shape, (LINE_HEIGHT, round(250) + 2 * MARGIN, 3))
        columns = strip[:, MARGIN:-MARGIN, 0].astype(float)
        self.assertLess((columns.max(0) - columns.min(0)).max(), 6)
        self.assertGreater(columns.max() - columns.min(), 190)

    def test_a_region_may_differ_from_the_annotation(self):
        np.testing.assert_array_equal(strip_of(self.image, self.word, Offset(start=10 / 32, end=-20 / 32)),
                                      self.image[30:82, 80:180])
        np.testing.assert_array_equal(strip_of(self.image, self.word, Offset(down=5 / 32)), self.image[35:87, 90:200])
        taller = strip_of(self.image, self.word, Offset(taller=math.log(2)))
        self.assertEqual(taller.shape[1], 45 + 2 * MARGIN)

    def test_long_words_are_squeezed_and_longer_ones_left_out(self):
        self.assertEqual(strip_of(self.image, self.word, longest=90).shape[1], 90)
        self.assertIsNone(strip_of(self.image, self.word, longest=70))

    def test_what_is_no_word_or_not_in_the_image_has_no_strip(self):
        self.assertIsNone(centreline_of(box(0, 0, 30, 5)))
        self.assertIsNone(centreline_of(box(0, 0, 3, 30)))
        self.assertIsNone(strip_of(self.image, self.word + (400, 0)))


class Stub:
    """In the place of drawn pages."""

    def __init__(self, image, words):
        self.page = image, words

    def draw(self, _):
        return self.page


class Crops(support.TwoPhotographs):
    def test_a_crop_is_full_of_words_of_one_height(self):
        image = np.full((100, 200, 3), 7, np.uint8)
        words = LevelWords(None, self.photographs, self.store)
        words.drawn = Stub(image, [Word(box(20, 20, 90, 50), 'drawn'), Word(box(100, 20, 140, 50), None)])
        crop, placed = words.crop(np.random.default_rng(0), 320)
        self.assertEqual(crop.shape, (320, 320, 3))
        self.assertEqual({word.text for word in placed}, {'drawn', 'Exit', 'exit'})
        self.assertGreaterEqual(len(placed), 2 * 6)
        for word in placed:
            left, top, right, bottom = *word.polygon.min(0).astype(int), *word.polygon.max(0).astype(int)
            self.assertEqual(bottom - top, WORD_HEIGHT)
            self.assertGreaterEqual(min(left, top), MARGIN)
            self.assertLessEqual(max(right, bottom), 320 - MARGIN)
            shown = crop[top + 8:bottom - 8, left + 8:right - 8]
            expected = (7, 7, 7) if word.text == 'drawn' else (230, 240, 250)
            self.assertLess(np.abs(shown.mean((0, 1)) - expected).max(), 3, word.text)
            self.assertEqual(word.case_unknown, word.text == 'exit')


if __name__ == '__main__':
    unittest.main()
