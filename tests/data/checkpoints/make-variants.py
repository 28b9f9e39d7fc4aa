"""Writes the variant-*.pth files beside this one, and variants.expected.safetensors with what PyTorch loads from them.

They add to the reference's files what a training run of PyTorch 1.13 really saves: a DataParallel model with its
optimizer, scheduler and NumPy values in several pickle protocols, memory layouts, and files that must be refused.
Run: python3 make-variants.py
"""
import collections, json, os, struct
import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(1)

def training_state():
    model = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)))
    optimizer = torch.optim.Adam(model.parameters(), lr=np.float64(1e-3))
    model.module(torch.randn(2, 2, 5, 5)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    return dict(
        epoch=3, state_dict=model.state_dict(), optimizer=optimizer.state_dict(), scheduler=scheduler.state_dict(),
        best=np.float32(1.5), step=np.int64(7), curve=np.arange(3.0), device=torch.device('cuda', 0),
        dtype=torch.float16, size=torch.Size([1, 2]), seen={1, 2}, frozen=frozenset([1]), raw=b'\xff\x00',
        buffer=bytearray(b'xy'), big=2 ** 70, small=-5, factor=1 + 2j, name='\u00e9\U0001F600',
        storage=torch.FloatStorage([1.0, 2.0]), flags=(True, False, None))


def layouts():
    base = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    half = (torch.arange(12) / 8).half()
    tensors = collections.OrderedDict()
    tensors['channels_last'] = base.to(memory_format=torch.channels_last)
    tensors['permuted'] = base.permute(3, 0, 2, 1)
    tensors['steps'] = base[:, ::2, 1::2, ::3]
    tensors['tail'] = base[1, 2]
    tensors['element'] = base[1, 1, 1, 1]
    tensors['tied_a'] = half.reshape(3, 4)
    tensors['tied_b'] = half.reshape(3, 4).t()
    tensors['bf16'] = torch.tensor([[1.5, -2.0], [3.0e38, 1e-40]]).bfloat16().t()
    tensors['i16'] = torch.tensor([[-32768, 1], [2, 32767]], dtype=torch.int16).t()
    tensors['i64'] = torch.tensor([-2 ** 63, 2 ** 63 - 1, 2 ** 53 + 1])[1:]
    tensors['f64'] = torch.tensor([1 / 3, 1e-46, 1e300, float('nan'), float('-inf')], dtype=torch.float64)
    tensors['parameter'] = torch.nn.Parameter(base[0, 0])
    tensors['zero_strides'] = torch.ones(1).expand(2, 0, 3)
    return tensors

model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1))
good = {
    'variant-training.p2.zip.pth': (training_state(), dict(pickle_protocol=2)),
    'variant-training.p5.zip.pth': (training_state(), dict(pickle_protocol=5)),
    'variant-training.p1.legacy.pth': (training_state(), dict(pickle_protocol=1, _use_new_zipfile_serialization=False)),
    'variant-layouts.zip.pth': (layouts(), {}),
    'variant-layouts.p3.legacy.pth': (layouts(), dict(pickle_protocol=3, _use_new_zipfile_serialization=False)),
}
refused = {
    'variant-bad-module.pth': model,
    'variant-bad-quantized.pth': {'weight': torch.quantize_per_tensor(torch.ones(4), 0.1, 2, torch.qint8)},
    'variant-bad-complex.legacy.pth': {'weight': torch.zeros(2, dtype=torch.complex64)},
    'variant-bad-sparse.pth': {'weight': torch.eye(2).to_sparse()},
    'variant-bad-numpy.pth': {'a.weight': torch.ones(1), 'weight': np.zeros(2)},
    'variant-bad-list.pth': [torch.ones(2)],
}

def path(name):
    return os.path.join(here, name)

def array(tensor):
    tensor = tensor.detach()
    return tensor.float().numpy() if tensor.is_floating_point() else tensor.long().numpy()

header, data = {}, b''
for name, (saved, options) in good.items():
    torch.save(saved, path(name), **options)
    loaded = torch.load(path(name))
    for key, tensor in loaded.get('state_dict', loaded).items():
        values = array(tensor)
        raw = values.tobytes()
        kind = {'float32': 'F32', 'int64': 'I64'}[str(values.dtype)]
        span = [len(data), len(data) + len(raw)]
        header[f'{name}/{key}'] = {'dtype': kind, 'shape': list(values.shape), 'data_offsets': span}
        data += raw
text = json.dumps(header).encode()
with open(path('variants.expected.safetensors'), 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text + data)
for name, saved in refused.items():
    torch.save(saved, path(name), _use_new_zipfile_serialization='legacy' not in name)
torch.jit.save(torch.jit.script(model), path('variant-bad-script.pth'))
