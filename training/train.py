#!/usr/bin/env python3
"""Trains PAN++.

  python3 train.py --stage detection --data DIR --assets DIR --init CHECKPOINT --out RUN --minutes 25
  python3 train.py --stage reading --data DIR --assets DIR --init RUN/state.pt --out RUN2 --minutes 25
  python3 train.py --stage joint --data DIR --assets DIR --init RUN2/state.pt --out RUN3 --minutes 25

A run can be cut off at any time and taken up again by the same command with --resume: its whole state is written to
OUT/state.pt every few minutes, its averaged weights to OUT/weights.pth.tar at the end; its learning curve is
OUT/curve.svg. README.md explains the rest.
"""
import argparse
import functools
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from panpp_training.augment import Photographs, assemble
from panpp_training.curve import Curve
from panpp_training.data import BatchPlan, Crops, PixelStore, load_photographs, make_loader
from panpp_training.guide import SPELLED, Speller, guide_loss, guide_windows, token_accuracy
from panpp_training.losses import detection_losses
from panpp_training.measure import print_held_out, sample_inputs
from panpp_training.model import NECK_CHANNELS, PanPP
from panpp_training.recipe import RECIPES
from panpp_training.recognition import Vocabulary, masked_roi, recognition_loss
from panpp_training.replay import WordBuffer, keep_words, memory_of
from panpp_training.synthetic import Assets
from panpp_training.unfold import folded_copy
from panpp_training.weights import Average, initialise_from, save_atomically, save_checkpoint

FREEZE = {'nothing': '', 'layer1': 'layer1', 'backbone': 'backbone'}  # of the stages that train the network
WORDS_KEPT = 6000  # for a reader on a frozen network; about 1 GB
WORDS_TO_BEGIN, BATCHES_TO_BEGIN = 1000, 100


MOST_WORKERS = 16  # by default: a batch of 32 crops of 640 x 640 takes 50 MB of shared memory, and each has two


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--stage', choices=RECIPES, required=True)
    parser.add_argument('--data', type=Path, required=True, help='folder with icdar2015/ and totaltext/')
    parser.add_argument('--assets', type=Path, help='what prepare_assets.py made; without it nothing synthetic is used')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--init', type=Path, help='weights to start from: .pth.tar, state.pt or .safetensors')
    parser.add_argument('--partial', action='store_true',
                        help='allow --init to lack tensors of the network; they start from nothing')
    parser.add_argument('--resume', action='store_true', help='go on from OUT/state.pt if it is there')
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument('--minutes', type=float, help='time budget of the whole run, without interruptions and the time it is stopped')
    budget.add_argument('--steps', type=int, help='budget in steps, for runs that can be repeated exactly')
    parser.add_argument('--stop-after', type=float, default=float('inf'),
                        help='minutes after which this call saves and ends, whatever is left of the budget')
    parser.add_argument('--freeze', choices=FREEZE, help='what does not learn, instead of the recipe\'s')
    parser.add_argument('--batch', type=int)
    parser.add_argument('--crop', type=int)
    parser.add_argument('--rate', type=float, help='learning rate instead of the recipe\'s')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--precision', choices=('float32', 'bfloat16'))
    parser.add_argument('--compile', action='store_true', help='torch.compile the network (PyTorch >= 2)')
    parser.add_argument('--workers', type=int)
    parser.add_argument('--threads', type=int, help='of PyTorch itself')
    parser.add_argument('--cache', type=Path, help='folder for decoded photographs (5 GB); OUT if not given')
    parser.add_argument('--save-every', type=float, default=3, help='minutes')
    parser.add_argument('--log-every', type=float, default=1, help='minutes')
    parser.add_argument('--measure', type=int, help='held-out photographs of each data set to measure at the end')
    arguments = parser.parse_args()
    if arguments.freeze is not None and RECIPES[arguments.stage].frozen == 'network':
        parser.error(f'in the stage {arguments.stage} the whole network is frozen: leave --freeze out')
    on_gpu = arguments.device.startswith('cuda')
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    defaults = {'batch': 32 if on_gpu else 8, 'crop': 640 if on_gpu else 320,
                'workers': min(max(1, cores - 2), MOST_WORKERS), 'precision': 'bfloat16' if on_gpu else 'float32', 'measure': 1000 if on_gpu else 0,
                'cache': arguments.out}
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def make_optimiser(model, speller, recipe, rate, on_gpu):
    """AdamW; weight decay on matrices and filters only; the recognition head and the speller have their own rate."""
    groups = {}
    named = [*model.named_parameters(), *(speller.named_parameters('rec_head.speller') if speller else ())]
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        head = name.startswith('rec_head.')
        groups.setdefault((head, parameter.ndim > 1), []).append(parameter)
    listed = [{'params': parameters, 'weight_decay': recipe.weight_decay if decays else 0.0,
               'base': recipe.recognition_rate if head else rate} for (head, decays), parameters in groups.items()]
    return torch.optim.AdamW(listed, lr=rate, **({'fused': True} if on_gpu else {}))


