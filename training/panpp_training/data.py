"""Training data: annotated photographs, synthetic pages, and the crops cut from them.

A sample's geometry and labels are made on the CPU by DataLoader workers (polygons are transformed exactly and then
drawn); the photographs' pixels stay on the training device as one flat array and are sampled there (augment.py), so a
worker sends two label maps and six numbers instead of an image. Synthetic pages are drawn by the workers and sent as
pixels.
"""
import json
import math
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from . import geometry
from .dense import CutWords, DensePages
from .geometry import Word
from .guide import character_places
from .labels import MAX_WORDS, draw_labels, tight_boxes
from .level import LevelWords
from .recognition import MAX_TOKENS, Vocabulary
from .synthetic import SyntheticPages

DATASETS = ('icdar2015', 'totaltext')
SHORT_SIDE = {'icdar2015': 736, 'totaltext': 640}  # at which the benchmark is run
PAGES = {'synthetic': SyntheticPages, 'dense': DensePages, 'cut': CutWords}  # crops are cut from them
DRAWN = {**PAGES, 'level': LevelWords}  # kinds of samples that are drawn
FOLDS_CASE = {'icdar2015': False, 'totaltext': True}  # transcriptions without case
HOLD_OUT_EVERY = 25  # every 25th training photograph is kept for watching the training


@dataclass(frozen=True)
class Photograph:
    dataset: str
    path: Path
    width: int
    height: int
    words: list

    def benchmark_scale(self):
        """From its own pixels to those at which its benchmark is run."""
        return SHORT_SIDE[self.dataset] / min(self.height, self.width)


def load_photographs(root):
    """All training photographs under `root` as (used for training, held out)."""
    used, held_out = [], []
    for dataset in DATASETS:
        index = root / dataset / 'train.jsonl'
        if not index.exists():
            continue
        for number, line in enumerate(index.read_text(encoding='utf-8').splitlines()):
            entry = json.loads(line)
            words = [Word(np.array(word['polygon'], np.float64), word['text'], FOLDS_CASE[dataset])
                     for word in entry['words']]
            photograph = Photograph(dataset, root / dataset / entry['image'], entry['width'], entry['height'], words)
            (held_out if number % HOLD_OUT_EVERY == HOLD_OUT_EVERY - 1 else used).append(photograph)
    if not used:
        raise SystemExit(f'no training photographs under {root}: expected {DATASETS[0]}/train.jsonl or another of '
                         f'{", ".join(DATASETS)}')
    return used, held_out


def read_rgb(path):
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise SystemExit(f'cannot read the image {path}')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class PixelStore:
    """All photographs decoded, as one file of RGB pixels (uint8) that every process maps into memory."""

    def __init__(self, photographs, cache, threads):
        self.sizes = np.array([(photo.height, photo.width) for photo in photographs], np.int64)
        pixels = self.sizes.prod(1)
        self.starts = np.concatenate([[0], np.cumsum(pixels)])
        self.path = cache / f'pixels-{len(photographs)}-{int(self.starts[-1])}.u8'
        if not self.path.exists():
            self.decode(photographs, threads)

    def decode(self, photographs, threads):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix('.partial')
        target = np.memmap(partial, np.uint8, 'w+', shape=(int(self.starts[-1]), 3))

        def decode_one(number):
            image = read_rgb(photographs[number].path)
            if image.shape[:2] != tuple(self.sizes[number]):
                raise SystemExit(f'{photographs[number].path} is {image.shape[1]} x {image.shape[0]}, its entry says '
                                 f'{self.sizes[number][1]} x {self.sizes[number][0]}')
            target[self.starts[number]:self.starts[number + 1]] = image.reshape(-1, 3)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(decode_one, range(len(photographs))))
        target.flush()
        partial.rename(self.path)

    def memory(self):
        return np.memmap(self.path, np.uint8, 'c', shape=(int(self.starts[-1]), 3))

    def image(self, number):
        height, width = self.sizes[number]
        return self.memory()[self.starts[number]:self.starts[number + 1]].reshape(height, width, 3)


@dataclass(frozen=True)
class CropRecipe:
    """How crops are cut. Scales are relative to the benchmark's own size (SHORT_SIDE)."""
    size: int
    vocabulary: str | None  # None: no words are returned
    shares: dict = field(default_factory=dict)  # kind -> (share at the start, share at the end) of training
    flip: float = 0.5
    usual_scale: tuple = (0.75, 1.4)
    wide_scale: tuple = (0.5, 2.2)
    wide_scale_share: float = 0.3
    aspect: float = 0.15  # log of the ratio of the axes' scales, +-
    angle: float = 10.0  # degrees, +-
    wide_angle: float = 45.0
    wide_angle_share: float = 0.1
    on_word: float = 0.8  # share of the crops that are placed on a word
    min_detected: float = 5.0  # words lower than this are don't-care (pixels of the crop)
    min_read: float = 8.0  # words lower than this are not read
    max_read: int = 24  # words a crop that are read
    detection: tuple = ()  # kinds that teach detection; on the others no kernels are drawn
    tries: int = 1  # places looked at for a crop; the one with the most whole words is taken


