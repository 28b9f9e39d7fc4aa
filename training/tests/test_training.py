"""Tests with small, hand-computed cases; the comparison with reference data is ../check.py.

  python3 -m unittest discover -s tests      (from training/)
"""
import argparse
import json
import math
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from torch.nn import functional as F

TRAINING = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TRAINING))

import limits  # noqa: E402
import train  # noqa: E402
from lexicons import lexicon  # noqa: E402
from panpp_training import geometry, postprocess  # noqa: E402
from panpp_training.augment import Photographs, assemble  # noqa: E402
from panpp_training.data import CropMaker, CropRecipe, PixelStore, collate, load_photographs  # noqa: E402
from panpp_training.curve import Curve  # noqa: E402
from panpp_training.dense import find_room, in_cut  # noqa: E402
from panpp_training.geometry import Word  # noqa: E402
from panpp_training.labels import draw_labels, kernel_polygon, shrink_offset, tight_boxes  # noqa: E402
from panpp_training.losses import dice_loss, embedding_loss, hard_negative_mask, nth_largest  # noqa: E402
from panpp_training.measure import match  # noqa: E402
from panpp_training.model import PanPP  # noqa: E402
from panpp_training.procedural import fill  # noqa: E402
from panpp_training.recognition import (  # noqa: E402
    MAX_TOKENS, RecognitionHead, Vocabulary, masked_roi, recognition_loss)
from panpp_training.guide import character_places, guide_loss, guide_windows  # noqa: E402
from panpp_training.replay import keep_words, memory_of  # noqa: E402
from panpp_training.shrink import shrink  # noqa: E402
from panpp_training.synthetic import Arc, Straight  # noqa: E402
from panpp_training.weights import Average, initialise_from, load_weights, save_checkpoint  # noqa: E402

torch.set_num_threads(1)
RECTANGLE = [(10, 10), (110, 10), (110, 50), (10, 50)]


def points(polygon):
    return {tuple(map(int, point)) for point in polygon}


class Shrinking(unittest.TestCase):
    def test_a_rectangle_moves_in_by_the_offset(self):
        for polygon in (RECTANGLE, RECTANGLE[::-1]):
            pieces = shrink(polygon, 7)
            self.assertEqual([points(piece) for piece in pieces], [{(17, 17), (103, 17), (103, 43), (17, 43)}])

    def test_nothing_is_left_of_a_thin_one(self):
        self.assertEqual(shrink(RECTANGLE, 20), [])
        self.assertEqual(shrink([(0, 0), (5, 5)], 1), [])

    def test_a_dumbbell_falls_in_two_the_lower_first(self):
        dumbbell = [(0, 0), (40, 0), (40, 18), (80, 18), (80, 10), (120, 10), (120, 50), (80, 50), (80, 22), (40, 22),
                    (40, 40), (0, 40)]
        pieces = shrink(dumbbell, 6)
        self.assertEqual(len(pieces), 2)
        self.assertEqual(int(pieces[0][:, 1].max()), 44)
        self.assertEqual(int(pieces[1][:, 1].max()), 34)

    def test_offset_and_kernel(self):
        # area 4000, perimeter 280: 4000 * 0.75 / 280 = 10.7
        self.assertEqual(shrink_offset(RECTANGLE), 11)
        self.assertEqual(points(kernel_polygon(RECTANGLE)), {(21, 21), (99, 21), (99, 39), (21, 39)})
        self.assertEqual(shrink_offset([(0, 0), (1000, 0), (1000, 1000), (0, 1000)]), 20)
        degenerate = [(3, 3), (3, 3), (3, 3)]
        self.assertEqual(points(kernel_polygon(degenerate)), {(3, 3)})


