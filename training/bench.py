#!/usr/bin/env python3
"""Measures a training step, the data pipeline and the plain forward pass, and prints where the time goes.

  python3 bench.py --data DIR --assets DIR [--stage joint] [--batch 32 --crop 640] [--compile] [--profile]

Prints: samples a second from the workers alone; the parts of a step (each with the device synchronised, so their sum is
a little more than a step); whole steps as train.py runs them, in crops a second; the forward pass at 736 x 1312, one
image at a time, in float32 and half precision (the figure to set beside the engine's). --profile lists the
costliest operations of a step.
"""
import argparse
import os
import statistics
import time
from pathlib import Path

import cv2
import torch

from panpp_training.augment import Photographs, assemble
from panpp_training.data import BatchPlan, Crops, PixelStore, load_photographs, make_loader
from panpp_training.model import PanPP
from panpp_training.synthetic import Assets
from train import FREEZE, Trainer, losses_of_detection

FORWARD_SIZE = (736, 1312)


def parse_arguments():
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--assets', type=Path)
    parser.add_argument('--cache', type=Path, required=True)
    parser.add_argument('--stage', choices=('detection', 'joint'), default='detection')
    parser.add_argument('--freeze', choices=FREEZE)
    parser.add_argument('--batch', type=int, default=32 if on_gpu else 4)
    parser.add_argument('--crop', type=int, default=640 if on_gpu else 320)
    parser.add_argument('--steps', type=int, default=30 if on_gpu else 3)
    parser.add_argument('--device', default='cuda' if on_gpu else 'cpu')
    parser.add_argument('--precision', choices=('float32', 'bfloat16'), default='bfloat16' if on_gpu else 'float32')
    parser.add_argument('--workers', type=int, default=max(1, (os.cpu_count() or 1) - 2))
    parser.add_argument('--compile', action='store_true')
    parser.add_argument('--profile', action='store_true')
    parser.add_argument('--forward-only', action='store_true')
    arguments = parser.parse_args()
    for name, value in {'seed': 1, 'rate': None, 'init': None, 'partial': False, 'resume': False, 'minutes': None,
                        'out': arguments.cache}.items():
        setattr(arguments, name, value)
    return arguments


def synchronise(device):
    if device.type == 'cuda':
        torch.cuda.synchronize()


class Stopwatch:
    """Seconds by name."""

    def __init__(self, device):
        self.device, self.times = device, {}

    def __call__(self, name, work):
        synchronise(self.device)
        start = time.perf_counter()
        result = work()
        synchronise(self.device)
        self.times.setdefault(name, []).append(time.perf_counter() - start)
        return result

    def report(self):
        for name, seconds in self.times.items():
            print(f'  {name:22s} {statistics.median(seconds) * 1e3:9.2f} ms')


def measure_parts(trainer, batches, photographs, steps):
    watch = Stopwatch(trainer.device)
    for number in range(steps + 2):
        if number == 2:
            watch.times.clear()
        batch = next(batches)
        image, labels, batch = watch('assemble', lambda: assemble(batch, photographs, trainer.device))

        detection, _ = watch('network, forward', lambda: trainer.network(image, batch['detects']))
        if batch['detects'].any():
            watch('detection losses', lambda: losses_of_detection(detection.detach(), labels, batch['detects']))
        total, _ = watch('forward and losses', lambda: trainer.losses(image, labels, batch))
        trainer.optimiser.zero_grad(set_to_none=True)
        watch('backward', total.backward)
        watch('clip, optimiser', lambda: (torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 5.0),
                                          trainer.optimiser.step()))
        watch('average of weights', lambda: trainer.average.update(trainer.model))
    watch.report()


def measure_steps(trainer, batches, photographs, steps):
    synchronise(trainer.device)
    start, waited = time.perf_counter(), 0.0
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        trainer.step(batch, photographs)
    synchronise(trainer.device)
    spent = time.perf_counter() - start
    print(f'whole steps: {trainer.arguments.batch * steps / spent:.1f} crops/s, {spent / steps * 1e3:.1f} ms a step, '
          f'waiting for data {waited / spent:.0%}')
    if trainer.on_gpu:
        print(f'memory: {torch.cuda.max_memory_allocated() / 2 ** 30:.1f} GiB at most')


def measure_loader(batches, batch_size, count):
    for _ in range(3):
        next(batches)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    print(f'workers alone: {batch_size * count / (time.perf_counter() - start):.1f} samples/s')


@torch.no_grad()
def measure_forward(device, repeats):
    """One image at a time, batch norms folded by nobody: what PyTorch does with the model as it stands."""
    model = PanPP(18).eval().to(device, memory_format=torch.channels_last)
    image = torch.rand(1, 3, *FORWARD_SIZE, device=device).contiguous(memory_format=torch.channels_last)
    for name, dtype in (('float32', torch.float32), ('float16' if device.type == 'cuda' else 'bfloat16', None)):
        low = torch.float16 if device.type == 'cuda' else torch.bfloat16
        model, x = model.to(dtype or low), image.to(dtype or low)
        times = []
        for _ in range(repeats + 3):
            synchronise(device)
            start = time.perf_counter()
            model(x)
            synchronise(device)
            times.append(time.perf_counter() - start)
        middle = statistics.median(times[3:]) * 1e3
        print(f'forward {FORWARD_SIZE[0]} x {FORWARD_SIZE[1]}, {name}: median {middle:.2f} ms')


def profile_step(trainer, batches, photographs):
    activities = [torch.profiler.ProfilerActivity.CPU]
    if trainer.on_gpu:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(3):
            trainer.step(next(batches), photographs)
        synchronise(trainer.device)
    order = 'self_cuda_time_total' if trainer.on_gpu else 'self_cpu_time_total'
    print(profile.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60))


def main():
    arguments = parse_arguments()
    cv2.setNumThreads(1)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = torch.device(arguments.device)
    print(f'PyTorch {torch.__version__}, '
          f'{torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"}')
    measure_forward(device, 20 if device.type == 'cuda' else 2)
    if arguments.forward_only:
        return
    steps = arguments.steps
    arguments.steps, arguments.minutes = None, 1e6
    used, _ = load_photographs(arguments.data)
    store = PixelStore(used, arguments.cache, os.cpu_count() or 1)
    trainer = Trainer(arguments, used)
    trainer.progress.started = time.monotonic()
    assets = Assets(arguments.assets) if arguments.assets else None
    crops = Crops(trainer.recipe.crops(arguments.crop), used, store, assets, 1)
    loader = make_loader(crops, BatchPlan(arguments.batch, 0, lambda _: 0.0), arguments.workers, trainer.on_gpu)
    photographs = Photographs(store, device)
    batches = iter(loader)
    print(f'{arguments.stage}: batch {arguments.batch}, crops {arguments.crop}, {arguments.precision}')
    measure_loader(batches, arguments.batch, 3 * steps if trainer.on_gpu else steps)
    measure_parts(trainer, batches, photographs, steps)
    measure_steps(trainer, batches, photographs, steps)
    if arguments.profile:
        profile_step(trainer, batches, photographs)


if __name__ == '__main__':
    main()
