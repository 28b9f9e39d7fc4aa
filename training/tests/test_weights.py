"""Checkpoints, averages, and starting from the weights of a file."""
import json
import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

import support  # noqa: F401  (training/ on the path)
from panpp_training.model import PanPP
from panpp_training.procedural import fill
from panpp_training.recognition import Vocabulary
from panpp_training.weights import Average, initialise_from, load_weights, save_checkpoint


def write_safetensors(path, tensors):
    arrays = {name: tensor.numpy().astype(np.float32) for name, tensor in tensors.items()}
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {'dtype': 'F32', 'shape': array.shape, 'data_offsets': [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(array.tobytes() for array in arrays.values()))


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


if __name__ == '__main__':
    unittest.main()
