#!/usr/bin/env python3
"""MONAI's metrics on small label maps.

    metric.py OUT.json

Made with monai 1.6.1 and torch 2.15 (versions stand in the file). Label maps are flattened x fastest; labels 1
to 3, label 3 is missing from some. null stands for NaN, "inf" for infinity.
"""
import json
import sys

import monai
import numpy as np
import torch
from monai.metrics import (DiceMetric, MeanIoU, compute_average_surface_distance, compute_confusion_matrix_metric,
                           compute_hausdorff_distance, compute_surface_dice, get_confusion_matrix)


def shapes(rng, size):
    """Centre and radii of an ellipsoid for each label."""
    return {k: (rng.uniform(0.1, 0.9, len(size)) * size, rng.uniform(0.15, 0.45, len(size)) * size + 0.5) for k in (1, 2, 3)}


def blobs(size, which, labels):
    """Overlapping ellipsoids, some cut by the border."""
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"))
    out = np.zeros(size, np.uint8)
    for k in labels:
        centre, radius = which[k]
        inside = sum(((grid[a] - centre[a]) / radius[a]) ** 2 for a in range(len(size))) < 1
        out[inside] = k
    return out


def number(v):
    v = float(v)
    return None if np.isnan(v) else "inf" if np.isinf(v) else v


def onehot(a, dims):
    t = torch.stack([torch.tensor(a == k) for k in range(4)])[None].float()
    return t if dims == 3 else t[..., 0]


TOLERANCES = [0.0, 0.7, 1.0, 1.3, 2.6]


def score(p, t, spacing):
    dims = 2 if p.shape[2] == 1 else 3
    a, b = onehot(p, dims), onehot(t, dims)
    sp = spacing[:dims]
    dice = DiceMetric(include_background=False, reduction="none")(a, b)[0]
    dice1 = DiceMetric(include_background=False, reduction="none", ignore_empty=False)(a, b)[0]
    iou = MeanIoU(include_background=False, reduction="none")(a, b)[0]
    iou1 = MeanIoU(include_background=False, reduction="none", ignore_empty=False)(a, b)[0]
    hd95 = compute_hausdorff_distance(a, b, percentile=95, spacing=sp)[0]
    hd = compute_hausdorff_distance(a, b, spacing=sp)[0]
    hd95d = compute_hausdorff_distance(a, b, percentile=95, directed=True, spacing=sp)[0]
    assd = compute_average_surface_distance(a, b, symmetric=True, spacing=sp)[0]
    asd = compute_average_surface_distance(a, b, spacing=sp)[0]
    surface = [[compute_surface_dice(a, b, [tol] * 3, spacing=sp, use_subvoxels=sub)[0] for tol in TOLERANCES] for sub in (False, True)]
    cm = get_confusion_matrix(a, b, include_background=False)
    ratios = {n: compute_confusion_matrix_metric(n, cm)[0] for n in ("precision", "sensitivity", "specificity", "accuracy")}
    return [{"label": k + 1, "dice": number(dice[k]), "dice_one": number(dice1[k]), "iou": number(iou[k]), "iou_one": number(iou1[k]),
             "hd95": number(hd95[k]), "hd": number(hd[k]), "hd95_directed": number(hd95d[k]), "assd": number(assd[k]), "asd": number(asd[k]),
             "surface_dice": [number(v[k]) for v in surface[0]], "nsd": [number(v[k]) for v in surface[1]],
             "counts": [int(v) for v in cm[0, k]],
             **{n: number(v[k]) for n, v in ratios.items()}} for k in range(3)]


def main():
    cases = []
    for seed, (size, spacing) in enumerate([((14, 12, 9), [1.0, 1.0, 1.0]), ((10, 13, 7), [0.7, 1.3, 2.5]), ((9, 9, 9), [1.1, 0.9, 1.0]),
                                            ((21, 18, 1), [0.5, 0.8, 1.0]), ((12, 11, 6), [2.0, 1.0, 0.5]), ((8, 8, 8), [1.0, 1.0, 3.0]), ((17, 9, 1), [1.3, 0.6, 1.0])]):
        rng = np.random.default_rng(seed)
        which = shapes(rng, np.array(size))
        moved = {k: (c + rng.normal(0, 1, 3) * (np.array(size) > 1), r * rng.uniform(0.8, 1.2, 3)) for k, (c, r) in which.items()}
        t = blobs(size, which, [1, 2, 3] if seed % 2 else [1, 2])
        p = blobs(size, moved, [1, 2, 3] if seed % 3 else [2, 1])
        if seed == 2:
            p = t.copy()
            p[4:6, 3:5, 2:7] = 1
        cases.append({"size": list(size), "spacing": spacing, "prediction": p.ravel(order="F").tolist(), "truth": t.ravel(order="F").tolist(),
                      "scores": score(p, t, spacing)})
    with open(sys.argv[1], "w") as f:
        json.dump({"versions": {"monai": monai.__version__, "torch": torch.__version__}, "tolerances": TOLERANCES, "cases": cases}, f, separators=(",", ":"))


if __name__ == "__main__":
    main()
