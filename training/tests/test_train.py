"""Runs of ../train.py, and its budget of time."""
import argparse
import json
import math
import os
import signal
import subprocess
import sys
import unittest
from unittest import mock

import cv2
import numpy as np
import torch

from support import TRAINING, TwoPhotographs
import train
from panpp_training.model import PanPP
from panpp_training.recipe import RECIPES
from panpp_training.weights import load_weights, save_checkpoint


class Runs(TwoPhotographs):
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

    def test_a_run_whose_whole_group_is_told_to_end_saves_its_state(self):
        """As schedulers do it: the signal also reaches the workers."""
        command = [sys.executable, str(TRAINING / 'train.py'), '--stage', 'joint', '--data', str(self.folder), '--out',
                   str(self.folder / 'group'), '--steps', '100000', '--batch', '2', '--crop', '64', '--workers', '1',
                   '--threads', '1', '--device', 'cpu', '--cache', str(self.folder), '--log-every', '0.001']
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        for line in run.stdout:
            if ' step ' in line:
                break
        os.killpg(run.pid, signal.SIGTERM)
        run.communicate()
        self.assertEqual(run.returncode, 0)
        self.assertTrue((self.folder / 'group' / 'state.pt').exists())


class Rates(unittest.TestCase):
    def test_the_joint_stage_has_the_same_rate_on_a_gpu(self):
        joint, detection = RECIPES['joint'], RECIPES['detection']
        self.assertEqual([joint.rate(batch) for batch in (2, 8, 32)], [2.5e-4, 5e-4, 5e-4])
        self.assertEqual([detection.rate(batch) for batch in (8, 32)], [5e-4, 1e-3])


class Budget(unittest.TestCase):
    def test_the_time_that_a_run_is_stopped_does_not_count(self):
        progress = train.Progress(argparse.Namespace(minutes=10, steps=None))
        with mock.patch('train.time.monotonic', side_effect=[100, 102, 103, 5000, 5002]):
            for _ in range(5):
                progress.tick()
        self.assertEqual(progress.seconds(), 2 + 1 + train.LONGEST_STEP + 2)
        self.assertAlmostEqual(progress.share(), 65 / 600)


if __name__ == '__main__':
    unittest.main()