class Labels(unittest.TestCase):
    def test_maps(self):
        first, second = np.array([(1, 1), (6, 1), (6, 4), (1, 4)]), np.array([(4, 2), (9, 2), (9, 7), (4, 7)])
        instances, kernels, mask = draw_labels([first, second], [True, False], 10, 12)
        self.assertEqual((instances == 1).sum(), 6 * 4 - 3 * 3)
        self.assertEqual((instances == 2).sum(), 6 * 6)
        self.assertEqual((mask == 0).sum(), 6 * 4)
        self.assertTrue(set(np.unique(kernels)) == {0, 1})
        self.assertEqual(tight_boxes(instances, 3).tolist(), [[0, 0, 0, 0], [1, 1, 5, 7], [2, 4, 8, 10], [0, 0, 0, 0]])


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

    def test_loss_with_and_without_case(self):
        vocabulary = Vocabulary('allcases')
        logits = torch.zeros(1, MAX_TOKENS + 1, vocabulary.size)
        tokens = torch.tensor([vocabulary.encode('a')])  # 'a' and EOS count
        plain = recognition_loss(logits, tokens, vocabulary, torch.tensor([False]))
        folded = recognition_loss(logits, tokens, vocabulary, torch.tensor([True]))
        self.assertAlmostEqual(float(plain), math.log(65), places=5)
        self.assertAlmostEqual(float(folded), (math.log(65 / 2) + math.log(65)) / 2, places=5)


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


class Geometry(unittest.TestCase):
    def test_a_crop_map(self):
        matrix = geometry.crop_map((30, 40), (2, 2), 0.0, False, 100)
        self.assertEqual(geometry.apply(matrix, [(30, 40), (40, 40)]).tolist(), [[50, 50], [70, 50]])
        self.assertTrue(np.allclose(geometry.apply(geometry.invert(matrix), [(70, 50)]), [(40, 40)]))
        mirrored = geometry.crop_map((30, 40), (2, 2), 0.0, True, 100)
        self.assertEqual(geometry.apply(mirrored, [(40, 40)]).tolist(), [[30, 50]])

    def test_short_side(self):
        self.assertAlmostEqual(geometry.short_side(RECTANGLE), 40)

    def test_painted_blocks_fill_their_word_polygons(self):
        for kind in (Straight, Arc):
            for seed in range(6):
                placed = kind(np.random.default_rng(seed), 300, 60, 1.0)
                plane = np.zeros((60, 300), np.uint8)
                plane[10:50, 40:260] = 255
                polygon = placed.word_polygon(40, 10, 260, 50)
                offset = np.array([450, 450])
                painted = placed.draw(plane, offset, (900, 900)) > 127
                mask = np.zeros((900, 900), np.uint8)
                cv2.fillPoly(mask, [np.round((polygon + offset) * 16).astype(np.int32)], 1, shift=4)
                shared = (painted & (mask > 0)).sum() / (painted | (mask > 0)).sum()
                self.assertGreater(shared, 0.93, f'{kind.__name__}, seed {seed}')


def two_photographs(folder):
    """A data folder with two small photographs, written as lossless files."""
    for dataset, text in (('icdar2015', 'Exit'), ('totaltext', 'exit')):
        part = folder / dataset
        (part / 'train').mkdir(parents=True)
        image = np.full((120, 160, 3), 90, np.uint8)
        word = [(30, 40), (110, 40), (110, 80), (30, 80)]
        cv2.fillPoly(image, [np.array(word)], (250, 240, 230))
        cv2.imwrite(str(part / 'train' / 'a.png'), image)
        entry = {'image': 'train/a.png', 'width': 160, 'height': 120,
                 'words': [{'polygon': word, 'text': text},
                           {'polygon': [(5, 5), (25, 5), (25, 15), (5, 15)], 'text': None}]}
        (part / 'train.jsonl').write_text(json.dumps(entry) + '\n')


