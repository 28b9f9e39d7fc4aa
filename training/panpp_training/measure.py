"""Detections of a model on photographs, a quick one-to-one F at IoU 0.5, and words read right, for watching a training.

The quick figures count pixels instead of exact areas; published figures come from the official protocols.
"""
import cv2
import numpy as np
import torch

from .data import CropRecipe, read_rgb
from .geometry import short_side
from .labels import fill, tight_boxes
from .model import MEAN, STD
from .postprocess import IC15, TOTAL_TEXT, regions, resized_shape

FINER = 4
SETTINGS = {'icdar2015': IC15, 'totaltext': TOTAL_TEXT}


def network_input(image, short_side, device):
    """RGB uint8 to the resized, normalised input, 1 x 3 x H x W."""
    height, width = resized_shape(*image.shape[:2], short_side)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    x = torch.from_numpy(resized).to(device).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (x - mean) / std


def sample_inputs(photographs, count=48, short_side=512):
    """Network inputs of `count` photographs, evenly taken from the list."""
    for number in np.linspace(0, len(photographs) - 1, min(count, len(photographs))).astype(int):
        yield network_input(read_rgb(photographs[number].path), short_side, 'cpu')


@torch.no_grad()
def detect(model, image, settings, device):
    """[(polygon, score, word or None)] of one RGB image, by a model in eval mode."""
    x = network_input(image, settings.short_side, device)
    detection, features = model(x)
    found, labels = regions(detection[0].float().cpu().numpy(), settings, tuple(x.shape[2:]), image.shape[:2])
    words = [(None, None)] * len(found)
    if features is not None and found:
        label_map = torch.from_numpy(labels).to(device)[None]
        rows = [[0, label, *tight_box(labels, label)] for label, _, _ in found]
        words = model.rec_head.read(features, label_map, torch.tensor(rows, device=device))
    return [(polygon, score, *word) for (_, polygon, score), word in zip(found, words)]


def tight_box(labels, label):
    rows, columns = np.nonzero(labels == label)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def overlap(a, b):
    """Areas of two polygons and of what they share, in pixels, counted on a grid FINER times finer."""
    if (a.max(0) < b.min(0)).any() or (b.max(0) < a.min(0)).any():
        return 1, 1, 0
    low = np.minimum(a.min(0), b.min(0))
    columns, rows = np.ceil((np.maximum(a.max(0), b.max(0)) - low) * FINER).astype(int) + 1
    masks = []
    for polygon in (a, b):
        mask = np.zeros((rows, columns), np.uint8)
        cv2.fillPoly(mask, [np.round((polygon - low) * FINER).astype(np.int32)], 1)
        masks.append(mask > 0)
    return tuple(mask.sum() / FINER ** 2 for mask in (*masks, masks[0] & masks[1]))


def match(detections, words, texts=None):
    """Counts of one image: (pairs, detections that count, words that count). First come, first served.

    With the detections' `texts` a pair must agree in its text too, case aside.
    """
    ignored = [word.polygon for word in words if word.text is None]
    wanted = [word for word in words if word.text is not None]
    counted = []
    for polygon, text in zip(detections, texts or [None] * len(detections)):
        own_shares = [(both / own) for own, _, both in (overlap(polygon, region) for region in ignored)]
        if not any(share > 0.5 for share in own_shares):
            counted.append((polygon, text))
    free = list(range(len(counted)))
    pairs = 0
    for word in wanted:
        for k in free:
            polygon, text = counted[k]
            one, other, both = overlap(word.polygon, polygon)
            if both / (one + other - both) > 0.5:
                pairs += texts is None or text.lower() == word.text.lower()
                free.remove(k)
                break
    return np.array([pairs, len(counted), len(wanted)])


@torch.no_grad()
def read_annotated(model, photo, device):
    """(right, read): words read inside of their annotated outlines, case aside; only such as are high enough to be
    taught."""
    x = network_input(read_rgb(photo.path), SETTINGS[photo.dataset].short_side, device)
    ratio = np.array([x.shape[3] / photo.width, x.shape[2] / photo.height])
    labels = np.zeros(x.shape[2:], np.int32)
    for number, word in enumerate(photo.words):
        fill(labels, np.trunc(word.polygon * ratio), number + 1)
    boxes = tight_boxes(labels, len(photo.words))
    chosen = [k for k, word in enumerate(photo.words)
              if word.text and short_side(word.polygon * ratio) >= CropRecipe.min_read and boxes[k + 1].any()]
    regions = torch.tensor([[0, k + 1, *boxes[k + 1]] for k in chosen], device=device)
    found = model.rec_head.read(model(x)[1], torch.from_numpy(labels).to(device)[None], regions)
    right = sum(text.lower() == photo.words[k].text.lower() for (text, _), k in zip(found, chosen))
    return np.array([right, len(chosen)])


def f_measure(counts):
    pairs, detections, words = counts
    precision, recall = pairs / max(detections, 1), pairs / max(words, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def print_held_out(model, photographs, most, device):
    """Prints precision, recall and F on up to `most` held-out training photographs of each data set; of a model that
    reads also how many words it reads right."""
    model.eval()
    counts, seen = {}, {}
    for photo in photographs:
        seen[photo.dataset] = seen.get(photo.dataset, 0) + 1
        if seen[photo.dataset] <= most:
            found = detect(model, read_rgb(photo.path), SETTINGS[photo.dataset], device)
            polygons = [polygon.astype(np.float64) for polygon, *_ in found]
            rows = [match(polygons, photo.words)]
            if model.rec_head is not None:
                rows += [match(polygons, photo.words, [text for *_, text, _ in found]),
                         read_annotated(model, photo, device)]
            total = counts.setdefault(photo.dataset, [0] * len(rows))
            counts[photo.dataset] = [a + b for a, b in zip(total, rows)]
    for dataset, (found, *reading) in counts.items():
        print(f'held-out training photographs of {dataset}: {figures(found)}')
        if reading:
            print(f'  end to end, no lexicon: {figures(reading[0])}; inside of annotated outlines '
                  f'{reading[1][0]} of {reading[1][1]} words right', flush=True)


def figures(row):
    precision, recall, f = f_measure(row)
    return (f'P {precision:.1%}  R {recall:.1%}  F {f:.1%}  ({row[0]} of {row[2]} words, {row[1]} detections)')
