"""Writes the found-*.pth files beside this one, and found.expected.safetensors with what PyTorch loads from them.

They are small copies of what training code leaves: a compiled model within DataParallel, arguments, paths, dates, an
optimizer and a scheduler as whole objects, and a moving average of the weights.
Made with PyTorch 2.13. Run: python3 make-found.py
"""
import argparse, collections, datetime, functools, json, os, pathlib, struct
import torch

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(1)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 3)
        self.bn = torch.nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn(self.conv(x))


class Trainer(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model


def saved():
    model = Net()
    average = torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda a, b, n: 0.5 * a + 0.5 * b)
    wrapped = Trainer(torch.nn.DataParallel(torch.compile(model)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.randn(2, 2, 5, 5)).sum().backward()
    optimizer.step()
    average.update_parameters(model)
    ema = {name: tensor for name, tensor in average.state_dict().items() if 'running' not in name and 'batches' not in name}
    seen = collections.defaultdict(list, {'epoch': [1, 2]})
    # Namespaces with a tensor and with one another inside.
    options = argparse.Namespace(lr=1e-3, out=pathlib.Path('/tmp/run'), inner=argparse.Namespace(when=datetime.datetime(2026, 1, 2)))
    return {
        'args': options, 'date': datetime.date(2026, 1, 2), 'took': datetime.timedelta(seconds=3),
        'path': pathlib.PurePosixPath('a/b'), 'seen': seen, 'queue': collections.deque([1, 2], 5),
        'state_dict': wrapped.state_dict(), 'ema': ema, 'optimizer': optimizer,
        'scheduler': torch.optim.lr_scheduler.StepLR(optimizer, 3), 'activation': torch.nn.functional.relu,
        'partial': functools.partial(torch.optim.SGD, lr=0.1), 'slice': slice(1, 2),
        'optimizer_class': torch.optim.Adam, 'nested': datetime.timezone(datetime.timedelta(hours=2)),
    }


def path(name):
    return os.path.join(here, name)


forms = {
    'found-training.p2.zip.pth': dict(pickle_protocol=2),
    'found-training.p4.zip.pth': dict(pickle_protocol=4),
    'found-training.p2.legacy.pth': dict(pickle_protocol=2, _use_new_zipfile_serialization=False),
}
header, data = {}, b''
for name, options in forms.items():
    torch.save(saved(), path(name), **options)
    loaded = torch.load(path(name), weights_only=False)
    for part in 'state_dict', 'ema':
        for key, tensor in loaded[part].items():
            tensor = tensor.detach()
            values = (tensor.float() if tensor.is_floating_point() else tensor.long()).numpy()
            raw = values.tobytes()
            span = [len(data), len(data) + len(raw)]
            header[f'{name}/{part}/{key}'] = {
                'dtype': {'float32': 'F32', 'int64': 'I64'}[str(values.dtype)], 'shape': list(values.shape), 'data_offsets': span}
            data += raw
text = json.dumps(header).encode()
with open(path('found.expected.safetensors'), 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text + data)
