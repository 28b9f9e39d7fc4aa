"""The recognition head: vocabularies, the samples of a word, decoding, the loss."""
import math
import unittest

import torch
from torch.nn import functional as F

import support  # noqa: F401  (training/ on the path)
from panpp_training.recognition import MAX_TOKENS, RecognitionHead, Vocabulary, masked_roi, recognition_loss


class Recognition(unittest.TestCase):
    def test_vocabularies(self):
        sizes = [Vocabulary(name).size for name in ('lowercase', 'allcases', 'allcases_symbols')]
        self.assertEqual(sizes, [39, 65, 97])
        vocabulary = Vocabulary('lowercase')
        tokens = vocabulary.encode('a1')
        self.assertEqual(tokens[:4], [10, 1, vocabulary.eos, vocabulary.pad])
        self.assertEqual((len(tokens), vocabulary.decode(tokens)), (MAX_TOKENS + 1, 'a1'))
        other = Vocabulary('allcases').other_case()
        self.assertEqual([int(other[k]) for k in (3, 10, 36, 62)], [3, 36, 10, 62])

    def test_masked_roi_is_upsample_mask_crop_resize(self):
        torch.manual_seed(0)
        features = torch.randn(2, 5, 9, 12, requires_grad=True)
        label_map = torch.zeros(2, 36, 48, dtype=torch.long)
        label_map[0, 4:12, 6:40] = 3
        label_map[0, 10:20, 30:47] = 1
        label_map[1, 2:34, 0:5] = 2
        regions = torch.tensor([[0, 3, 4, 6, 12, 40], [0, 1, 10, 30, 20, 47], [1, 2, 2, 0, 34, 5]])
        samples = masked_roi(features, label_map, regions)
        whole = F.interpolate(features, size=(36, 48), mode='bilinear', align_corners=False)
        expected = []
        for image, label, top, left, bottom, right in regions.tolist():
            rows, columns = slice(max(top - 1, 0), bottom + 1), slice(max(left - 1, 0), right + 1)
            mask = (label_map[image, rows, columns] == label).float()[None]
            crop = whole[image, :, rows, columns] * F.max_pool2d(mask, 3, stride=1, padding=1)
            if crop.shape[1] > 1.5 * crop.shape[2]:
                crop = crop.transpose(1, 2)
            expected.append(F.interpolate(crop[None], size=(8, 32), mode='bilinear', align_corners=False)[0])
        expected = torch.stack(expected).flatten(2).transpose(1, 2)
        self.assertLess(float((samples - expected).abs().max()), 1e-5)
        weights = torch.randn_like(samples)
        own, = torch.autograd.grad((samples * weights).sum(), features, retain_graph=True)
        plain, = torch.autograd.grad((expected * weights).sum(), features)
        self.assertLess(float((own - plain).abs().max()), 1e-4)

    def test_decoding_to_the_longest_word_changes_no_loss(self):
        torch.manual_seed(0)
        vocabulary = Vocabulary('lowercase')
        head = RecognitionHead(16, 32, vocabulary).eval()
        memory, fold = torch.randn(2, 256, 32), torch.tensor([False, False])
        tokens = torch.tensor([vocabulary.encode('abc'), vocabulary.encode('de')])
        whole, cut = (recognition_loss(head.decode(memory, part)[0], part, vocabulary, fold)
                      for part in (tokens, tokens[:, :4]))
        self.assertAlmostEqual(float(whole.detach()), float(cut.detach()), places=5)

    def test_the_sequence_kernel_is_the_cells(self):
        torch.manual_seed(0)
        vocabulary = Vocabulary('lowercase')
        decoder = RecognitionHead(16, 32, vocabulary).eval().decoder
        memory, holistic = torch.randn(3, 20, 32), torch.randn(3, 32)
        previous = torch.randint(0, 39, (3, 5))
        together, attention = decoder(memory, holistic, previous)
        self.assertEqual(attention.shape, (3, 8, 5, 20))
        zero = torch.zeros(3, 32)
        state = decoder.step(holistic, [(zero, zero)] * 2)
        for k in range(5):
            state = decoder.step(decoder.emb(previous[:, k]), state)
            logits = decoder.classify(state[-1][0][:, None], memory)[0][:, 0]
            self.assertLess(float((logits - together[:, k]).abs().max()), 1e-5)

    def test_loss_with_and_without_case(self):
        vocabulary = Vocabulary('allcases')
        logits = torch.zeros(1, MAX_TOKENS + 1, vocabulary.size)
        tokens = torch.tensor([vocabulary.encode('a')])  # 'a' and EOS count
        plain = recognition_loss(logits, tokens, vocabulary, torch.tensor([False]))
        folded = recognition_loss(logits, tokens, vocabulary, torch.tensor([True]))
        self.assertAlmostEqual(float(plain), math.log(65), places=5)
        self.assertAlmostEqual(float(folded), (math.log(65 / 2) + math.log(65)) / 2, places=5)


if __name__ == '__main__':
    unittest.main()
