"""The record and the drawing of a run's figures."""
import json
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import support  # noqa: F401  (training/ on the path)
from panpp_training.curve import Curve


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


if __name__ == '__main__':
    unittest.main()
