"""Batches on the training device: photographs sampled under affine maps, then light, colour, blur, noise."""
import torch
from torch.nn import functional as F

from .model import MEAN, STD


class Photographs:
    """All photographs' pixels on the device (uint8), and the sampling of crops from them."""

    def __init__(self, store, device):
        self.device = device
        self.pixels = torch.from_numpy(store.memory()).to(device)
        self.starts = torch.from_numpy(store.starts).to(device)
        self.sizes = torch.from_numpy(store.sizes).to(device)

    def crops(self, numbers, matrices, size):
        """Bilinear samples at crop pixel (x, y) -> matrix * (x, y, 1); batch x 3 x size x size, 0...255.

        What lies outside of a photograph gets a grey of its own per crop.
        """
        steps = torch.arange(size, device=self.device, dtype=torch.float32)
        row, column = steps[None, :, None], steps[None, None, :]
        a = matrices[:, :, :, None, None]
        x = a[:, 0, 0] * column + a[:, 0, 1] * row + a[:, 0, 2]
        y = a[:, 1, 0] * column + a[:, 1, 1] * row + a[:, 1, 2]
        height, width = (self.sizes[numbers, axis, None, None] for axis in (0, 1))
        outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
        x = torch.minimum(x.clamp(min=0), (width - 1).float())
        y = torch.minimum(y.clamp(min=0), (height - 1).float())
        left, top = x.floor().long(), y.floor().long()
        right, bottom = torch.minimum(left + 1, width - 1), torch.minimum(top + 1, height - 1)
        across, down = (x - left)[..., None], (y - top)[..., None]
        start = self.starts[numbers, None, None]

        def tap(rows, columns):
            return self.pixels[start + rows * width + columns].float()

        upper = torch.lerp(tap(top, left), tap(top, right), across)
        lower = torch.lerp(tap(bottom, left), tap(bottom, right), across)
        image = torch.lerp(upper, lower, down)
        grey = torch.rand(len(numbers), 1, 1, 1, device=self.device) * 255
        return torch.where(outside[..., None], grey, image).permute(0, 3, 1, 2)


def uniform(batch, low, high, device):
    return torch.empty(batch, 1, 1, 1, device=device).uniform_(low, high)


def sometimes(batch, share, device):
    return torch.rand(batch, 1, 1, 1, device=device) < share


def light(image):
    """Brightness, contrast, saturation, colour cast and gamma. image: batch x 3 x H x W in 0...1."""
    batch, device = len(image), image.device
    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * uniform(batch, 0.5, 1.5, device)
    mean = image.mean((1, 2, 3), keepdim=True)
    image = mean + (image - mean) * uniform(batch, 0.6, 1.4, device)
    image = image * uniform(batch, 0.7, 1.3, device)
    image = image * torch.empty(batch, 3, 1, 1, device=device).uniform_(0.9, 1.1)
    return image.clamp(1e-4, 1) ** torch.exp(uniform(batch, -0.35, 0.35, device))


def blur(image, sigma):
    """Gaussian blur with one sigma per image (pixels, at most 2)."""
    batch = len(image)
    offsets = torch.arange(-4, 5, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma.view(batch, 1)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    flat = image.reshape(1, batch * 3, *image.shape[2:])
    flat = F.conv2d(flat, kernel[:, None, None, :], padding=(0, 4), groups=batch * 3)
    flat = F.conv2d(flat, kernel[:, None, :, None], padding=(4, 0), groups=batch * 3)
    return flat.reshape(image.shape)


def worsen(image, share=0.25):
    """Blur or loss of resolution on some of the images, noise on half of them."""
    batch, device = len(image), image.device
    count = max(1, int(batch * share))
    chosen = torch.randperm(batch, device=device)
    blurred, coarse = chosen[:count], chosen[count:count + (count + 1) // 2]
    image = image.clone()
    image[blurred] = blur(image[blurred], torch.empty(count, device=device).uniform_(0.3, 1.6))
    if len(coarse):
        small = F.interpolate(image[coarse], scale_factor=float(torch.empty(1).uniform_(0.4, 0.8)), mode='bilinear',
                              align_corners=False, antialias=True)
        image[coarse] = F.interpolate(small, size=image.shape[2:], mode='bilinear', align_corners=False)
    noise = sometimes(batch, 0.5, device) * uniform(batch, 0, 0.04, device)
    return image + torch.randn_like(image) * noise


def normalise(image):
    """0...1 to the network's input."""
    mean, std = (torch.tensor(values, device=image.device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (image - mean) / std


def assemble(batch, photographs, device):
    """A collated batch on the device: the network's input and the label maps as detection_losses takes them."""
    batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    maps = batch.pop('maps')
    size = maps.shape[-1]
    real = batch['photograph'] >= 0
    image = torch.empty(len(maps), 3, size, size, device=device)
    if len(batch['matrix']):
        image[real] = photographs.crops(batch['photograph'][real], batch['matrix'], size)
    if len(batch['pixels']):
        image[~real] = batch['pixels'].permute(0, 3, 1, 2).float()
    image = worsen(light(image / 255)).clamp(0, 1)
    labels = {'text': maps[:, 0] > 0, 'instance': maps[:, 0], 'kernel': (maps[:, 1] & 1) > 0,
              'mask': (maps[:, 1] & 2) > 0}
    return normalise(image).contiguous(memory_format=torch.channels_last), labels, batch
