"""Makes tests/data/eval/polygon_pairs.json.gz: pairs of random polygons with their intersection's area, by shapely.

Inside means the even-odd rule for each polygon on its own. All edges are noded and polygonised; the faces whose inner
point is inside both polygons are added up. Debian's python3-shapely is enough: python3 make_polygon_pairs.py OUTPUT
"""
import gzip
import json
import math
import random
import sys

from shapely.geometry import LineString
from shapely.ops import polygonize, unary_union

PAIRS = 4000
random.seed(7)


def is_inside(x, y, ring):
    inside = False
    for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1]):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def intersection_area(a, b):
    edges = [LineString([p, q]) for ring in (a, b) for p, q in zip(ring, ring[1:] + ring[:1]) if p != q]
    if not edges:
        return 0
    faces = ((face, face.representative_point()) for face in polygonize(unary_union(edges)))
    return math.fsum(face.area for face, p in faces if is_inside(p.x, p.y, a) and is_inside(p.x, p.y, b))


def integers(count, size):
    return [(random.randint(0, size), random.randint(0, size)) for _ in range(count)]


def ring(kind):
    size = random.choice([8, 30, 100, 1000])
    count = random.choice([3, 4, 4, 4, 5, 6, 8, 10, 14, 14, 20])
    if kind == 'integer':
        return integers(count, size)
    if kind == 'fraction':
        return [(round(random.uniform(-size, size), 3), round(random.uniform(-size, size), 3)) for _ in range(count)]
    if kind == 'repeated':
        return [p for p in integers(count, size) for _ in range(random.choice([1, 1, 2, 3]))]
    if kind == 'wound':
        return integers(random.choice([3, 4, 5]), size) * random.choice([2, 3])
    if kind == 'spike':
        corners = integers(random.choice([3, 4, 5]), size)
        at = random.randrange(len(corners))
        return corners[: at + 1] + integers(1, size) + corners[at:]
    if kind == 'grid':  # many shared and collinear edges
        return integers(count, random.choice([3, 4, 5]))
    if kind == 'text':  # a curved word
        x, y = random.uniform(0, 600), random.uniform(0, 600)
        width, height = random.uniform(20, 300), random.uniform(8, 60)
        bend, turn = random.uniform(-0.003, 0.003), random.uniform(0, 6.28)
        steps = random.choice([2, 3, 5, 7])
        along = [width * (i / (steps - 1) - 0.5) for i in range(steps)]
        half = height / 2
        outline = [(u, bend * u * u - half) for u in along] + [(u, bend * u * u + half) for u in along[::-1]]
        cos, sin = math.cos(turn), math.sin(turn)
        return [(int(x + u * cos - v * sin), int(y + u * sin + v * cos)) for u, v in outline]
    if random.random() < 0.3:
        return integers(1, size) * 4
    if random.random() < 0.5:
        return (integers(2, size) * 2)[: random.choice([2, 3, 4])]
    return [(x, 5) for x, _ in integers(count, size)]


KINDS = ['integer', 'fraction', 'repeated', 'wound', 'spike', 'grid', 'text']


def pair():
    kind = random.choice(KINDS) if random.random() < 0.97 else 'degenerate'
    a = ring(kind)
    choice = random.random()
    if choice < 0.6:
        return a, ring(random.choice([kind, kind, random.choice(KINDS)]))
    if choice < 0.8:  # a moved copy
        by = random.choice([0, 1, 3])
        return a, [(x + random.randint(-by, by), y + random.randint(-by, by)) for x, y in a]
    if choice < 0.9:
        return a, a[::-1]
    shared = [p for p in a if random.random() < 0.7] + integers(random.choice([0, 1, 2]), 30)
    return a, shared if len(shared) > 2 else a


def main():
    rows = [{'a': a, 'b': b, 'area': intersection_area(a, b)} for a, b in (pair() for _ in range(PAIRS))]
    with open(sys.argv[1], 'wb') as out:
        out.write(gzip.compress(json.dumps(rows, separators=(',', ':')).encode(), 9, mtime=0))


main()
