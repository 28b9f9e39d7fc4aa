"""PAN++'s detection losses, for a whole batch at once (arXiv 2105.00405; arXiv 1908.05900).

Every loss is computed image by image and then averaged over the batch. Shapes: detection map batch x 6 x H x W (raw,
at the labels' size), label maps batch x H x W. `mask` is the training mask: 0 on words that don't count.

Two things are arranged for speed without changing the result: the hard-negative threshold, an order statistic of
all non-text scores, is found by bisection on the bits of the floats instead of sorting; the instance-vector loss
gathers the text pixels and sums them by instance number.
"""
import torch
from torch.nn import functional as F

TEXT_WEIGHT, KERNEL_WEIGHT, EMBEDDING_WEIGHT = 1.0, 0.5, 0.25
NEGATIVE_RATIO = 3
PULL_MARGIN, PUSH_MARGIN = 0.5, 3.0
BACKGROUND_PIXELS = 100  # an image, in the push term
BACKGROUND_CANDIDATES = 8192  # random positions looked at to find them
INSTANCES = 256  # numbers an image can use, 0 is background
SMOOTH = 1e-3


def ordered_bits(x):
    """float32 to int32 so that the order of the numbers is kept."""
    bits = x.contiguous().view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def nth_largest(scores, candidates, n):
    """Per row, whether each score is >= the n-th largest of the candidates. Rows with n = 0 are all false.

    scores: rows x pixels float32; candidates: bool of that shape; n: rows, at most the number of candidates.
    """
    bits = ordered_bits(scores + 0.0)  # -0.0 becomes 0.0: they are one number
    lowest = torch.iinfo(torch.int32).min
    eligible = torch.where(candidates, bits, torch.full_like(bits, lowest))
    low = torch.full_like(n, lowest, dtype=torch.int64)
    high = torch.full_like(low, torch.iinfo(torch.int32).max)
    for _ in range(32):  # invariant: count(>= low) >= n > count(> high)
        middle = (low + high + 1) >> 1
        enough = (eligible >= middle.to(torch.int32)[:, None]).sum(1) >= n
        low = torch.where(enough, middle, low)
        high = torch.where(enough, high, middle - 1)
    return (bits >= low.to(torch.int32)[:, None]) & (n > 0)[:, None]


def hard_negative_mask(scores, text, mask):
    """Text pixels and the hardest non-text pixels, three to a positive, where the training mask is set.

    All arguments rows x pixels; returns float32. Rows without positives or without background keep the whole mask.
    """
    positive = (text & mask).sum(1)
    negative = (~text).sum(1)
    chosen = torch.minimum(NEGATIVE_RATIO * positive, negative)
    selected = (nth_largest(scores.detach().float(), ~text, chosen) | text) & mask
    return torch.where((chosen > 0)[:, None], selected, mask).float()


def dice_loss(logits, target, mask):
    """1 - dice coefficient with squared denominators, per row (rows x pixels)."""
    prediction = logits.sigmoid() * mask
    target = target * mask
    overlap = (prediction * target).sum(1)
    total = (prediction * prediction).sum(1) + (target * target).sum(1)
    return 1 - 2 * overlap / (total + 2 * SMOOTH)


def binary_iou(logits, target, mask):
    """Mean IoU of the classes text and background inside the mask, per row; a figure for the log."""
    prediction = logits > 0
    ious = []
    for predicted, true in ((~prediction, ~target), (prediction, target)):
        both = (predicted & true & mask).sum(1).float()
        either = ((predicted | true) & mask).sum(1).float()
        ious.append(both / (either + 1e-6))
    return (ious[0] + ious[1]) / 2


def shuffled(pixels, device):
    return torch.randperm(pixels, device=device)[:BACKGROUND_CANDIDATES]


def hinge(distance, margin, sign):
    """log(1 + max(0, sign * (distance - margin))^2)"""
    return torch.log1p(F.relu(sign * (distance - margin)) ** 2)


