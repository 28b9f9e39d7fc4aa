"""Words kept to be read again."""
import unittest

import torch

import support  # noqa: F401  (training/ on the path)
from panpp_training.recognition import RecognitionHead, Vocabulary, masked_roi
from panpp_training.replay import KeptWord, keep_words, memory_of, neighbours_of


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

    def test_a_word_without_a_visible_pixel_is_not_kept(self):
        fused, label_map = torch.randn(1, 512, 4, 8), torch.zeros(1, 16, 32, dtype=torch.long)
        label_map[0, 2:10, 8:32] = 2
        regions = torch.tensor([[0, 1, 2, 0, 10, 8], [0, 2, 2, 8, 10, 32]])
        words = keep_words(fused, label_map, regions, torch.arange(6).view(2, 3), torch.tensor([False, True]),
                           torch.rand(2, 2, 3, 256))
        self.assertEqual([word.tokens.tolist() for word in words], [[3, 4, 5]])

    def test_all_is_computed_where_the_words_are(self):
        """On a device without values, which like a GPU takes no tensors of the CPU."""
        def empty(*size, dtype=torch.float32):
            return torch.empty(size, dtype=dtype, device='meta')

        head = RecognitionHead(512, 32, Vocabulary('lowercase')).to('meta')
        whole = neighbours_of(3, 3, 'meta')
        words = [KeptWord(empty(25, 512), whole, empty(256, 16, dtype=torch.long), empty(256, 16), None, None, None)
                 for _ in range(2)]
        self.assertEqual(memory_of(head, words).shape, (2, 256, 32))


if __name__ == '__main__':
    unittest.main()
