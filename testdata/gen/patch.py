#!/usr/bin/env python3
"""Windows, weights and stitched results of MONAI's sliding_window_inference, and of nnU-Net's rule.

    patch.py OUT.json

Made with monai 1.6.1, torch 2.15, scipy (versions stand in the file). nnU-Net's two functions are those of
nnunetv2/inference/sliding_window_prediction.py (compute_steps_for_sliding_window, compute_gaussian with
value_scaling_factor 10), before the weights are rounded to half precision. Arrays are flattened x fastest; of
results every 7th voxel is kept.
"""
import json
import sys

import monai
import numpy as np
import scipy
import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers.utils import _get_scan_interval, sliding_window_inference
from scipy.ndimage import gaussian_filter

# image, window, overlap per axis
CASES = [
    ([20, 17, 9], [8, 8, 8], [0.25, 0.25, 0.25]),
    ([20, 17, 9], [8, 6, 4], [0.5, 0.625, 0.0]),
    ([5, 9, 4], [8, 8, 8], [0.5, 0.5, 0.5]),
    ([10, 10, 10], [10, 10, 10], [0.7, 0.7, 0.7]),
    ([21, 1, 13], [10, 1, 7], [0.9, 0.9, 0.9]),
    ([7, 7, 30], [7, 3, 9], [0.75, 0.25, 0.1]),
    ([14, 12, 11], [3, 5, 5], [0.7, 0.3, 0.85]),
]


def flat(a, every=1):
    return [float(f"{v:.8g}") for v in np.asarray(a).ravel(order="F")[::every]]


def image(size):
    rng = np.random.default_rng(sum(size))
    return np.round(rng.normal(size=size), 3).astype(np.float32)


def model(x):
    """Two channels that depend on where in the window a voxel lies, so that blending shows."""
    n = x.shape[2:]
    x0 = torch.arange(n[0]).reshape(1, 1, -1, 1, 1)
    y0 = torch.arange(n[1]).reshape(1, 1, 1, -1, 1)
    z0 = torch.arange(n[2]).reshape(1, 1, 1, 1, -1)
    return torch.cat([x * (1 + x0) + y0, x - 0.5 * z0], 1)


def monai_case(size, window, overlap):
    padded = [max(s, w) for s, w in zip(size, window)]
    steps = _get_scan_interval(padded, window, 3, overlap)
    starts = [[int(s.start) for s in b] for b in dense_patch_slices(padded, window, steps)]
    pad = [max(w - s, 0) // 2 for s, w in zip(size, window)]
    out = {"image": size, "window": window, "overlap": overlap, "values": flat(image(size)),
           "starts": [[v - p for v, p in zip(s, pad)] for s in starts]}
    x = torch.tensor(image(size))[None, None]
    for mode in ("constant", "gaussian"):
        y = sliding_window_inference(x, window, 3, model, overlap=overlap, mode=mode)
        out[mode] = [flat(y[0, c].numpy(), 7) for c in range(2)]
    if any(s < w for s, w in zip(size, window)):
        y = sliding_window_inference(x, window, 1, model, overlap=overlap, padding_mode="replicate", sigma_scale=0.25, mode="gaussian")
        out["replicate"] = [flat(y[0, c].numpy(), 7) for c in range(2)]
    out["weights"] = flat(compute_importance_map(tuple(window), mode="gaussian", sigma_scale=0.125).numpy())
    return out


def nnunet_steps(size, window, step):
    target = [w * step for w in window]
    n = [int(np.ceil((i - k) / j)) + 1 for i, j, k in zip(size, target, window)]
    steps = []
    for a in range(3):
        most = size[a] - window[a]
        actual = most / (n[a] - 1) if n[a] > 1 else 99999999999
        steps.append([int(np.round(actual * i)) for i in range(n[a])])
    return steps


def nnunet_gaussian(window):
    tmp = np.zeros(window)
    tmp[tuple(i // 2 for i in window)] = 1
    g = gaussian_filter(tmp, [i / 8 for i in window], 0, mode="constant", cval=0)
    g = (g / (g.max() / 10)).astype(np.float32)
    g[g == 0] = g[g != 0].min()
    return g


def nnunet_case(size, window, overlap):
    return {"image": size, "window": window, "overlap": overlap,
            "steps": nnunet_steps(size, window, 1 - overlap[0]), "weights": flat(nnunet_gaussian(window))}


def main():
    ref = {"versions": {"monai": monai.__version__, "torch": torch.__version__, "scipy": scipy.__version__},
           "monai": [monai_case(*c) for c in CASES],
           "nnunet": [nnunet_case(s, w, [o] * 3) for s, w, o in
                      [([20, 17, 9], [8, 8, 8], 0.5), ([33, 12, 11], [9, 5, 7], 0.5), ([40, 8, 23], [8, 8, 10], 0.25),
                       ([9, 9, 9], [9, 9, 9], 0.5), ([50, 21, 31], [16, 11, 3], 0.5)]]}
    with open(sys.argv[1], "w") as f:
        json.dump(ref, f, separators=(",", ":"))


if __name__ == "__main__":
    main()
