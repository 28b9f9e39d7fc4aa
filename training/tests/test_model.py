"""The network: what is frozen, and what is known of the backbone."""
import unittest

import torch

import support  # noqa: F401  (training/ on the path)
from panpp_training.model import PanPP
from panpp_training.procedural import fill
from panpp_training.recognition import Vocabulary


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


if __name__ == '__main__':
    unittest.main()
