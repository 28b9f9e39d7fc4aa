"""From the detection map to regions: pixel aggregation and boxes (arXiv 2105.00405).

For measuring models while they are trained, in NumPy and OpenCV; images are read by the engine itself in the product.
"""
from dataclasses import dataclass

import cv2
import numpy as np

DISTANCE = 3.0
AREA_RATIO = 1024  # kernels in one text component that differ by more than this are told apart by their embedding


@dataclass(frozen=True)
class Settings:
    short_side: int
    min_score: float
    min_area: float
    min_kernel_area: float
    shape: str  # 'rect' or 'poly'
    scale: int = 4  # the map is at 1 / scale of the image's size


IC15 = Settings(736, 0.85, 260, 2.6, 'rect')
TOTAL_TEXT = Settings(640, 0.87, 16, 2.6, 'poly')


def components(mask):
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return count, labels


def flagged_kernels(kernels, kept, text_components, areas):
    """Numbers of kernels that share a text component with one more than AREA_RATIO times larger or smaller."""
    flat = kernels.ravel()
    first = {number: int(np.argmax(flat == number)) for number in kept}
    by_component = {}
    for number in kept:
        by_component.setdefault(int(text_components.ravel()[first[number]]), []).append(number)
    return {a for group in by_component.values() for a in group for b in group
            if areas[a] > AREA_RATIO * areas[b] or areas[b] > AREA_RATIO * areas[a]}


def aggregate(text, kernel, embedding, min_kernel_area):
    """Grow kernels over the text region. text, kernel: bool H x W; embedding: 4 x H x W float. Returns labels H x W."""
    kernel = kernel & text
    embedding = np.where(text, embedding, 0).astype(np.float32)
    count, kernels = components(kernel)
    _, text_components = components(text)
    areas = np.bincount(kernels.ravel(), minlength=count)
    kept = [number for number in range(1, count) if areas[number] >= min_kernel_area]
    labels = np.where(np.isin(kernels, kept), kernels, 0)
    flagged = np.zeros(count, bool)
    means = np.zeros((count, len(embedding)), np.float32)
    for number in flagged_kernels(kernels, kept, text_components, areas):
        flagged[number] = True
        means[number] = embedding[:, kernels == number].mean(1)
    return grow(labels, text, embedding, flagged, means)


def grow(labels, text, embedding, flagged, means):
    """Breadth first, in the order of one queue: a pixel goes to the earliest queued neighbour that accepts it."""
    height, width = labels.shape
    padded = np.pad(labels, 1)
    free = np.pad(text, 1) & (padded == 0)
    vectors = np.pad(embedding, ((0, 0), (1, 1), (1, 1))).reshape(len(embedding), -1)
    padded, free = padded.ravel(), free.ravel()
    directions = np.array([-(width + 2), width + 2, -1, 1])  # up, down, left, right
    queue = np.flatnonzero(padded)
    while len(queue):
        target = (queue[:, None] + directions).ravel()  # in the order in which a single queue would look at them
        owner = np.repeat(padded[queue], 4)
        accepted = free[target]
        far = np.linalg.norm(vectors[:, target] - means[owner].T, axis=0) > DISTANCE
        accepted &= ~(flagged[owner] & far)
        target, owner = target[accepted], owner[accepted]
        _, winner = np.unique(target, return_index=True)
        winner.sort()
        queue = target[winner]
        padded[queue] = owner[winner]
        free[queue] = False
    return padded.reshape(height + 2, width + 2)[1:-1, 1:-1].copy()


def outline(mask, shape):
    """A region's polygon in (x, y) pixels of the mask."""
    if shape == 'rect':
        rows, columns = np.nonzero(mask)
        points = np.stack([columns, rows], axis=1).astype(np.int32)
        return cv2.boxPoints(cv2.minAreaRect(points))
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return contours[0][:, 0].astype(np.float32)


def regions(detection, settings, image_size, original_size):
    """Detections of one image.

    detection: 6 x H/scale x W/scale raw map; image_size, original_size: (height, width) as seen by the network and as
    decoded.
    Returns ([(label, polygon in pixels of the original, truncated to integers, score)], label map at image_size).
    """
    scores = 1 / (1 + np.exp(-detection[0].astype(np.float64)))
    least_kernel = settings.min_kernel_area / settings.scale ** 2
    labels = aggregate(detection[0] > 0, detection[1] > 0, detection[2:], least_kernel)
    labels = cv2.resize(labels.astype(np.int32), image_size[::-1], interpolation=cv2.INTER_NEAREST)
    scores = cv2.resize(scores, image_size[::-1], interpolation=cv2.INTER_NEAREST)
    ratio = np.array([original_size[1] / image_size[1], original_size[0] / image_size[0]])
    areas = np.bincount(labels.ravel())
    found = []
    for label in range(1, len(areas)):
        if areas[label] == 0 or areas[label] < settings.min_area / settings.scale ** 2:
            continue
        mask = labels == label
        score = float(scores[mask].mean())
        if score < settings.min_score:
            continue
        polygon = np.trunc(outline(mask, settings.shape) * ratio).astype(np.int64)
        found.append((label, polygon, score))
    return found, labels


def resized_shape(height, width, short_side):
    """The network's input size: short side as asked, both sides raised to multiples of 32."""
    scale = short_side / min(height, width)
    return tuple(-(-int(np.floor(side * scale + 0.5)) // 32) * 32 for side in (height, width))
