"""Crops of photographs, their labels, and their way into the network."""
import unittest

import cv2
import numpy as np
import torch

from support import TwoPhotographs
from panpp_training.augment import Photographs, assemble
from panpp_training.data import CropMaker, CropRecipe, collate
from panpp_training.recognition import Vocabulary


class Data(TwoPhotographs):
    def maker(self):
        shares = {'icdar2015': (1, 1), 'totaltext': (1, 1), 'synthetic': (1, 1)}
        recipe = CropRecipe(size=96, vocabulary='allcases_symbols', shares=shares, usual_scale=(0.15, 0.2),
                            wide_scale=(0.15, 0.2))
        return CropMaker(recipe, self.photographs, self.store, None, 3)

    def test_samples_repeat(self):
        first, second = ([self.maker()(index, 0.5) for index in range(6)] for _ in range(2))
        for a, b in zip(first, second):
            self.assertEqual(sorted(a), sorted(b))
            for name in a:
                self.assertTrue(np.array_equal(a[name], b[name]), name)

    def test_pixels_and_labels_belong_together(self):
        samples = [self.maker()(index, 0.0) for index in range(12)]
        batch = collate(samples)
        photographs = Photographs(self.store, torch.device('cpu'))
        pixels = photographs.crops(batch['photograph'], batch['matrix'], 96)
        seen = 0
        for k in range(12):
            instances, flags = samples[k]['maps']
            cared_for = ((instances > 0) & (flags & 2 > 0)).astype(np.uint8)
            core = torch.from_numpy(cv2.erode(cared_for, np.ones((5, 5)), borderValue=0)) > 0
            if core.sum() > 50:
                seen += 1
                self.assertLess(float((pixels[k, :, core] - torch.tensor([[230.0], [240.0], [250.0]])).abs().max()), 1)
        self.assertGreater(seen, 6)
        image, labels, rest = assemble(batch, photographs, torch.device('cpu'))
        self.assertEqual(tuple(image.shape), (12, 3, 96, 96))
        self.assertEqual(labels['instance'].dtype, torch.uint8)
        self.assertTrue((~labels['mask'] & labels['text']).any())
        self.assertFalse((~labels['mask'] & ~labels['text']).any())
        words = {Vocabulary('allcases_symbols').decode(tokens).lower() for tokens in rest['tokens'].tolist()}
        self.assertEqual(words, {'exit'})
        folded = rest['fold'].tolist()
        datasets = [self.photographs[int(batch['photograph'][row[0]])].dataset for row in rest['regions'].tolist()]
        self.assertEqual(folded, [name == 'totaltext' for name in datasets])


if __name__ == '__main__':
    unittest.main()