class Data(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = Path(self.temporary.name)
        two_photographs(self.folder)
        self.photographs, held_out = load_photographs(self.folder)
        self.assertEqual((len(self.photographs), len(held_out)), (2, 0))
        self.store = PixelStore(self.photographs, self.folder, 1)

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

    def test_the_reading_stage_changes_the_recognition_head_alone(self):
        start = PanPP(18)
        save_checkpoint(self.folder / 'start.pth.tar', start.state_dict(), 0)
        image = np.full((640, 736, 3), 90, np.uint8)
        words = []
        for row in range(16):
            for column in range(12):
                x, y = 5 + 60 * column, 5 + 40 * row
                cv2.putText(image, 'exit', (x, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (250, 240, 230))
                words.append({'polygon': [(x, y), (x + 52, y), (x + 52, y + 22), (x, y + 22)], 'text': 'exit'})
        for dataset in ('icdar2015', 'totaltext'):
            cv2.imwrite(str(self.folder / dataset / 'train' / 'b.png'), image)
            entry = {'image': 'train/b.png', 'width': 736, 'height': 640, 'words': words}
            (self.folder / dataset / 'train.jsonl').write_text(json.dumps(entry) + '\n')
        command = [sys.executable, str(TRAINING / 'train.py'), '--stage', 'reading', '--data', str(self.folder),
                   '--init', str(self.folder / 'start.pth.tar'), '--out', str(self.folder / 'out'), '--steps', '12',
                   '--batch', '8', '--crop', '256', '--workers', '0', '--threads', '1', '--device', 'cpu',
                   '--log-every', '0']
        printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
        self.assertIn('the recognition head starts from nothing', printed)
        after = load_weights(self.folder / 'out' / 'weights.pth.tar')
        for name, tensor in start.state_dict().items():
            self.assertTrue(torch.equal(after[name], tensor.float() if tensor.is_floating_point() else tensor), name)
        rows = [json.loads(line) for line in (self.folder / 'out' / 'log.jsonl').read_text().splitlines()]
        losses = [row['loss_rec'] for row in rows if 'loss_rec' in row]
        self.assertLess(losses[-1], math.log(97) - 0.5)  # a guess among 97 tokens costs log 97

    def test_a_run_that_was_cut_off_ends_as_one_that_was_not(self):
        def train(out, *more):
            command = [sys.executable, str(TRAINING / 'train.py'), '--stage', 'joint', '--data', str(self.folder),
                       '--out', str(self.folder / out), '--steps', '3', '--batch', '2', '--crop', '64', '--workers',
                       '0', '--threads', '1', '--device', 'cpu', '--cache', str(self.folder), *more]
            subprocess.run(command, check=True, capture_output=True)

        train('whole')
        train('parts', '--stop-after', '0')
        self.assertFalse((self.folder / 'parts' / 'weights.pth.tar').exists())
        train('parts', '--resume')
        whole, parts = (load_weights(self.folder / name / 'weights.pth.tar') for name in ('whole', 'parts'))
        self.assertEqual(sorted(whole), sorted(parts))
        for name in whole:
            self.assertTrue(torch.equal(whole[name], parts[name]), name)
        self.assertEqual(load_weights(self.folder / 'whole' / 'state.pt').keys(), whole.keys())


class Packing(unittest.TestCase):
    def test_shapes_are_packed_without_overlap_until_there_is_no_room(self):
        rng = np.random.default_rng(0)
        taken, total = np.zeros((20, 30), np.uint8), 0
        shape = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], np.uint8)
        while (place := find_room(rng, taken, shape)) is not None:
            total += shape.sum()
            self.assertEqual(taken.sum(), total)
        self.assertGreater(total, 0.6 * taken.size)
        self.assertIsNone(find_room(rng, taken, np.ones((21, 1), np.uint8)))

    def test_a_word_of_a_cut_is_whole_or_does_not_count(self):
        word = Word(np.array([(10.0, 10), (30, 10), (30, 20), (10, 20)]), 'ab', True)
        low, high = np.array([5, 5]), np.array([40, 30])
        (polygon, text), = in_cut(word, low, high)
        self.assertEqual((polygon.tolist(), text), ([[5, 5], [25, 5], [25, 15], [5, 15]], 'ab'))
        (polygon, text), = in_cut(word, low, np.array([20, 30]))
        self.assertEqual((polygon.max(0).tolist(), text), ([15, 15], None))
        self.assertEqual(in_cut(word, np.array([31, 0]), high), [])


class Freezing(unittest.TestCase):
    def test_what_is_frozen_has_no_gradient_and_keeps_its_statistics(self):
        for what, learns in (('', {'backbone.conv1', 'backbone.layer1', 'backbone.layer2', 'det_head'}),
                             ('layer1', {'backbone.layer2', 'det_head'}), ('backbone', {'det_head'}),
                             ('network', set())):
            model = PanPP(18, Vocabulary('lowercase')).freeze(what).train()
            before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            sum(part.sum() for part in model(torch.randn(2, 3, 64, 64))).backward()
            changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
            for part in ('backbone.conv1', 'backbone.layer1', 'backbone.layer2', 'det_head', 'rec_head.conv'):
                gradients = {parameter.grad is not None for name, parameter in model.named_parameters()
                             if name.startswith(f'{part}.')}
                self.assertEqual(gradients, {part in learns or part == 'rec_head.conv'}, (what, part))
            self.assertEqual(any(name.startswith('backbone.bn1.') for name in changed), what == '')
            self.assertEqual(any(name.startswith('backbone.layer2.') for name in changed), what in ('', 'layer1'))
            self.assertTrue(any(name.startswith('rec_head.bn.') for name in changed))


    def test_what_is_known_of_the_backbone_is_not_computed_again(self):
        model, image = fill(PanPP(18)).eval(), torch.randn(1, 3, 64, 64)
        whole = model(image)[0]
        for known in ((model.backbone.lower(image),), model.backbone(image)):
            self.assertTrue(torch.equal(model(image, known)[0], whole))


