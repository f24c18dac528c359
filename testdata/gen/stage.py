"""Reference for the label image of a cascade's previous stage, predict/cascade_test.go: nnU-Net's way of it.

Wrote testdata/ref/stage.json with Python 3.11.7, nnunetv2 2.8.1, batchgenerators 0.25.5:
    python testdata/gen/stage.py
crop_to_nonzero, resample_data_or_seg_to_shape with is_seg, order 1 and order_z 0, as its preprocessor does.
"""

import json
import pathlib

import numpy as np
from skimage.transform import resize
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, resample_data_or_seg_to_shape


def margin(seg, shape):
    """how far the best label's score is ahead of the second's"""
    scores = [resize((seg == c).astype(float), shape, 1, mode="edge", clip=True, anti_aliasing=False) for c in np.unique(seg)]
    scores = np.sort(scores, 0)
    return scores[-1] - scores[-2]


def case(shape, spacing, target, seed):
    """shape, spacing and target are of arrays [Z, Y, X]; the image's axes are their reverse."""
    rng = np.random.default_rng(seed)
    data = rng.integers(1, 200, (1, *shape)).astype(np.float32)
    data[:, :1] = 0
    data[..., -2:] = 0
    grid = np.indices(shape).reshape(3, -1).T
    seeds = rng.uniform(0, 1, (9, 3)) * shape
    near = ((grid[:, None] - seeds) ** 2).sum(-1).argmin(1)
    seg = np.array([0, 1, 2, 4, 0, 1, 2, 0, 4])[near].reshape(1, *shape).astype(np.int16)
    cropped, cut, _ = crop_to_nonzero(data, seg)
    new = compute_new_shape(cut.shape[1:], spacing, target)
    out = resample_data_or_seg_to_shape(cut, new, spacing, target, is_seg=True, order=1, order_z=0, force_separate_z=None)
    close = margin(cut[0], out.shape[1:])
    print("decided by rounding:", int(((close > 0) & (close < 1e-6)).sum()), "ties:", int((close == 0).sum()))
    return dict(size=list(shape[::-1]), spacing=list(spacing[::-1]), target=list(target[::-1]), image=data[0].flatten().astype(int).tolist(),
                labels=seg[0].flatten().tolist(), want_size=list(out.shape[1:][::-1]), want=[int(v) for v in np.where(out[0] == -1, 0, out[0]).flatten()])


cases = [
    case((9, 11, 10), (1.0, 1.0, 1.0), (1.5, 1.3, 0.8), 1),
    case((8, 12, 10), (5.0, 1.0, 1.0), (3.0, 1.4, 0.7), 2),
    case((9, 8, 12), (2.0, 1.0, 1.2), (1.0, 2.0, 2.9), 3),  # places in quarters: ties are exact whatever the precision,
]
path = pathlib.Path(__file__).parents[1] / "ref" / "stage.json"
path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
