"""From the network's maps to words."""
import unittest

import numpy as np

import support  # noqa: F401  (training/ on the path)
from panpp_training import postprocess


class Aggregation(unittest.TestCase):
    def test_two_kernels_share_a_text_line(self):
        text = np.zeros((3, 9), bool)
        text[1] = True
        kernel = np.zeros_like(text)
        kernel[1, 1] = kernel[1, 6] = True
        labels = postprocess.aggregate(text, kernel, np.zeros((4, 3, 9)), 0)
        self.assertEqual(labels[1].tolist(), [1, 1, 1, 1, 2, 2, 2, 2, 2])
        self.assertEqual(labels[[0, 2]].sum(), 0)

    def test_input_size(self):
        self.assertEqual(postprocess.resized_shape(720, 1280, 736), (736, 1312))


if __name__ == '__main__':
    unittest.main()
