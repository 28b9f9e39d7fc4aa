"""PAN++ in PyTorch with the parameter names of the authors' code, so that weights travel both ways.

Backbone (ResNet with a deep stem), two feature pyramid enhancement modules (FPEM), fusion to 512 channels at a
quarter of the input's size, detection head with 6 channels: text logit, kernel logit, 4 of instance vector
(arXiv 2105.00405, sections 3.2 and 3.3). The recognition head is in recognition.py.
"""
import torch
from torch import nn
from torch.nn import functional as F

from .recognition import RecognitionHead

# depth: (residual block's name, blocks a stage)
RESNETS = {18: ('basic', (2, 2, 2, 2)), 50: ('bottleneck', (3, 4, 6, 3)), 101: ('bottleneck', (3, 4, 23, 3))}
NECK_CHANNELS = 128
FUSED_CHANNELS = 4 * NECK_CHANNELS
DETECTION_CHANNELS = 6

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def conv3x3(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


def shortcut(inputs, outputs, stride):
    """1x1 conv and batch norm where stride or width change, else nothing."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1 = conv3x3(inputs, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = shortcut(inputs, planes, stride)

    def forward(self, x):
        residual = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(x)) + residual, inplace=True)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, planes, stride):
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x):
        residual = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + residual, inplace=True)


BLOCKS = {'basic': BasicBlock, 'bottleneck': Bottleneck}


class ResNet(nn.Module):
    """Deep-stem ResNet; gives c2...c5 at 1/4, 1/8, 1/16, 1/32."""

    def __init__(self, depth):
        super().__init__()
        block_name, counts = RESNETS[depth]
        block = BLOCKS[block_name]
        self.conv1 = conv3x3(3, 64, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = conv3x3(64, 128)
        self.bn3 = nn.BatchNorm2d(128)
        width = 128
        self.channels = []
        for stage, count in enumerate(counts):
            planes = 64 << stage
            blocks = []
            for index in range(count):
                blocks.append(block(width, planes, 2 if stage > 0 and index == 0 else 1))
                width = planes * block.expansion
            setattr(self, f'layer{stage + 1}', nn.Sequential(*blocks))
            self.channels.append(width)

    def lower(self, x):
        """Stem and layer1: c2."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = F.relu(self.bn3(self.conv3(x)), inplace=True)
        return self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))

    def forward(self, x):
        return self.upper(self.lower(x))

    def upper(self, c2):
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)


class ConvBnRelu(nn.Module):
    """1x1 conv without bias, batch norm, ReLU."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


def resize_to(x, like):
    if x.shape[-2:] == like.shape[-2:]:
        return x
    # on CUDA, in bfloat16, the gradient would be summed in bfloat16
    exact = x.float() if x.is_cuda else x
    return F.interpolate(exact, size=like.shape[-2:], mode='bilinear', align_corners=False).to(x.dtype)


class FPEM(nn.Module):
    """One feature pyramid enhancement module, PAN++'s form: the inputs are added to its outputs."""

    UNITS = (('3_1', 1), ('2_1', 1), ('1_1', 1), ('2_2', 2), ('3_2', 2), ('4_2', 2))  # name, stride

    def __init__(self, channels):
        super().__init__()
        for name, stride in self.UNITS:
            depthwise = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
            setattr(self, f'dwconv{name}', depthwise)
            setattr(self, f'smooth_layer{name}', ConvBnRelu(channels, channels))

    def unit(self, name, coarse, fine):
        """Add the coarser map to the finer one, then depthwise 3x3 and pointwise 1x1."""
        x = resize_to(coarse, fine) + fine
        return getattr(self, f'smooth_layer{name}')(getattr(self, f'dwconv{name}')(x))

    def forward(self, f1, f2, f3, f4):
        up3 = self.unit('3_1', f4, f3)
        up2 = self.unit('2_1', up3, f2)
        up1 = self.unit('1_1', up2, f1)
        down2 = self.unit('2_2', up2, up1)
        down3 = self.unit('3_2', up3, down2)
        down4 = self.unit('4_2', f4, down3)
        return f1 + up1, f2 + down2, f3 + down3, f4 + down4


class DetectionHead(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, DETECTION_CHANNELS, 1)

    def forward(self, x):
        return self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True))


class PanPP(nn.Module):
    """`vocabulary` (recognition.Vocabulary) adds the recognition head; without it the model only detects."""

    def __init__(self, depth=18, vocabulary=None):
        super().__init__()
        self.backbone = ResNet(depth)
        for level, channels in enumerate(self.backbone.channels):
            setattr(self, f'reduce_layer{level + 1}', ConvBnRelu(channels, NECK_CHANNELS))
        self.fpem1 = FPEM(NECK_CHANNELS)
        self.fpem2 = FPEM(NECK_CHANNELS)
        self.det_head = DetectionHead(FUSED_CHANNELS, NECK_CHANNELS)
        self.rec_head = RecognitionHead(FUSED_CHANNELS, NECK_CHANNELS, vocabulary) if vocabulary else None
        self.apply(initialise)
        self.frozen, self.held = [], []

    def hold_statistics(self):
        """Batch norms outside of the recognition head keep their statistics; their scales and shifts learn."""
        self.held = [module for name, module in self.named_modules()
                     if isinstance(module, nn.BatchNorm2d) and not name.startswith('rec_head.')]
        return self.train(self.training)

    def freeze(self, what):
        """Keeps parts as they are, batch norms' statistics too: '' (none), 'layer1' (stem and layer1), 'backbone' or
        'network' (all but the recognition head). No gradients are made for them."""
        parts = {'': [], 'layer1': [part for name, part in self.backbone.named_children()
                                    if not name.startswith('layer') or name == 'layer1'],
                 'backbone': [self.backbone],
                 'network': [part for name, part in self.named_children() if name != 'rec_head']}
        self.frozen = parts[what]
        for part in self.frozen:
            part.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode=True):
        super().train(mode)
        for part in (*self.frozen, *self.held):
            part.eval()
        return self

    def features(self, image, known=()):
        """Batch x 3 x H x W (normalised; H and W multiples of 32) to the fused map, batch x 512 x H/4 x W/4.

        `known`: what of the backbone's maps c2...c5 is there already: none, c2, or all.
        """
        levels = known if len(known) == 4 else self.backbone.upper(*known) if known else self.backbone(image)
        levels = [getattr(self, f'reduce_layer{i + 1}')(x) for i, x in enumerate(levels)]
        levels = self.fpem2(*self.fpem1(*levels))
        return torch.cat([resize_to(x, levels[0]) for x in levels], dim=1)

    def forward(self, image, known=(), detects=None):
        """Gives (detection map, batch x 6 x H/4 x W/4; recognition features, batch x 128 x H/4 x W/4, or None).

        `detects`: batch, bool; the detection map is made of those images alone.
        """
        fused = self.features(image, known)
        detection = self.det_head(fused if detects is None else fused[detects])
        return detection, None if self.rec_head is None else self.rec_head.features(fused)


def initialise(module):
    """He initialisation for convolutions, as the authors' code does it (fan out); batch norms start at 1 and 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        if module.bias is not None:
            nn.init.zeros_(module.bias)
