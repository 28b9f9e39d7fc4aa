"""The losses of the detection head."""
import math
import unittest

import torch

import support  # noqa: F401  (training/ on the path)
from panpp_training.losses import dice_loss, embedding_loss, hard_negative_mask, nth_largest


class Losses(unittest.TestCase):
    def test_nth_largest_is_what_sorting_gives(self):
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(6, 500, generator=generator)
        scores[3:] = (scores[3:] * 2).round() / 2  # many ties, both zeros
        scores[5, ::2] = -0.0
        scores[5, 1::2] = 0.0
        candidates = torch.rand(6, 500, generator=generator) < 0.7
        n = torch.tensor([1, 0, 200, 17, 100, 3])
        chosen = nth_largest(scores, candidates, n)
        for row in range(6):
            if n[row] == 0:
                self.assertFalse(chosen[row].any())
                continue
            threshold = scores[row][candidates[row]].sort(descending=True).values[n[row] - 1]
            self.assertTrue(torch.equal(chosen[row], scores[row] >= threshold))

    def test_hard_negatives(self):
        scores = torch.tensor([[5.0, 4, 3, 2, 1, 0, -1, -2]])
        text = torch.tensor([[False, False, True, False, False, False, False, False]])
        mask = torch.ones_like(text)
        mask[0, 0] = False
        # one positive, so the threshold is the third largest non-text score, 2; pixel 0 is masked out
        self.assertEqual(hard_negative_mask(scores, text, mask)[0].tolist(), [0, 1, 1, 1, 0, 0, 0, 0])
        self.assertEqual(hard_negative_mask(scores, torch.zeros_like(text), mask)[0].tolist(), [0, 1, 1, 1, 1, 1, 1, 1])

    def test_dice(self):
        logits = torch.tensor([[0.0, 0.0]])  # 0.5 each
        loss = dice_loss(logits, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2))
        self.assertAlmostEqual(float(loss), 1 - 2 * 0.5 / (0.5 + 0.001 + 1 + 0.001), places=6)

    def test_embedding_of_two_words(self):
        # six pixels: two background, word 1 on two (kernel: the first), word 2 on two (kernel: both)
        instance = torch.tensor([[0, 0, 1, 1, 2, 2]])
        kernel = torch.tensor([[False, False, True, False, True, True]])
        embedding = torch.zeros(1, 4, 6)
        embedding[0, 0] = torch.tensor([9.0, 9.0, 0.0, 1.5, 2.0, 2.0])
        loss = embedding_loss(embedding, instance, kernel, torch.ones_like(kernel), lambda n, d: torch.arange(n))
        pull = math.log(1 + 1.0 ** 2) / 2 / 2  # word 1's second pixel is 1 beyond the margin
        # instance to instance: distance 2, in both orders; to the background: more than 3 away
        push = 2 * math.log(1 + 1.0 ** 2) / 4
        size = 0.001 * (math.log(1 + 0) + math.log(1 + 2.0)) / 3
        self.assertAlmostEqual(float(loss), pull + push + size, places=6)

    def test_embedding_without_words_is_zero_with_a_gradient(self):
        embedding = torch.randn(2, 4, 6, requires_grad=True)
        empty = torch.zeros(2, 6, dtype=torch.long)
        loss = embedding_loss(embedding, empty, empty > 0, empty == 0)
        self.assertEqual(loss.tolist(), [0, 0])


if __name__ == '__main__':
    unittest.main()