class Budget(unittest.TestCase):
    def test_the_time_that_a_run_is_stopped_does_not_count(self):
        progress = train.Progress(argparse.Namespace(minutes=10, steps=None))
        with mock.patch('train.time.monotonic', side_effect=[100, 102, 103, 5000, 5002]):
            for _ in range(5):
                progress.tick()
        self.assertEqual(progress.seconds(), 2 + 1 + train.LONGEST_STEP + 2)
        self.assertAlmostEqual(progress.share(), 65 / 600)


class Curves(unittest.TestCase):
    def test_a_curve_goes_on_where_it_was_cut_off(self):
        with tempfile.TemporaryDirectory() as folder:
            Curve(Path(folder)).add(1.0, 10, {'loss <a>': 2.0, 'rate': 0.1})
            Curve(Path(folder)).add(2.0, 20, {'loss <a>': 1.0, 'rate': 0.05, 'late': 3.0})
            rows = [json.loads(line) for line in (Path(folder) / 'log.jsonl').read_text().splitlines()]
            self.assertEqual(rows, [{'minutes': 1.0, 'step': 10, 'loss <a>': 2.0, 'rate': 0.1},
                                    {'minutes': 2.0, 'step': 20, 'loss <a>': 1.0, 'rate': 0.05, 'late': 3.0}])
            svg = ElementTree.parse(Path(folder) / 'curve.svg').getroot()
            lines = svg.findall('{http://www.w3.org/2000/svg}polyline')
            self.assertEqual([len(line.get('points').split()) for line in lines], [2, 2, 1])
            loss = [float(point.split(',')[1]) for point in lines[0].get('points').split()]
            self.assertLess(loss[0], loss[1])  # a falling figure falls in the picture


