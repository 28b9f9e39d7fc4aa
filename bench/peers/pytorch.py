#!/usr/bin/env python3
"""Times the same network in PyTorch, where a machine has it: one normalised image in, the head's map out.

  python3 bench/peers/pytorch.py [--sizes 320x320,736x1312] [--runs 20] [--json FILE]

As a user of PyTorch would run it: the model in evaluation mode, channels last, cuDNN's autotuning on. `device` is from
the input on the device to the map there; `wall` is from the image on the host to the map on the host, as the bench
times onnxruntime and ours. float32 is without TF32's rounding, as WGSL's float32 is; TF32 and half precision follow.
"""
import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'training'))
from panpp_training.model import PanPP  # noqa: E402

SIZES = '320x320,640x640,736x1312,1280x1280,2560x2560'
WARMUPS = 5


def modes(device):
    """Name, element type, whether TF32 may be used."""
    yield 'float32', torch.float32, False
    if device.type == 'cuda':
        yield 'TF32', torch.float32, True
        yield 'float16', torch.float16, False


def milliseconds(work, device, runs):
    times = []
    for run in range(runs + WARMUPS):
        if device.type == 'cuda':
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[WARMUPS:])


@torch.inference_mode()
def measure(height, width, dtype, device, runs):
    model = PanPP(18).eval().to(device, dtype, memory_format=torch.channels_last)
    image = torch.rand(1, 3, height, width)
    ready = image.to(device, dtype).contiguous(memory_format=torch.channels_last)

    def from_host_to_host():
        model(image.to(device, dtype).contiguous(memory_format=torch.channels_last))[0].float().cpu()

    return {
        'device': milliseconds(lambda: model(ready)[0], device, runs),
        'wall': milliseconds(from_host_to_host, device, runs),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--sizes', default=SIZES, help='height x width, separated by commas')
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    arguments = parser.parse_args()
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    name = torch.cuda.get_device_name() if device.type == 'cuda' else f'CPU, {torch.get_num_threads()} threads'
    torch.backends.cudnn.benchmark = True
    print(f'PyTorch {torch.__version__}, {name}; medians of {arguments.runs} runs, milliseconds')
    figures = []
    for size in arguments.sizes.split(','):
        height, width = map(int, size.split('x'))
        for mode, dtype, tf32 in modes(device):
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            times = measure(height, width, dtype, device, arguments.runs)
            figures.append({'height': height, 'width': width, 'mode': mode, **times})
            print(f'{size:>10} {mode:8} device {times["device"]:9.3f}  wall {times["wall"]:9.3f}', flush=True)
    if arguments.json:
        record = {'pytorch': torch.__version__, 'device': name, 'runs': arguments.runs, 'figures': figures}
        arguments.json.write_text(json.dumps(record, indent=1) + '\n')


if __name__ == '__main__':
    main()
