"""Words on pictures, and where a training crop is cut from one: affine maps, 2 x 3 matrices that act on (x, y, 1)."""
import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Word:
    polygon: np.ndarray  # points x 2, (x, y)
    text: str | None  # None: don't care
    case_unknown: bool = False  # the transcription is folded to one case
    borders: np.ndarray | None = None  # where drawn characters begin and the last one ends, 0...1 along the word


def invert(matrix):
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def apply(matrix, points):
    return np.asarray(points, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def crop_map(centre, scale, angle, flip, size):
    """The map from a picture to a size x size crop: `centre` goes to the crop's middle, scaled by (sx, sy), turned by
    `angle` (radians), mirrored if `flip`."""
    cosine, sine = math.cos(angle), math.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag(scale)
    if flip:
        linear = np.diag([-1.0, 1.0]) @ linear
    offset = np.full(2, size / 2) - linear @ np.asarray(centre, dtype=np.float64)
    return np.hstack([linear, offset[:, None]])


def pixel_centres(matrix):
    """The same map for pixel numbers instead of coordinates (pixel 0 has its centre at 0.5)."""
    half = np.array([0.5, 0.5])
    offset = matrix[:, :2] @ half + matrix[:, 2] - half
    return np.hstack([matrix[:, :2], offset[:, None]])


def short_side(polygon):
    """About the height of a word: twice the area over half the perimeter, which is exact for long thin rectangles."""
    points = np.asarray(polygon, dtype=np.float64)
    following = np.roll(points, -1, axis=0)
    area = abs(np.dot(points[:, 0], following[:, 1]) - np.dot(points[:, 1], following[:, 0])) / 2
    half = np.hypot(*(following - points).T).sum() / 2
    root = math.sqrt(max(half * half - 4 * area, 0.0))
    return (half - root) / 2
