#!/usr/bin/env python3
"""MONAI's, scikit-learn's and scipy's numbers for classes, regression, images and bootstrap intervals.

    metric_values.py OUT.json

Made with monai 1.6.1, torch 2.15, scikit-learn 1.9 and scipy (versions stand in the file). Images are made by
formulas that the test repeats. null stands for NaN.
"""
import json
import sys

import monai
import monai.metrics.regression
import numpy as np
import scipy
import sklearn
import sklearn.metrics as sk
import torch
from monai.metrics import (CalibrationErrorMetric, ConfusionMatrixMetric, MAEMetric, PSNRMetric, RMSEMetric, SSIMMetric,
                           compute_average_precision, compute_roc_auc)
from monai.metrics.regression import compute_ssim_and_cs


def number(v):
    v = float(v)
    return None if np.isnan(v) else v


def classes(seed, n, k, ties, single=False):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    if single:
        truth[:] = 1
    logits = rng.normal(0, 1, (n, k)) + 1.2 * np.eye(k)[truth]
    p = np.exp(logits)
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    if ties:
        p = np.round(p * 10).astype(np.float32) / np.float32(10)
    y = torch.tensor(np.eye(k)[truth])
    t = torch.tensor(p)
    picked = p.argmax(1)
    names = ["sensitivity", "specificity", "precision", "f1 score", "accuracy"]
    cm = ConfusionMatrixMetric(include_background=True, metric_name=names, reduction="sum_batch")
    cm(torch.tensor(np.eye(k)[picked]), y)
    cm = [number_list(v) for v in cm.aggregate()]
    ece = CalibrationErrorMetric(num_bins=20, metric_reduction="none")
    ece(t.T[None], y.T[None].float())
    return {"truth": truth.tolist(), "picked": picked.tolist(), "probabilities": [[float(v) for v in r] for r in p],
            "auc": [number(v) for v in compute_roc_auc(t, y, "none")], "auc_macro": number(compute_roc_auc(t, y, "macro")),
            "auc_micro": number(compute_roc_auc(t, y, "micro")), "ap": [number(v) for v in compute_average_precision(t, y, "none")],
            "ap_macro": number(compute_average_precision(t, y, "macro")),
            "sensitivity": cm[0], "specificity": cm[1], "precision": cm[2], "f1": cm[3],
            "ece": number_list(ece.aggregate()[0]), "brier": [number(np.mean((p[:, c].astype(float) - (truth == c)) ** 2)) for c in range(k)],
            "confusion": sk.confusion_matrix(truth, picked, labels=range(k)).tolist(), "accuracy": number(np.mean(truth == picked)),
            "balanced": None if single else number(sk.balanced_accuracy_score(truth, picked))}


def number_list(v):
    return [number(x) for x in np.asarray(v).ravel()]


def regression(seed, n):
    rng = np.random.default_rng(seed)
    t = rng.normal(50, 15, n)
    p = t + rng.normal(1.5, 6, n)
    a, b = torch.tensor(p)[None], torch.tensor(t)[None]
    mae, rmse = MAEMetric(), RMSEMetric()
    mae(a, b)
    rmse(a, b)
    d = p - t
    half = 1.96 * d.std(ddof=1)
    return {"predicted": p.tolist(), "truth": t.tolist(), "mae": number(mae.aggregate()), "rmse": number(rmse.aggregate()),
            "r2": number(sk.r2_score(t, p)), "pearson": number(scipy.stats.pearsonr(p, t)[0]), "bias": number(d.mean()),
            "low": number(d.mean() - half), "high": number(d.mean() + half)}


def pictures(size, channels):
    """Two images that the test makes too: x fastest, then y, z, channel."""
    g = np.meshgrid(*[np.arange(n) for n in size], indexing="ij")
    i = sum(k * v for k, v in zip((3, 5, 7), g))
    t = [((i * 13 + 29 * c * (1 + i // 7)) % 97 / 97).astype(np.float32) for c in range(channels)]
    p = [(v + ((i * 7 + c) % 23 / 92).astype(np.float32)).astype(np.float32) for c, v in enumerate(t)]
    return np.stack(p), np.stack(t)


def similarity(size, channels, data_range):
    p, t = pictures(size, channels)
    if size[2] == 1:
        p, t = p[..., 0], t[..., 0]
    dims = p.ndim - 1
    out = {"size": size, "channels": channels, "range": data_range}
    for name, m in {"mae": MAEMetric(), "rmse": RMSEMetric(), "psnr": PSNRMetric(data_range), "ssim": SSIMMetric(dims, data_range=data_range)}.items():
        m(torch.tensor(p)[None], torch.tensor(t)[None])
        out[name] = number(m.aggregate())
    single = monai.metrics.regression.convert_data_type
    monai.metrics.regression.convert_data_type = lambda data, **_: (data.double(), None, None)
    full, _ = compute_ssim_and_cs(torch.tensor(p)[None], torch.tensor(t)[None], dims, [11] * dims, [1.5] * dims, data_range)
    monai.metrics.regression.convert_data_type = single
    out["ssim64"] = number(full.mean())
    return out


def intervals(seed, n):
    rng = np.random.default_rng(seed)
    v = np.round(rng.beta(6, 1.2, n), 4)
    out = {"values": v.tolist()}
    for method in ("percentile", "BCa"):
        ci = scipy.stats.bootstrap((v,), np.mean, n_resamples=200000, method=method, rng=np.random.default_rng(1), batch=1000).confidence_interval
        out[method.lower()] = [number(ci.low), number(ci.high)]
    return out


def main():
    with open(sys.argv[1], "w") as f:
        json.dump({"versions": {"monai": monai.__version__, "torch": torch.__version__, "scikit-learn": sklearn.__version__, "scipy": scipy.__version__},
                   "classes": [classes(1, 40, 3, False), classes(2, 60, 4, True), classes(3, 25, 2, True), classes(4, 12, 3, False, single=True)],
                   "regression": [regression(5, 30), regression(6, 3)],
                   "similarity": [similarity([14, 13, 12], 1, 1.0), similarity([21, 17, 1], 2, 1.0), similarity([12, 11, 15], 2, 2.5)],
                   "intervals": [intervals(7, 12), intervals(8, 40)]}, f, separators=(",", ":"))


if __name__ == "__main__":
    main()