class Weights(unittest.TestCase):
    def test_half_precision_checkpoint(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'a.pth.tar'
            save_checkpoint(path, {'x': torch.tensor([1.0, 0.1]), 'n': torch.tensor(3)}, 7, half=True)
            stored = torch.load(path)
            self.assertEqual((stored['iter'], list(stored['state_dict'])), (7, ['module.x', 'module.n']))
            weights = load_weights(path)
            self.assertEqual(weights['x'].dtype, torch.float32)
            self.assertAlmostEqual(float(weights['x'][1]), 0.1, places=4)

    def test_average(self):
        model = torch.nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            model.weight.fill_(0.0)
        average = Average(model, 0.9)
        with torch.no_grad():
            model.weight.fill_(1.0)
        average.update(model)
        self.assertAlmostEqual(float(average.values['weight']), 10 / 11, places=6)


class Initialising(unittest.TestCase):
    """Folded weights, files with gaps, and what the lines say."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.path = Path(self.temporary.name) / 'weights.safetensors'
        self.model = fill(PanPP(18, Vocabulary('allcases_symbols'))).eval()
        torch.manual_seed(0)
        self.image = torch.randn(2, 3, 64, 64)

    def folded(self):
        """The model's tensors with each batch norm in its convolution, worked out here from its definition."""
        tensors = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        for norm in [name for name, module in self.model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]:
            conv = norm.replace('downsample.1', 'downsample.0').replace('.bn', '.conv')
            weight, bias, mean, variance, _ = (tensors.pop(f'{norm}.{part}') for part in (
                'weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'))
            factor = weight / (variance + 1e-5).sqrt()
            tensors[f'{conv}.weight'] *= factor.view(-1, 1, 1, 1)
            tensors[f'{conv}.bias'] = bias + factor * (tensors.get(f'{conv}.bias', 0) - mean)
        return tensors

    def start(self, tensors, vocabulary='allcases_symbols', partial=False):
        write_safetensors(self.path, tensors)
        model = PanPP(18, Vocabulary(vocabulary) if vocabulary else None)
        return model, initialise_from(model, self.path, lambda: iter([self.image]), partial)

    def test_folded_batch_norms_come_back_with_the_statistics_of_their_inputs(self):
        model, lines = self.start(self.folded())
        self.assertIn('41 folded batch norms given back', lines)
        seen = {}
        for name in ('backbone.bn1', 'backbone.layer2.0.downsample.1', 'det_head.bn1', 'rec_head.bn'):
            model.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: seen.update({name: x[0]}))
        model.eval()
        with torch.no_grad():
            for own, whole in zip(model(self.image), self.model(self.image)):
                self.assertLess(float((own - whole).abs().max() / whole.abs().max()), 1e-5)
        for name, x in seen.items():
            norm = model.get_submodule(name)
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.assertLess(float((norm.running_mean - mean).abs().max()), 1e-4 * float(mean.abs().max()), name)
            self.assertLess(float((norm.running_var / variance - 1).abs().max()), 1e-3, name)
        self.assertEqual(float(model.det_head.conv1.bias.detach().abs().max()), 0)

    def test_batch_norms_that_are_there_stay(self):
        model, lines = self.start(self.model.state_dict())
        self.assertEqual(len(lines), 1)
        self.assertTrue(torch.equal(model.backbone.bn2.running_var, self.model.backbone.bn2.running_var))

    def test_a_file_with_gaps_is_refused_unless_asked_for(self):
        tensors = self.folded()
        del tensors['fpem2.dwconv1_1.weight']
        with self.assertRaisesRegex(SystemExit, "lacks 1 of .*: fpem2.dwconv1_1.weight; --partial"):
            self.start(tensors)
        self.assertIn('from nothing: fpem2.dwconv1_1.weight', self.start(tensors, partial=True)[1])

    def test_a_recognition_head_may_be_missing_only_as_a_whole(self):
        tensors = self.folded()
        detector = {name: tensor for name, tensor in tensors.items() if not name.startswith('rec_head.')}
        self.assertIn('the recognition head starts from nothing: the file has none', self.start(detector)[1])
        with self.assertRaisesRegex(SystemExit, 'lacks 32 of .*: rec_head.encoder.emb.weight'):
            self.start(detector | {'rec_head.conv.weight': tensors['rec_head.conv.weight'],
                                   'rec_head.conv.bias': tensors['rec_head.conv.bias']}, partial=False)
        with self.assertRaisesRegex(SystemExit, 'rec_head.encoder.emb.weight'):  # another vocabulary
            self.start(tensors, 'lowercase')
        self.assertRegex(self.start(tensors, None)[1][0], r"255 of the model's 255 tensors, 34 unused")


def write_safetensors(path, tensors):
    arrays = {name: tensor.numpy().astype(np.float32) for name, tensor in tensors.items()}
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {'dtype': 'F32', 'shape': array.shape, 'data_offsets': [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(array.tobytes() for array in arrays.values()))


class Lexicons(unittest.TestCase):
    OTHERS = {f'word{k}' for k in range(300)}

    def test_an_images_own_words_come_first_and_others_fill_up(self):
        words = lexicon(['Open', 'OPEN', 'Bread'], self.OTHERS | {'open'}, 'img_1')
        self.assertEqual(words[:2], ['Open', 'Bread'])
        self.assertEqual(len(words), 100)
        self.assertEqual(len({word.lower() for word in words}), 100)
        self.assertEqual(words, lexicon(['Open', 'OPEN', 'Bread'], self.OTHERS | {'open'}, 'img_1'))
        self.assertNotEqual(words, lexicon(['Open', 'OPEN', 'Bread'], self.OTHERS | {'open'}, 'img_2'))

    def test_no_word_of_a_crowded_image_is_left_out(self):
        own = [f'own{k}' for k in range(120)]
        self.assertEqual(lexicon(own, self.OTHERS, 'img_1'), own)


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


class Measuring(unittest.TestCase):
    def test_match(self):
        def square(x, y, side=10):
            return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], np.float64)

        words = [Word(square(0, 0), 'a'), Word(square(50, 0), None), Word(square(100, 0), 'b')]
        found = [square(1, 0), square(51, 1), square(200, 0)]
        # one pair; the second lies on a don't-care; the third is a false alarm; 'b' is missed
        self.assertEqual(match(found, words).tolist(), [1, 2, 2])
        self.assertEqual(match(found, words, ['A', 'x', 'b']).tolist(), [1, 2, 2])
        self.assertEqual(match(found, words, ['b', 'x', 'a']).tolist(), [0, 2, 2])


if __name__ == '__main__':
    unittest.main()