LONGEST_STEP = 60  # seconds that count; in longer ones the process was stopped (SIGSTOP), or the machine asleep


class Progress:
    """How much of the budget is spent, by time or by steps, over all calls of a run."""

    def __init__(self, arguments):
        self.minutes, self.steps = arguments.minutes, arguments.steps
        self.step = self.images = self.words = 0
        self.spent = 0.0  # seconds, in earlier calls too
        self.last = None

    def tick(self):
        """To be called after each step. The first of a call costs nothing: in it pages are drawn and kernels are chosen,
        and it must not use up the warm-up."""
        now = time.monotonic()
        if self.last is not None:
            self.spent += min(now - self.last, LONGEST_STEP)
        self.last = now

    def seconds(self):
        return self.spent

    def share(self, step=None):
        if self.steps:
            return min(1.0, (self.step if step is None else step) / self.steps)
        return min(1.0, self.seconds() / (self.minutes * 60))


class Log:
    """One line a minute: means of what was added since the last line, and where the time went."""

    def __init__(self, every):
        self.every = every * 60
        self.clear()

    def clear(self):
        self.sums, self.counts, self.images, self.words, self.waited = {}, {}, 0, 0, 0.0
        self.since = time.monotonic()

    def add(self, values, images, words, waited):
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach().float().mean()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.images += images
        self.words += words
        self.waited += waited

    def due(self):
        return time.monotonic() - self.since >= self.every

    def line(self, progress, rate, curve):
        """The line; its figures also go to the learning curve."""
        spent = time.monotonic() - self.since
        means = {name: float(value) / self.counts[name] for name, value in self.sums.items()}
        figures = '  '.join(f'{name} {value:.3f}' for name, value in means.items())
        text = (f'{progress.seconds() / 60:6.1f} min  step {progress.step:6d}  {progress.share():5.1%}  rate {rate:.1e}'
                f'  {self.images / spent:6.1f} crops/s  {self.words / spent:5.0f} words/s  '
                f'waiting for data {self.waited / spent:4.0%}  {figures}')
        if not all(np.isfinite(value) for value in means.values()):
            raise SystemExit(text + '\nthe loss is not finite: go on from the last state with a lower --rate')
        curve.add(progress.seconds() / 60, progress.step, means | {
            'rate': rate, 'crops a second': self.images / spent, 'words a second': self.words / spent})
        self.clear()
        return text


