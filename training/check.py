#!/usr/bin/env python3
"""Compares model, recognition, labels, losses and aggregation with reference data, and prints the largest differences.

  python3 check.py [--reference DIR] [--checkpoint FILE]

DIR holds resnet18_procedural, resnet50_procedural, labels, losses, pixel_aggregation and detection_results
(.safetensors) and input_224x320.png. Ends with status 1 if anything is beyond its bound.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from panpp_training import postprocess, procedural
from panpp_training.data import read_rgb
from panpp_training.labels import draw_labels, kernel_polygon, scale_polygon, shrink_offset, tight_boxes
from panpp_training.losses import detection_losses, hard_negative_mask
from panpp_training.measure import network_input
from panpp_training.model import PanPP
from panpp_training.recognition import Vocabulary, masked_roi
from panpp_training.safetensors_file import read_safetensors
from panpp_training.weights import load_weights

SHARED = Path(__file__).resolve().parent.parent.parent / 'shared'
FAILED = []


def report(name, difference, bound):
    difference = float(difference)
    good = difference <= bound
    if not good:
        FAILED.append(name)
    print(f'{"ok  " if good else "FAIL"} {name:46s} {difference:10.3g}   (bound {bound:g})')


def largest(a, b):
    a, b = (torch.as_tensor(np.asarray(x)).double() for x in (a, b))
    if a.shape != b.shape:
        return float('inf')
    return (a - b).abs().max() if a.numel() else 0.0


@torch.no_grad()
def check_model(folder, depth, last_batch_norm):
    expected, metadata = read_safetensors(folder / f'resnet{depth}_procedural.safetensors')
    vocabulary = Vocabulary('lowercase')
    model = procedural.fill(PanPP(depth, vocabulary), last_batch_norm).eval()
    image = network_input(read_rgb(folder / 'input_224x320.png'), 224, 'cpu')
    stages = model.backbone(image)
    for level, stage in enumerate(stages):
        name = f'backbone.c{level + 2}'
        if name in expected:
            report(f'R{depth} {name}', largest(stage[0], expected[name]), 1e-4)
    reduced = [getattr(model, f'reduce_layer{k + 1}')(stage) for k, stage in enumerate(stages)]
    first = model.fpem1(*reduced)
    for group, levels in (('reduce', reduced), ('fpem1', first), ('fpem2', model.fpem2(*first))):
        for level, value in enumerate(levels):
            name = f'{group}.f{level + 1}'
            if name in expected:
                report(f'R{depth} {name}', largest(value[0], expected[name]), 1e-4)
    detection, features = model(image)
    report(f'R{depth} detection map', largest(detection[0], expected['det']), 1e-4)
    if 'rec.crops' in expected:
        check_recognition(f'R{depth}', model, features, expected, metadata)


def check_recognition(name, model, features, expected, metadata):
    head = model.rec_head
    label_map = torch.from_numpy(expected['rec.label'])[None].long()
    boxes = torch.from_numpy(expected['rec.boxes_tlbr']).long()
    numbers = torch.arange(len(boxes))[:, None]
    regions = torch.cat([torch.zeros_like(numbers), numbers + 1, boxes], dim=1)
    memory = masked_roi(features, label_map, regions)
    report(f'{name} recognition crops', largest(memory, expected['rec.crops'].reshape(4, 128, 256).transpose(0, 2, 1)),
           1e-4)
    holistic = head.encoder(memory)
    report(f'{name} holistic feature', largest(holistic, expected['rec.holistic']), 1e-4)
    target = torch.from_numpy(expected['rec.target']).long()
    previous = torch.cat([torch.full_like(target[:, :1], head.vocabulary.eos), target[:, :-1]], dim=1)
    report(f'{name} logits, teacher forcing', largest(head.decoder(memory, holistic, previous)[0], expected['rec.logits']),
           1e-4)
    words = head.read(features, label_map, regions)
    report(f'{name} greedy words that differ',
           sum(word != wanted for (word, _), wanted in zip(words, json.loads(metadata['words']))), 0)
    report(f'{name} scores', largest([score for _, score in words], expected['rec.scores']), 1e-4)


def check_labels(folder):
    expected, metadata = read_safetensors(folder / 'labels.safetensors')
    worst = dict.fromkeys(('polygon', 'offset', 'kernel polygons', 'instances', 'text', 'kernels', 'training mask',
                           'boxes'), 0)

    def note(name, difference):
        worst[name] = max(worst[name], float(difference))

    cases = int(metadata['cases'])
    for number in range(cases):
        prefix = f'case{number:02d}'
        case = json.loads(metadata[prefix])
        width, height = case['size_wh']
        polygons = [scale_polygon(p, case['annotated_size_wh'], case['size_wh']) for p in case['polygons']]
        for polygon, scaled, (_, _, offset), kernel in zip(polygons, case['polygons_scaled'],
                                                           case['area_perimeter_offset'], case['kernels']):
            note('polygon', largest(polygon, scaled))
            note('offset', abs(shrink_offset(polygon) - offset))
            own = {tuple(point) for point in kernel_polygon(polygon).tolist()}
            note('kernel polygons', own != {tuple(point) for point in kernel})
        ignored = [word == '###' for word in case['transcriptions_parsed']]
        instances, kernels, mask = draw_labels(polygons, ignored, height, width)
        note('instances', (instances != expected[f'{prefix}.gt_instances']).sum())
        note('text', ((instances > 0) != expected[f'{prefix}.gt_text']).sum())
        note('kernels', (kernels != expected[f'{prefix}.gt_kernel']).sum())
        note('training mask', (mask != expected[f'{prefix}.training_mask']).sum())
        wanted = expected[f'{prefix}.gt_bboxes']
        note('boxes', largest(tight_boxes(instances, len(wanted) - 1), wanted))
    for name, difference in worst.items():
        report(f'labels, {cases} cases: {name}', difference, 0)


def first_pixels(count, device):
    return torch.arange(count, device=device)


def check_losses(folder):
    expected, metadata = read_safetensors(folder / 'losses.safetensors')
    cases = int(metadata['cases'])
    tensors = {}
    for number in range(cases):
        for name in ('det', 'gt_text', 'gt_instance', 'gt_kernel', 'training_mask'):
            tensors.setdefault(name, []).append(torch.from_numpy(expected[f'case{number:02d}.{name}']))
    stacked = {name: torch.stack(values) for name, values in tensors.items()}
    detection = stacked['det'].requires_grad_()
    text, kernel, mask = (stacked[name] > 0 for name in ('gt_text', 'gt_kernel', 'training_mask'))
    values = detection_losses(detection, text, stacked['gt_instance'], kernel, mask, first_pixels)
    total = values['loss_text'] + values['loss_kernels'] + values['loss_emb']
    total.sum().backward()
    selected = hard_negative_mask(detection.detach()[:, 0].flatten(1), text.flatten(1), mask.flatten(1))
    values['loss_total'] = total
    for name, value in values.items():
        wanted = [expected[f'case{number:02d}.{name}'][0] for number in range(cases)]
        report(f'losses, a batch of {cases} cases: {name}', largest(value.detach(), wanted), 2e-6)
    wanted = np.stack([expected[f'case{number:02d}.selected_mask'].ravel() for number in range(cases)])
    report('losses: selected pixels that differ', (selected.numpy() != wanted).sum(), 0)
    gradient = np.stack([expected[f'case{number:02d}.grad'] for number in range(cases)])
    relative = largest(detection.grad, gradient) / np.abs(gradient).max()
    report('losses: gradient, relative to the largest', relative, 1e-5)


def check_postprocessing(folder):
    expected, metadata = read_safetensors(folder / 'pixel_aggregation.safetensors')
    pixels = 0
    cases = json.loads(metadata['cases'])
    for number, case in enumerate(cases):
        text, kernel = expected[f'{number:03d}.kernels'] > 0
        embedding = expected[f'{number:03d}.emb'].astype(np.float32)
        labels = postprocess.aggregate(text, kernel, embedding, case['min_area'])
        pixels += (labels != expected[f'{number:03d}.label']).sum()
    report(f'aggregation, {len(cases)} cases: pixels that differ', pixels, 0)
    expected, metadata = read_safetensors(folder / 'detection_results.safetensors')
    boxes, scores = 0, 0.0
    cases = json.loads(metadata['cases'])
    for number, case in enumerate(cases):
        settings = postprocess.Settings(0, case['min_score'], case['min_area'], case['min_kernel_area'],
                                        case['bbox_type'], case['scale'])
        found, _ = postprocess.regions(expected[f'{number:03d}.det'], settings, tuple(case['img_size']),
                                       tuple(case['org_img_size']))
        boxes += [polygon.ravel().tolist() for _, polygon, _ in found] != case['bboxes']
        scores = max(scores, largest([score for *_, score in found], case['scores']))
    report(f'detection, {len(cases)} cases: cases whose boxes differ', boxes, 0)
    report('detection: scores', scores, 1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--reference', type=Path, default=SHARED / 'reference')
    parser.add_argument('--checkpoint', type=Path, default=SHARED / 'checkpoints' / 'pan_pp_r18_starter.pth.tar')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.reference.is_dir():
        raise SystemExit(f'{arguments.reference} is not there: name the reference data with --reference')
    check_model(arguments.reference, 18, 'bn2')
    check_model(arguments.reference, 50, 'bn3')
    check_labels(arguments.reference)
    check_losses(arguments.reference)
    check_postprocessing(arguments.reference)
    if arguments.checkpoint.exists():
        PanPP(18).load_state_dict(load_weights(arguments.checkpoint))  # strict
        print(f'ok   {arguments.checkpoint.name} loads strictly')
    else:
        print(f'not checked: {arguments.checkpoint} is not there')
    if FAILED:
        sys.exit(f'{len(FAILED)} beyond their bounds: {", ".join(FAILED)}')


if __name__ == '__main__':
    main()
