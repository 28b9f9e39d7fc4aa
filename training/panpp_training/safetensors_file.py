"""Reading safetensors files: 8-byte little-endian header length, JSON header, raw little-endian data."""
import json
import struct

import numpy as np

DTYPES = {'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'I64': np.int64, 'I32': np.int32, 'U8': np.uint8}


def read_safetensors(path):
    """Returns ({name: array}, metadata)."""
    data = path.read_bytes()
    (length,) = struct.unpack('<Q', data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop('__metadata__', {})
    body = memoryview(data)[8 + length:]
    arrays = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        arrays[name] = np.frombuffer(body[begin:end], DTYPES[entry['dtype']]).reshape(entry['shape']).copy()
    return arrays, metadata