class Trainer:
    def __init__(self, arguments, photographs):
        self.arguments = arguments
        self.recipe = RECIPES[arguments.stage]
        self.device = torch.device(arguments.device)
        self.on_gpu = self.device.type == 'cuda'
        self.vocabulary = Vocabulary(self.recipe.vocabulary) if self.recipe.vocabulary else None
        torch.manual_seed(arguments.seed)
        self.model = PanPP(18, self.vocabulary)
        self.state_path = arguments.out / 'state.pt'
        resumes = arguments.resume and self.state_path.exists()
        if arguments.init and not resumes:
            images = functools.partial(sample_inputs, photographs)
            print('starting from', '; '.join(initialise_from(self.model, arguments.init, images, arguments.partial)))
        self.frozen = self.recipe.frozen if arguments.freeze is None else FREEZE[arguments.freeze]
        self.model.freeze(self.frozen)
        if self.recipe.hold_statistics:
            self.model.hold_statistics()
        self.model.to(self.device, memory_format=torch.channels_last).train()
        self.forward = torch.compile(self.model) if arguments.compile else self.model
        rate = arguments.rate or self.recipe.rate(arguments.batch)
        # a part of the training alone
        self.speller = Speller(NECK_CHANNELS, self.vocabulary).to(self.device) if self.vocabulary else None
        self.optimiser = make_optimiser(self.model, self.speller, self.recipe, rate, self.on_gpu)
        self.average = Average(self.model, self.recipe.average)
        self.progress = Progress(arguments)
        if resumes:
            self.restore()
        # what is frozen is folded once, and kept in the precision it is run in
        self.type = torch.bfloat16 if arguments.precision == 'bfloat16' else torch.float32
        self.folded = folded_copy(self.model).to(self.type) if self.frozen else None

    def save(self):
        save_atomically({'stage': self.arguments.stage, 'step': self.progress.step,
                         'seconds': self.progress.seconds(), 'images': self.progress.images,
                         'words': self.progress.words, 'model': self.model.state_dict(),
                         'average': self.average.values, 'updates': self.average.updates,
                         'speller': self.speller.state_dict() if self.speller else None,
                         'optimiser': self.optimiser.state_dict(), 'random': torch.get_rng_state(),
                         'random_cuda': torch.cuda.get_rng_state(self.device) if self.on_gpu else None},
                        self.state_path)

    def restore(self):
        state = torch.load(self.state_path, map_location='cpu')
        if state['stage'] != self.arguments.stage:
            raise SystemExit(f'{self.state_path} is of the stage {state["stage"]}: start from it with --init and '
                             f'another --out')
        self.model.load_state_dict(state['model'])
        self.average.values = {name: tensor.to(self.device) for name, tensor in state['average'].items()}
        self.average.updates = state['updates']
        if self.speller:
            self.speller.load_state_dict(state['speller'])
        self.optimiser.load_state_dict(state['optimiser'])
        for group in self.optimiser.param_groups:  # the call before may have been on another device
            group['fused'] = self.on_gpu or None
        torch.set_rng_state(state['random'])
        if self.on_gpu and state.get('random_cuda') is not None:
            torch.cuda.set_rng_state(state['random_cuda'], self.device)
        self.progress.step, self.progress.spent = state['step'], state['seconds']
        self.progress.images, self.progress.words = state.get('images', 0), state.get('words', 0)
        print(f'resumed at step {state["step"]}, after {state["seconds"] / 60:.1f} minutes')

    def network(self, image, detects=None):
        """The detection map (of the images that `detects` names) and the recognition features; what is frozen runs
        folded."""
        known = ()
        if self.frozen == 'layer1':
            known = (self.folded.backbone.lower(image.to(self.type)),)
        elif self.frozen == 'backbone':
            known = self.folded.backbone(image.to(self.type))
        with self.low_precision():
            return self.forward(image, known, detects)

    def losses(self, image, labels, batch):
        """The total loss and its parts, as one dict of tensors."""
        detects = batch['detects']
        detection, features = self.network(image, detects)
        total, values = 0.0 * detection.float().sum(), {}
        if detects.any():
            values = losses_of_detection(detection, labels, detects)
            total = total + (values['loss_text'] + values['loss_kernels'] + values['loss_emb']).mean()
        if features is not None:
            chosen = slice(None, self.recipe.words)
            regions, tokens, fold = batch['regions'][chosen], batch['tokens'][chosen], batch['fold'][chosen]
            if len(regions):
                memory = masked_roi(features, labels['instance'], regions)
                values |= self.reading_losses(memory, tokens, fold, self.windows(batch, regions, image.shape[2:]))
                total = total + self.recipe.recognition_weight * self.reading_total(values)
        return total, values

    def windows(self, batch, regions, size):
        """Where the attention should be and what the speller sees: 2 x words x tokens x 256."""
        places = batch['places'][:len(regions)]
        return torch.stack([guide_windows(places, regions, *size), guide_windows(places, regions, *size, SPELLED)])

    def reading_losses(self, memory, tokens, fold, windows):
        """The losses and the share of tokens that are right, from words' 8 x 32 features."""
        tokens = tokens[:, :int((tokens != self.vocabulary.pad).sum(1).max())]  # to the longest word
        with self.low_precision():
            unknown = self.recipe.unknown if self.model.training else 0
            logits, attention = self.model.rec_head.decode(memory, tokens, unknown)
        attended, spelled = windows[:, :, :tokens.shape[1]]
        loss_spell, spelled_right = self.speller(memory, spelled, tokens, fold)
        return {'loss_rec': recognition_loss(logits, tokens, self.vocabulary, fold),
                'loss_guide': guide_loss(attention, attended, tokens != self.vocabulary.pad),
                'loss_spell': loss_spell, 'spelled': spelled_right,
                'token_accuracy': token_accuracy(logits, tokens, self.vocabulary, fold)}

    def reading_total(self, values):
        guide = self.recipe.guide_weight * (1 - self.progress.share())
        return values['loss_rec'] + guide * (values['loss_guide'] + values['loss_spell'])

    def low_precision(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.arguments.precision == 'bfloat16')

    def step(self, batch, photographs):
        """One batch's update. Returns the values for the log, and how many words were read."""
        image, labels, batch = assemble(batch, photographs, self.device)
        total, values = self.losses(image, labels, batch)
        self.update(total)
        return values, min(len(batch.get('tokens', ())), self.recipe.words)

    def update(self, total):
        factor = self.recipe.rate_factor(self.progress.share())
        for group in self.optimiser.param_groups:
            group['lr'] = group['base'] * factor
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.average.update(self.model)
        self.progress.step += 1

    def run(self, loader, photographs):
        log, curve = Log(self.arguments.log_every), Curve(self.arguments.out)
        saved = call_started = time.monotonic()
        batches = iter(loader)
        while self.progress.share() < 1 and not stop_requested():
            asked = time.monotonic()
            batch = next(batches)
            waited = time.monotonic() - asked
            values, words = self.step(batch, photographs)
            self.progress.tick()
            self.progress.images += len(batch['photograph'])
            self.progress.words += words
            log.add(values, len(batch['photograph']), words, waited)
            if log.due():
                print(log.line(self.progress, self.optimiser.param_groups[0]['lr'], curve), flush=True)
            if time.monotonic() - saved > self.arguments.save_every * 60:
                self.save()
                saved = time.monotonic()
            if time.monotonic() - call_started > self.arguments.stop_after * 60:
                break
        if log.images:
            print(log.line(self.progress, self.optimiser.param_groups[0]['lr'], curve), flush=True)
        self.save()

    def finish(self, held_out):
        """Writes the averaged weights and measures them on held-out photographs."""
        torch.backends.cudnn.benchmark = False  # photographs have many sizes
        self.model.load_state_dict(self.average.values)
        save_checkpoint(self.arguments.out / 'weights.pth.tar', self.average.values, self.progress.step)
        print_held_out(self.model, held_out, self.arguments.measure, self.device)


