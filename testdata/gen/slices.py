"""Reference for 2-D models over volumes, predict/slices_test.go: MONAI's SliceInferer, and stacks of slices.

Wrote testdata/ref/slices.json with Python 3.11.7, torch 2.15, monai 1.6.1:
    python testdata/gen/slices.py
The network of both sides is the function `network` below: a voxel's output depends on where it lies in its
window, so that every window, its place and its weight show in the result.
"""

import json
import pathlib

import torch
from monai.inferers import SliceInferer, sliding_window_inference


def network(x):
    """[N, C, H, W] -> [N, 2, H, W]"""
    n, c, h, w = x.shape
    row = torch.arange(h, dtype=torch.float32).reshape(1, h, 1)
    col = torch.arange(w, dtype=torch.float32).reshape(1, 1, w)
    weight = torch.arange(1, c + 1, dtype=torch.float32).reshape(1, c, 1, 1)
    s = (x * weight).sum(1)
    return torch.stack([s + row * 0.25 - col * 0.125, s * 0.5 + col], 1)


def image(shape, seed):
    g = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=g) * 64).round() / 64


def flat(t):
    """x fastest, from [C, X, Y, Z]"""
    return t.permute(0, 3, 2, 1).flatten().tolist()


def sliced(size, roi, dim, overlap, mode, pad, channels, batch, seed):
    x = image((1, channels, *size), seed)
    y = SliceInferer(spatial_dim=dim, roi_size=roi, sw_batch_size=batch, overlap=overlap, mode=mode, padding_mode=pad)(x, network)
    tile = list(roi)
    tile.insert(dim, 1)
    return dict(image=size, channels=channels, layout="xyz"[:dim] + "xyz"[dim + 1 :], tile=tile, stack=1, overlap=overlap, blend=mode,
                pad=pad, batch=batch, values=flat(x[0]), want=flat(y[0]))


def stacked(size, roi, dim, overlap, mode, pad, channels, n, seed):
    """A stack of n slices around each slice, by torch's pad along the axis of the slices."""
    x = image((1, channels, *size), seed)
    h = n // 2
    widths = [0] * 6
    widths[2 * (2 - dim)] = widths[2 * (2 - dim) + 1] = h
    padded = torch.nn.functional.pad(x, widths, mode=pad)
    out = []
    for k in range(size[dim]):
        s = padded.narrow(dim + 2, k, n).movedim(dim + 2, 2)  # [1, C, n, H, W]
        s = s.reshape(1, channels * n, *s.shape[3:])
        out.append(sliding_window_inference(s, roi, 2, network, overlap=overlap, mode=mode, padding_mode=pad))
    y = torch.stack(out, dim + 2)
    tile = list(roi)
    tile.insert(dim, 1)
    return dict(image=size, channels=channels, layout="xyz"[:dim] + "xyz"[dim + 1 :], tile=tile, stack=n, overlap=overlap, blend=mode,
                pad=pad, batch=3, values=flat(x[0]), want=flat(y[0]))


cases = [
    sliced((7, 5, 4), (7, 5), 2, 0.25, "constant", "constant", 1, 1, 1),
    sliced((9, 6, 3), (4, 3), 2, 0.5, "gaussian", "constant", 1, 4, 2),
    sliced((4, 9, 6), (5, 4), 0, 0.25, "gaussian", "constant", 2, 3, 3),
    sliced((9, 3, 6), (4, 4), 1, 0.6, "constant", "constant", 1, 5, 4),
    sliced((5, 6, 7), (8, 4), 1, 0.25, "gaussian", "replicate", 1, 2, 5),
    stacked((6, 5, 4), (6, 5), 2, 0.25, "constant", "constant", 1, 3, 6),
    stacked((4, 6, 5), (4, 5), 0, 0.5, "gaussian", "replicate", 2, 3, 7),
    stacked((6, 5, 4), (4, 4), 1, 0.25, "gaussian", "constant", 1, 5, 8),
]
path = pathlib.Path(__file__).parents[1] / "ref" / "slices.json"
path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