def read_share(shares, kind, progress):
    start, end = shares[kind]
    return start + (end - start) * progress


class CropMaker:
    """Makes training samples; one object a worker process."""

    def __init__(self, recipe, photographs, store, assets, seed):
        self.recipe = recipe
        self.photographs = photographs
        self.store = store
        self.seed = seed
        self.by_dataset = {name: [k for k, photo in enumerate(photographs) if photo.dataset == name]
                           for name in DATASETS}
        self.kinds = [kind for kind in recipe.shares
                      if (kind in DRAWN and assets is not None) or self.by_dataset.get(kind)]
        self.drawn = {}
        self.assets = assets
        self.vocabulary = Vocabulary(recipe.vocabulary) if recipe.vocabulary else None

    def __call__(self, index, progress):
        rng = np.random.default_rng((self.seed, index))
        shares = np.array([read_share(self.recipe.shares, kind, progress) for kind in self.kinds])
        kind = self.kinds[rng.choice(len(self.kinds), p=shares / shares.sum())]
        detects = kind in self.recipe.detection
        if kind in DRAWN:
            return self.drawn_crop(rng, kind, detects)
        number = int(rng.choice(self.by_dataset[kind]))
        photo = self.photographs[number]
        matrix = self.best_map(rng, photo.words, photo.width, photo.height, photo.benchmark_scale())
        sample = self.labelled(rng, photo.words, matrix, detects)
        sample['photograph'] = number
        sample['matrix'] = geometry.pixel_centres(geometry.invert(matrix)).astype(np.float32)
        return sample

    def drawn_crop(self, rng, kind, detects):
        if kind not in self.drawn:
            self.drawn[kind] = DRAWN[kind](self.assets, self.photographs, self.store)
        size = self.recipe.size
        if kind in PAGES:
            page, words = self.drawn[kind].draw(rng)
            matrix = self.best_map(rng, words, page.shape[1], page.shape[0], 1.0)
            image = cv2.warpAffine(page, geometry.pixel_centres(matrix), (size, size), flags=cv2.INTER_LINEAR)
        else:
            image, words = self.drawn[kind].crop(rng, size)
            matrix = np.eye(2, 3)
        return self.labelled(rng, words, matrix, detects) | {'photograph': -1, 'pixels': image}

    def best_map(self, rng, words, width, height, base):
        """Of a few random maps the one whose crop has the most whole words."""
        maps = [self.random_map(rng, words, width, height, base) for _ in range(self.recipe.tries)]
        return maps[0] if len(maps) == 1 else max(maps, key=lambda matrix: self.whole_words(words, matrix))

    def whole_words(self, words, matrix):
        """How many words with a text lie wholly in the crop."""
        polygons = [word.polygon for word in words if word.text]
        if not polygons:
            return 0
        firsts = np.cumsum([0] + [len(polygon) for polygon in polygons[:-1]])
        points = geometry.apply(matrix, np.concatenate(polygons))
        low, high = np.minimum.reduceat(points, firsts), np.maximum.reduceat(points, firsts)
        return int(((low >= 0) & (high < self.recipe.size)).all(1).sum())

    def random_map(self, rng, words, width, height, base):
        recipe = self.recipe
        low, high = recipe.wide_scale if rng.random() < recipe.wide_scale_share else recipe.usual_scale
        scale = base * math.exp(rng.uniform(math.log(low), math.log(high)))
        stretch = math.exp(rng.uniform(-recipe.aspect, recipe.aspect) / 2)
        limit = recipe.wide_angle if rng.random() < recipe.wide_angle_share else recipe.angle
        angle = math.radians(rng.uniform(-limit, limit))
        scales = np.array([scale * stretch, scale / stretch])
        half = recipe.size / scales / 2
        cared = [word for word in words if word.text is not None]
        if cared and rng.random() < recipe.on_word:
            focus = cared[rng.integers(len(cared))].polygon.mean(0)
            centre = focus + rng.uniform(-0.8, 0.8, 2) * half
        else:
            centre = rng.uniform(0, 1, 2) * (width, height)
        for axis, length in enumerate((width, height)):  # no more than needed lies outside of the picture
            margin = min(half[axis], length / 2)
            centre[axis] = min(max(centre[axis], margin), length - margin)
            if half[axis] > length / 2:
                centre[axis] += rng.uniform(-1, 1) * (half[axis] - length / 2)
        return geometry.crop_map(centre, scales, angle, rng.random() < recipe.flip, recipe.size)

    def labelled(self, rng, words, matrix, detects):
        """Label maps of the words that show in the crop, and the words to read. detects: whether it teaches detection."""
        size = self.recipe.size
        shown, polygons, heights = [], [], []
        for word in words:
            polygon = geometry.apply(matrix, word.polygon)
            if (polygon.max(0) >= 1).all() and (polygon.min(0) <= size - 1).all() and len(shown) < MAX_WORDS:
                shown.append(word)
                polygons.append(np.trunc(polygon).astype(np.int64))
                heights.append(geometry.short_side(polygon))
        ignored = [word.text is None or height < self.recipe.min_detected for word, height in zip(shown, heights)]
        with_kernel = [detects and not skip for skip in ignored]
        instances, kernels, mask = draw_labels(polygons, ignored, size, size, with_kernel)
        sample = {'maps': np.stack([instances, kernels | mask << 1]), 'detects': detects}
        if self.vocabulary:
            sample.update(self.words_to_read(rng, instances, shown, polygons, heights, matrix))
        return sample

    def readable(self, word, polygon, height):
        """Whether a word can be read: high enough, wholly in the crop, and every character in the vocabulary."""
        return (word.text and height >= self.recipe.min_read and len(word.text) <= MAX_TOKENS
                and (polygon >= -2).all() and (polygon < self.recipe.size + 2).all()
                and all(character in self.vocabulary.index for character in word.text))

    def words_to_read(self, rng, instances, words, polygons, heights, matrix):
        """Regions (label, top, left, bottom, right), tokens, whether the case of the transcription is unknown, and where
        the characters are."""
        boxes = tight_boxes(instances, len(polygons))
        areas = np.bincount(instances.ravel(), minlength=len(polygons) + 1)
        chosen = [k for k, (word, polygon, height) in enumerate(zip(words, polygons, heights))
                  if self.readable(word, polygon, height) and areas[k + 1]
                  and areas[k + 1] >= 0.7 * cv2.contourArea(polygon.astype(np.int32))]  # not under another word
        rng.shuffle(chosen)
        chosen = chosen[:self.recipe.max_read]
        regions = [[k + 1, *boxes[k + 1]] for k in chosen]
        tokens = [self.vocabulary.encode(any_case(rng, words[k].text) if words[k].case_unknown else words[k].text)
                  for k in chosen]
        return {'regions': np.array(regions, np.int64).reshape(-1, 5),
                'tokens': np.array(tokens, np.int64).reshape(-1, MAX_TOKENS + 1),
                'fold': np.array([words[k].case_unknown for k in chosen], bool),
                'places': np.array([character_places(geometry.apply(matrix, words[k].polygon), words[k].text,
                                                     words[k].borders) for k in chosen], np.float32).reshape(-1, MAX_TOKENS + 1, 5)}


