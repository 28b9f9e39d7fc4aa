"""Training labels of PAN++: instance map, kernel map, training mask and tight boxes from word polygons.

Text = the polygons filled; kernel = each polygon shrunk (shrink.py); instance = word number, later words on top;
the training mask is 0 on don't-care words (arXiv 2105.00405).
"""
import cv2
import numpy as np

from .shrink import shoelace, shrink

KERNEL_SCALE = 0.5
MAX_SHRINK = 20
MAX_WORDS = 200


def scale_polygon(polygon, from_size, to_size):
    """Coordinates divided by the old (width, height), times the new, truncated towards zero.

    So even at equal sizes x / w * w can fall just below x and give x - 1: that is part of the definition.
    """
    return np.trunc(np.asarray(polygon, dtype=np.float64) / from_size * to_size).astype(np.int64)


def shrink_offset(polygon):
    """Area * (1 - scale^2) / perimeter, rounded and capped: the distance by which a word is shrunk to its kernel."""
    points = np.asarray(polygon, dtype=np.float64)
    edges = np.roll(points, -1, axis=0) - points
    perimeter = np.hypot(edges[:, 0], edges[:, 1]).sum()
    area = abs(shoelace(points))
    return min(int(np.floor(area * (1 - KERNEL_SCALE ** 2) / (perimeter + 0.001) + 0.5)), MAX_SHRINK)


def kernel_polygon(polygon):
    """The shrunk word, or the word itself where nothing is left of it."""
    pieces = shrink(polygon, shrink_offset(polygon))
    return pieces[0] if pieces else np.asarray(polygon)


def fill(canvas, polygon, value):
    """Even-odd inside and all pixels of the outline, clipped."""
    cv2.drawContours(canvas, [np.asarray(polygon, dtype=np.int32)], -1, int(value), -1)


def draw_labels(polygons, ignored, height, width, with_kernel=None):
    """Label maps (uint8, height x width) of integer polygons: instances, kernels, training mask.

    polygons: arrays of points (x, y), at most MAX_WORDS of them are used; ignored: one bool each; with_kernel: one bool
    each, whose kernels are drawn (no loss looks at those of ignored words, and shrinking takes most of the time).
    """
    instances = np.zeros((height, width), np.uint8)
    kernels = np.zeros((height, width), np.uint8)
    mask = np.ones((height, width), np.uint8)
    for number, (polygon, is_ignored) in enumerate(zip(polygons[:MAX_WORDS], ignored)):
        fill(instances, polygon, number + 1)
        if is_ignored:
            fill(mask, polygon, 0)
        if with_kernel is None or with_kernel[number]:
            fill(kernels, kernel_polygon(polygon), 1)
    return instances, kernels, mask


def tight_boxes(instances, count):
    """Rows 0...count of (top, left, bottom, right), exclusive ends, of the pixels with that number; row 0 is zeros."""
    boxes = np.zeros((count + 1, 4), np.int32)
    for number in range(1, count + 1):
        found = instances == number
        rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
        if len(rows):
            boxes[number] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return boxes
