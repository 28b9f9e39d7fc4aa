"""The recognition part of PAN++: masked RoI, attention encoder, LSTM-attention decoder (arXiv 2105.00405).

A word region's features are the 1/4 map, upsampled to the image's size, times the region's mask, cropped and resized to
8 x 32. Neither the image-size map nor the crops are ever made: every one of the 8 x 32 samples reads 4 image-size
positions, and each of those 4 positions of the 1/4 map, so a sample is a weighted sum of 16 rows of the map
(`masked_roi`), which `embedding_bag` computes in one kernel, forwards and backwards.
"""
import string
import warnings

import torch
from torch import nn
from torch.nn import functional as F

ROI_HEIGHT, ROI_WIDTH = 8, 32
MAX_TOKENS = 32
EOS, PAD, UNK = 'EOS', 'PAD', 'UNK'

CHARACTER_SETS = {
    'lowercase': string.digits + string.ascii_lowercase,
    'allcases': string.digits + string.ascii_letters,
    'allcases_symbols': string.digits + string.ascii_letters + string.punctuation,
}


class Vocabulary:
    """Token numbers: the characters in order, then EOS, PAD and UNK."""

    def __init__(self, name):
        self.name = name
        self.characters = CHARACTER_SETS[name]
        self.index = {character: i for i, character in enumerate(self.characters)}
        self.eos, self.pad, self.unk = (len(self.characters) + i for i in range(3))
        self.size = len(self.characters) + 3

    def encode(self, text):
        """MAX_TOKENS + 1 tokens: the text, EOS, padding. Text longer than MAX_TOKENS is cut and has no EOS."""
        tokens = [self.index.get(character, self.unk) for character in text][:MAX_TOKENS]
        tokens.append(self.eos if len(text) <= MAX_TOKENS else self.pad)
        return tokens + [self.pad] * (MAX_TOKENS + 1 - len(tokens))

    def decode(self, tokens):
        return ''.join(self.characters[t] for t in tokens if t < len(self.characters))

    def other_case(self):
        """For each token the token of the same letter in the other case; the token itself where there is none."""
        return torch.tensor([self.index.get(c.swapcase(), i) for i, c in enumerate(self.characters)]
                            + [self.eos, self.pad, self.unk])