def any_case(rng, text):
    """A transcription without case as it may have been printed (it feeds the decoder; the loss accepts both cases)."""
    return (text.upper, text.lower, text.capitalize)[rng.choice(3, p=(0.45, 0.35, 0.2))]()


def collate(samples):
    """A batch: photographs (-1: pixels are sent), inverse maps, label maps, pixels of the synthetic ones, words."""
    synthetic = [sample['pixels'] for sample in samples if 'pixels' in sample]
    size = samples[0]['maps'].shape[-1]
    batch = {
        'photograph': torch.tensor([sample['photograph'] for sample in samples]),
        'matrix': torch.from_numpy(np.stack([sample['matrix'] for sample in samples if 'matrix' in sample])
                                   if len(synthetic) < len(samples) else np.zeros((0, 2, 3), np.float32)),
        'maps': torch.from_numpy(np.stack([sample['maps'] for sample in samples])),
        'detects': torch.tensor([sample['detects'] for sample in samples]),
        'pixels': torch.from_numpy(np.stack(synthetic) if synthetic else np.zeros((0, size, size, 3), np.uint8)),
    }
    if 'regions' in samples[0]:
        rows = [np.insert(sample['regions'], 0, k, axis=1) for k, sample in enumerate(samples)]
        batch['regions'] = torch.from_numpy(np.concatenate(rows))
        for name in ('tokens', 'fold', 'places'):
            batch[name] = torch.from_numpy(np.concatenate([sample[name] for sample in samples]))
    return batch


class Crops(torch.utils.data.Dataset):
    """Samples by (index, progress of the training 0...1)."""

    def __init__(self, *arguments):
        self.make = CropMaker(*arguments)

    def __getitem__(self, key):
        return self.make(*key)


class BatchPlan(torch.utils.data.Sampler):
    """Batches of (index, progress) without end, from a given batch on; `progress` is asked when a batch is planned."""

    def __init__(self, batch_size, first_batch, progress):
        self.batch_size, self.first_batch, self.progress = batch_size, first_batch, progress

    def __iter__(self):
        number = self.first_batch
        while True:
            progress = self.progress(number)
            yield [(number * self.batch_size + k, progress) for k in range(self.batch_size)]
            number += 1


def prepare_worker(_):
    # Ctrl-C reaches every process of a terminal, and schedulers signal whole groups; the run itself must end in order
    # and save its state.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def make_loader(crops, plan, workers, pin):
    # a generator of its own, so that making the loader does not move the global one: a resumed run repeats exactly
    return torch.utils.data.DataLoader(crops, batch_sampler=plan, collate_fn=collate, num_workers=workers,
                                       worker_init_fn=prepare_worker, pin_memory=pin, generator=torch.Generator(),
                                       **({'prefetch_factor': 2, 'persistent_workers': True} if workers else {}))
