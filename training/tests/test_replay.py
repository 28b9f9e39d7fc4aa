"""Words kept to be read again."""
import unittest

import torch

import support  # noqa: F401  (training/ on the path)
from panpp_training.recognition import RecognitionHead, Vocabulary, masked_roi
from panpp_training.replay import keep_words, memory_of


class Replay(unittest.TestCase):
    def test_kept_words_are_read_as_on_the_whole_map(self):
        torch.manual_seed(0)
        head = RecognitionHead(512, 32, Vocabulary('lowercase')).eval()
        head.bn.running_mean.normal_()
        fused = torch.randn(2, 512, 9, 12)
        label_map = torch.zeros(2, 36, 48, dtype=torch.long)
        label_map[0, 4:12, 0:30] = 3
        label_map[0, 10:20, 33:48] = 1
        label_map[1, 2:36, 0:5] = 2
        regions = torch.tensor([[0, 3, 4, 0, 12, 30], [0, 1, 10, 33, 20, 48], [1, 2, 2, 0, 36, 5]])
        tokens, fold = torch.arange(9).view(3, 3), torch.tensor([True, False, True])
        windows = torch.rand(3, 2, 3, 256)
        words = keep_words(fused, label_map, regions, tokens, fold, windows)
        self.assertEqual([word.tokens.tolist() for word in words], tokens.tolist())
        self.assertEqual([bool(word.fold) for word in words], fold.tolist())
        self.assertLess(float((torch.stack([word.windows for word in words]) - windows).abs().max()), 1e-3)
        whole = masked_roi(head.features(fused), label_map, regions)
        self.assertLess(float((memory_of(head, words) - whole).detach().abs().max()), 1e-4)


if __name__ == '__main__':
    unittest.main()