def embedding_loss(embedding, instance, kernel, mask, positions=shuffled):
    """The instance-vector loss, per image.

    embedding  batch x 4 x pixels
    instance   batch x pixels, 0...255; kernel, mask: bool
    positions  gives the order in which pixels are looked at for background samples

    Masked words are background here. A label is a distinct value of instance x kernel; the first one, normally the
    background, takes no part in the pull and instance-to-instance terms, whatever it is (so where no pixel is
    background the first word is left out: the authors' arithmetic).
    """
    batch, width, pixels = embedding.shape
    device = embedding.device
    instance = torch.where(mask, instance.long(), torch.zeros((), dtype=torch.long, device=device))
    core = torch.where(kernel, instance, torch.zeros_like(instance))

    image, pixel = instance.nonzero(as_tuple=True)
    vectors = embedding[image, :, pixel].float()
    slot = image * INSTANCES + instance[image, pixel]
    in_core = core[image, pixel] > 0

    def by_instance(values, weights):
        sums = values.new_zeros(batch * INSTANCES, values.shape[1])
        return sums.index_add(0, slot, values * weights[:, None].to(values.dtype))

    ones = vectors.new_ones(len(slot), 1)
    core_area = by_instance(ones, in_core)
    area = by_instance(ones, torch.ones_like(in_core))
    means = by_instance(vectors, in_core) / core_area.clamp(min=1)

    is_label = core_area.view(batch, INSTANCES) > 0
    has_background = (core == 0).any(1)
    first = is_label.float().argmax(1, keepdim=True)
    in_terms = is_label.scatter(1, first, is_label.gather(1, first) & has_background[:, None])
    count = in_terms.sum(1)
    labels = is_label.sum(1) + has_background
    active = labels > 1

    distance = (vectors - means.index_select(0, slot)).norm(dim=1)
    pull = by_instance(hinge(distance, PULL_MARGIN, 1)[:, None], torch.ones_like(in_core)) / area.clamp(min=1)
    pull = (pull.view(batch, INSTANCES) * in_terms).sum(1) / count.clamp(min=1)

    used = int(is_label.nonzero()[:, 1].max()) + 1 if is_label.any() else 1
    means = means.view(batch, INSTANCES, width)[:, :used]
    is_label, in_terms = is_label[:, :used], in_terms[:, :used]

    pair = in_terms[:, :, None] & in_terms[:, None, :] & ~torch.eye(used, dtype=torch.bool, device=device)
    between = hinge((means[:, :, None] - means[:, None, :]).norm(dim=3), PUSH_MARGIN, -1) * pair

    order = positions(pixels, device)
    background = instance[:, order] == 0
    background &= background.cumsum(1) <= BACKGROUND_PIXELS
    row, rank = sample_rows(background)
    sampled = embedding.new_zeros(batch, BACKGROUND_PIXELS, width, dtype=torch.float32)
    source = order[background.nonzero(as_tuple=True)[1]]
    sampled = sampled.index_put((row, rank), embedding[row, :, source].float())
    present = torch.arange(BACKGROUND_PIXELS, device=device) < background.sum(1, keepdim=True)
    to_background = hinge((means[:, :, None] - sampled[:, None]).norm(dim=3), PUSH_MARGIN, -1) * present[:, None]
    to_background = to_background.sum(2) / present.sum(1, keepdim=True).clamp(min=1)
    to_background = to_background * is_label
    terms = pair.sum((1, 2)) + torch.where(present.any(1), is_label.sum(1), torch.zeros_like(count))
    push = (between.sum((1, 2)) + to_background.sum(1)) / terms.clamp(min=1) * (labels > 2)

    size = torch.log1p(means.norm(dim=2)) * is_label
    regularisation = 0.001 * size.sum(1) / labels.clamp(min=1)
    return (pull + push + regularisation) * active


def sample_rows(chosen):
    """For each true element of a bool matrix in row order: its row, and its rank among the row's true elements."""
    row, column = chosen.nonzero(as_tuple=True)
    return row, chosen.cumsum(1)[row, column] - 1


def detection_losses(detection, text, instance, kernel, mask, positions=shuffled):
    """All losses, weighted, and figures for the log.

    detection: batch x 6 x H x W raw map at the labels' size (float32); instance: integers;
    text, kernel, mask: bool (text is where an instance is, unless a test says otherwise).
    Returns a dict of per-image values: loss_text, loss_kernels, loss_emb, iou_text, iou_kernel.
    """
    flat = detection.flatten(2)
    text, instance, kernel, mask = (labels.flatten(1) for labels in (text, instance, kernel, mask))
    selected = hard_negative_mask(flat[:, 0], text, mask)
    inside = text & mask
    return {
        'loss_text': TEXT_WEIGHT * dice_loss(flat[:, 0], text.float(), selected),
        'loss_kernels': KERNEL_WEIGHT * dice_loss(flat[:, 1], kernel.float(), inside.float()),
        'loss_emb': EMBEDDING_WEIGHT * embedding_loss(flat[:, 2:], instance, kernel, mask, positions),
        'iou_text': binary_iou(flat[:, 0].detach(), text, mask),
        'iou_kernel': binary_iou(flat[:, 1].detach(), kernel, inside),
    }