class ReadingTrainer(Trainer):
    """The recognition head on the frozen network: every batch of crops is seen once by the network, its words several
    times by the head."""

    def __init__(self, arguments, photographs):
        super().__init__(arguments, photographs)
        self.buffer = WordBuffer(WORDS_KEPT)
        self.batches = 0

    @torch.no_grad()
    def see(self, batch, photographs):
        """The words of a batch as the network sees them."""
        image, labels, batch = assemble(batch, photographs, self.device)
        return keep_words(self.folded.features(image.to(self.type)), labels['instance'], batch['regions'],
                          batch['tokens'], batch['fold'],
                          self.windows(batch, batch['regions'], image.shape[2:]).transpose(0, 1))

    @torch.no_grad()
    def read_new(self, words):
        """The figures of words that have not been learnt from: how well the head reads, where the others also tell how
        well it remembers."""
        self.model.eval()
        values = self.read(words)
        self.model.train()
        return {f'{name}_new': value for name, value in values.items()}

    def step(self, batch, photographs):
        fresh = self.see(batch, photographs)
        new = self.read_new(fresh[:self.recipe.words]) if fresh else {}
        self.buffer.add(fresh)
        self.batches += 1
        if len(self.buffer.words) < WORDS_TO_BEGIN:
            if self.batches >= BATCHES_TO_BEGIN:
                raise SystemExit(f'{self.batches} batches held only {len(self.buffer.words)} words that can be read, '
                                 f'{WORDS_TO_BEGIN} are needed to begin: give --assets, larger crops, or other data')
            return new, 0
        updates = max(1, round(len(fresh) * self.recipe.uses / self.recipe.words))
        sums = {}
        for _ in range(updates):
            values = self.read(self.buffer.draw(self.recipe.words))
            self.update(self.reading_total(values))
            sums = {name: sums.get(name, 0) + value.detach() for name, value in values.items()}
        return {name: value / updates for name, value in sums.items()} | new, updates * self.recipe.words

    def read(self, words):
        memory = memory_of(self.model.rec_head, words)
        return self.reading_losses(memory, torch.stack([word.tokens for word in words]),
                                   torch.stack([word.fold for word in words]),
                                   torch.stack([word.windows for word in words], dim=1).float())


def losses_of_detection(detection, labels, detects):
    """`detection_losses` of the map of those images of a batch that teach detection."""
    labels = {name: maps[detects] for name, maps in labels.items()}
    size = labels['text'].shape[1:]
    return detection_losses(F.interpolate(detection.float(), size=size, mode='bilinear', align_corners=False), **labels)


STOP = []


def stop_requested():
    return bool(STOP)


def main():
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: STOP.append(True))
    used, held_out = load_photographs(arguments.data)
    store = PixelStore(used, arguments.cache, threads=os.cpu_count() or 1)
    kind = ReadingTrainer if RECIPES[arguments.stage].frozen == 'network' else Trainer
    trainer = kind(arguments, used)
    assets = Assets(arguments.assets) if arguments.assets else None
    crops = Crops(trainer.recipe.crops(arguments.crop), used, store, assets, arguments.seed)
    plan = BatchPlan(arguments.batch, trainer.progress.step,
                     lambda number: trainer.progress.share(number if arguments.steps else None))
    loader = make_loader(crops, plan, arguments.workers, trainer.on_gpu)
    photographs = Photographs(store, trainer.device)
    print(f'{len(used)} photographs, {len(held_out)} held out, crops {arguments.crop}, batch {arguments.batch}, '
          f'{arguments.precision}, {trainer.device}, {arguments.workers} workers', flush=True)
    trainer.run(loader, photographs)
    if trainer.progress.share() >= 1:
        trainer.finish(held_out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