class MultiHeadAttention(nn.Module):
    """Layer norm on the query only; keys and values come from the memory as it is; no residual."""

    def __init__(self, width, heads, dropout=0.1):
        super().__init__()
        self.heads = heads
        self.layer_norm = nn.LayerNorm(width, eps=1e-6)
        self.fc_q = nn.Linear(width, width)
        self.fc_k = nn.Linear(width, width)
        self.fc_v = nn.Linear(width, width)
        self.fc_o = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def split(self, x):
        return x.unflatten(2, (self.heads, x.shape[2] // self.heads)).transpose(1, 2)

    def forward(self, query, memory):
        """query: words x steps x width, memory: words x positions x width.

        Returns what was attended, words x steps x width, and the attention, words x heads x steps x positions.
        """
        q = self.split(self.fc_q(self.layer_norm(query)))
        k = self.split(self.fc_k(memory))
        v = self.split(self.fc_v(memory))
        scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
        attention = scores.softmax(3)
        attended = self.dropout(attention) @ v
        return self.fc_o(attended.transpose(1, 2).flatten(2)), attention


class Encoder(nn.Module):
    """The holistic feature: the EOS embedding queries all positions."""

    def __init__(self, vocabulary, width, heads=8):
        super().__init__()
        self.start = vocabulary.eos
        self.emb = nn.Embedding(vocabulary.size, width)
        self.att = MultiHeadAttention(width, heads)

    def forward(self, memory):
        start = self.emb.weight[self.start].expand(memory.shape[0], 1, -1)
        return self.att(start, memory)[0][:, 0]


class Decoder(nn.Module):
    """Two stacked LSTM cells; the top state queries the positions; a linear layer on [attended, state] gives logits.

    What the attention returns does not flow back into the cells, so in training all steps attend at once.
    """

    def __init__(self, vocabulary, width, heads=8, layers=2):
        super().__init__()
        self.start = vocabulary.eos
        self.emb = nn.Embedding(vocabulary.size, width)
        self.att = MultiHeadAttention(width, heads)
        self.lstm_u = nn.ModuleList(nn.LSTMCell(width, width) for _ in range(layers))
        self.cls = nn.Linear(2 * width, vocabulary.size)

    def classify(self, states, memory):
        """Logits, words x steps x vocabulary, and the attention, words x heads x steps x positions."""
        attended, attention = self.att(states, memory)
        return self.cls(torch.cat([attended, states], dim=2)), attention

    def forward(self, memory, holistic, previous):
        """Teacher forcing: `previous` (words x steps) is EOS and then the tokens before each step.

        Returns logits and attention as `classify` does.
        """
        inputs = torch.cat([holistic[:, None], self.emb(previous).to(holistic.dtype)], dim=1)
        states = self.states(inputs)
        return self.classify(states[:, 1:], memory)

    def states(self, inputs):
        """The top cell's states, words x steps x width."""
        if inputs.is_cuda and torch.is_autocast_enabled():
            # autocast gives cuDNN's LSTM float16, in which gradients of this size vanish
            with torch.autocast('cuda', enabled=False):
                return self.states(inputs.float())
        weights = [weight for cell in self.lstm_u for weight in
                   (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)]
        zero = inputs.new_zeros(len(self.lstm_u), inputs.shape[0], inputs.shape[2])
        with warnings.catch_warnings():  # the cells' weights are no single chunk of memory, and need not be
            warnings.filterwarnings('ignore', message='RNN module weights')
            return torch.lstm(inputs, (zero, zero), weights, True, len(self.lstm_u), 0.0, self.training, False, True)[0]

    def step(self, x, state):
        """One time step of the stacked cells. Returns the new state, a list of (h, c)."""
        new_state = []
        for cell, (h, c) in zip(self.lstm_u, state):
            h, c = cell(x, (h, c))
            new_state.append((h, c))
            x = h
        return new_state

    def greedy(self, memory, holistic, end):
        """Greedy decoding. Returns tokens (words x MAX_TOKENS, `end` repeated once reached) and probabilities."""
        words = memory.shape[0]
        zero = holistic.new_zeros(words, holistic.shape[1])
        state = self.step(holistic, [(zero, zero)] * len(self.lstm_u))
        token = torch.full((words,), self.start, dtype=torch.long, device=memory.device)
        done = torch.zeros(words, dtype=torch.bool, device=memory.device)
        tokens, probabilities = [], []
        for _ in range(MAX_TOKENS):
            state = self.step(self.emb(token), state)
            best = self.classify(state[-1][0][:, None], memory)[0][:, 0].softmax(1).max(1)
            token = torch.where(done, torch.full_like(token, end), best.indices)
            done = done | (token == end)
            tokens.append(token)
            probabilities.append(best.values)
            if done.all():
                break
        return torch.stack(tokens, 1), torch.stack(probabilities, 1)


class RecognitionHead(nn.Module):
    def __init__(self, inputs, width, vocabulary):
        super().__init__()
        self.vocabulary = vocabulary
        self.conv = nn.Conv2d(inputs, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.encoder = Encoder(vocabulary, width)
        self.decoder = Decoder(vocabulary, width)

    def features(self, fused):
        return F.relu(self.bn(self.conv(fused)), inplace=True)

    def forward(self, features, label_map, regions, tokens):
        """Logits under teacher forcing, words x tokens x vocabulary. Arguments as in `masked_roi`."""
        return self.decode(masked_roi(features, label_map, regions), tokens)[0]

    def decode(self, memory, tokens, unknown=0.0):
        """Logits under teacher forcing and the decoder's attention, from words' 8 x 32 features.

        unknown: share of the tokens fed back that are replaced by UNK, so that the decoder must look rather than guess.
        """
        start = torch.full_like(tokens[:, :1], self.vocabulary.eos)
        fed = tokens[:, :-1]
        if unknown:
            fed = torch.where(torch.rand(fed.shape, device=fed.device) < unknown, self.vocabulary.unk, fed)
        return self.decoder(memory, self.encoder(memory), torch.cat([start, fed], dim=1))

    @torch.no_grad()
    def read(self, features, label_map, regions):
        """Words and scores of regions: [(text, score)]. The score is the mean probability of the characters."""
        if len(regions) == 0:
            return []
        memory = masked_roi(features, label_map, regions)
        tokens, probabilities = self.decoder.greedy(memory, self.encoder(memory), self.vocabulary.eos)
        return [score_word(self.vocabulary, *row) for row in zip(tokens.tolist(), probabilities.tolist())]


def score_word(vocabulary, tokens, probabilities):
    kept = []
    for token, probability in zip(tokens, probabilities):
        if token == vocabulary.eos:
            break
        if token < len(vocabulary.characters):
            kept.append((token, probability))
    total = sum(probability for _, probability in kept)
    return vocabulary.decode([token for token, _ in kept]), total / (len(kept) + 1e-6)


def linear_taps(count, size, length):
    """Bilinear resampling of `length` positions to `count` (half-pixel centres): two taps each, and their weights.

    `size` and `length` are per word (words x 1); `count` is a tensor of output positions.
    Returns positions (words x count x 2) and weights of the same shape.
    """
    position = ((count + 0.5) * (length / size) - 0.5).clamp(min=0)
    first = position.floor()
    fraction = position - first
    second = torch.minimum(first + 1, length - 1)
    return torch.stack([first, second], -1).long(), torch.stack([1 - fraction, fraction], -1)


def masked_roi(features, label_map, regions):
    """Masked 8 x 32 features of word regions.

    features   batch x channels x H/4 x W/4
    label_map  batch x H x W, integers: which region a pixel of the image belongs to
    regions    words x 6, integers: image in the batch, label, and the tight box top, left, bottom, right (exclusive)
    Returns words x 256 x channels, rows of 32. Regions higher than 1.5 times their width are transposed.
    """
    map_height, map_width = features.shape[2:]
    rows, columns, weight = roi_taps(label_map, regions, map_height, map_width)
    index = (regions[:, 0, None, None] * map_height + rows) * map_width + columns
    return weighted_rows(features.float().permute(0, 2, 3, 1).flatten(0, 2), index, weight)


def weighted_rows(table, index, weight):
    """Sums of 16 weighted rows of a table; index and weight: words x 256 x 16. Returns words x 256 x channels."""
    samples = F.embedding_bag(index.reshape(-1, 16), table, mode='sum', per_sample_weights=weight.reshape(-1, 16))
    return samples.unflatten(0, index.shape[:2])


def roi_taps(label_map, regions, map_height, map_width):
    """Which cells of the 1/4 map the 8 x 32 samples of a word read, and with which weights: rows, columns and weights
    (float32), each words x 256 x 16. Arguments as in `masked_roi`."""
    height, width = label_map.shape[1:]
    image, label = regions[:, 0], regions[:, 1]
    top, left = (regions[:, 2:4] - 1).clamp(min=0).unbind(1)
    bottom = (regions[:, 4] + 1).clamp(max=height)
    right = (regions[:, 5] + 1).clamp(max=width)
    rows, columns = bottom - top, right - left
    upright = (rows > 1.5 * columns)[:, None]

    def crop_taps(count, length):
        positions = torch.arange(count, device=label_map.device, dtype=torch.float64)
        return linear_taps(positions, float(count), length[:, None].double())

    # positions in the crop; in a transposed crop the 8 outputs run along the columns and the 32 along the rows
    short, short_weight = crop_taps(ROI_HEIGHT, torch.where(upright[:, 0], columns, rows))
    long, long_weight = crop_taps(ROI_WIDTH, torch.where(upright[:, 0], rows, columns))
    short = short[:, :, None, :, None].expand(-1, -1, ROI_WIDTH, -1, 2)
    long = long[:, None, :, None, :].expand(-1, ROI_HEIGHT, -1, 2, -1)
    weight = short_weight[:, :, None, :, None] * long_weight[:, None, :, None, :]
    turned = upright[:, :, None, None, None]
    y = torch.where(turned, long, short).flatten(1) + top[:, None]
    x = torch.where(turned, short, long).flatten(1) + left[:, None]
    inside = dilated_mask(label_map, image, label, (top, left, bottom, right), y, x)
    weight = weight.flatten(1) * inside

    # from image-size positions to the 1/4 map
    def map_taps(position, size, length):
        return linear_taps(position.double(), float(size), torch.full_like(position, length)[:, :1].double())

    map_y, y_weight = map_taps(y, height, map_height)
    map_x, x_weight = map_taps(x, width, map_width)
    weight = weight[:, :, None, None] * y_weight[..., :, None] * x_weight[..., None, :]

    def by_sample(taps):  # words x 1024 positions x 2 x 2 -> words x 256 samples x 16 taps
        return taps.expand(weight.shape).reshape(len(regions), ROI_HEIGHT * ROI_WIDTH, 16)

    return by_sample(map_y[..., :, None]), by_sample(map_x[..., None, :]), by_sample(weight).float()


def dilated_mask(label_map, image, label, box, y, x):
    """Whether a pixel has the region's label in its 3 x 3 neighbourhood, as far as that lies in the crop."""
    top, left, bottom, right = (edge[:, None] for edge in box)
    found = torch.zeros_like(y, dtype=torch.bool)
    for row_step in (-1, 0, 1):
        row = torch.minimum(torch.maximum(y + row_step, top), bottom - 1)
        for column_step in (-1, 0, 1):
            # a neighbour beyond the crop is clamped to one that is in the neighbourhood anyway
            column = torch.minimum(torch.maximum(x + column_step, left), right - 1)
            found |= label_map[image[:, None], row, column] == label[:, None]
    return found


def recognition_loss(logits, tokens, vocabulary, fold_case):
    """Mean cross-entropy over the tokens that are not padding, averaged by word and then over words.

    fold_case (words, bool): the transcription's case is unknown there, so a letter counts as right in either case:
    the loss is -log of the sum of both probabilities.
    """
    log_probability = logits.float().log_softmax(2)
    other = vocabulary.other_case().to(tokens.device)[tokens]
    same = log_probability.gather(2, tokens[..., None])[..., 0]
    twin = log_probability.gather(2, other[..., None])[..., 0]
    folded = torch.where(other == tokens, same, torch.logaddexp(same, twin))
    per_token = -torch.where(fold_case[:, None], folded, same)
    counted = (tokens != vocabulary.pad) & (tokens != vocabulary.unk)
    per_word = (per_token * counted).sum(1) / counted.sum(1).clamp(min=1)
    return per_word.sum() / max(len(tokens), 1)
