#!/usr/bin/env python3
"""Packs training data and assets into archives of a limited size, for a training machine that takes only small uploads.

  python3 pack_data.py --data DIR --assets DIR --out PARTS [--part-mib 40]
  there, for every part, in any order:   tar -xf part-NN.tar -C WORK

Every part is whole in itself. All of them unpacked give WORK/data (for --data) and WORK/assets (for --assets).
Validation images are not packed: nothing is trained on them.
"""
import argparse
import json
import tarfile
from pathlib import Path

from panpp_training.data import DATASETS


def listed_files(data, assets):
    """(file, name in the archive) of everything a training reads."""
    for dataset in DATASETS:
        index = data / dataset / 'train.jsonl'
        if not index.exists():
            raise SystemExit(f'{index} is missing')
        yield index, f'data/{dataset}/train.jsonl'
        for line in index.read_text(encoding='utf-8').splitlines():
            image = json.loads(line)['image']
            yield data / dataset / image, f'data/{dataset}/{image}'
    for path in sorted(path for path in assets.rglob('*') if path.is_file()):
        yield path, f'assets/{path.relative_to(assets)}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--assets', type=Path, required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--part-mib', type=float, default=40)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    limit = arguments.part_mib * 2 ** 20
    archive, parts = None, []
    for path, name in listed_files(arguments.data, arguments.assets):
        size = path.stat().st_size + 1536  # a header and padding
        if archive is None or archive.offset + size > limit - 10240:
            if archive:
                archive.close()
            parts.append(arguments.out / f'part-{len(parts):02d}.tar')
            archive = tarfile.open(parts[-1], 'w')
        archive.add(path, name)
    archive.close()
    for part in parts:
        print(f'{part}  {part.stat().st_size / 2 ** 20:.1f} MiB')


if __name__ == '__main__':
    main()
