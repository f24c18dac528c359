#!/usr/bin/env python3
"""Voxels per label of the brainchop models on each scan's own grid, by numpy, scipy and onnxruntime.

    own_grid.py SHARED OUT.json

SHARED is the folder of shared test material, whose real/scripts/real_pipeline.py conforms, scales, crops and keeps the
largest component. Softmax probabilities are sampled linearly at the scan's voxel centres (scipy's map_coordinates,
mode nearest), up to half a voxel beyond the box; farther out is background. The largest wins.
"""
import json
import os
import sys

SHARED = os.path.abspath(sys.argv[1])
os.environ["NITRAIN_REAL"] = os.path.join(SHARED, "real")
sys.path.insert(0, os.path.join(SHARED, "real", "scripts"))

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import real_pipeline as pipeline  # noqa: E402
import scipy  # noqa: E402
import scipy.ndimage as ndi  # noqa: E402

SCANS = {"mni152": "imaging/nifti/mni152_t1_1mm_u8.nii.gz", "stroke": "imaging/nifti/stroke_T1_u8.nii.gz"}


def own_grid(model, scan):
    conformed = pipeline.conform(scan)
    x, box = pipeline.prepare(np.asanyarray(conformed.dataobj), model)
    path = os.path.join(SHARED, "real", "models", f"brainchop_{model}.onnx")
    y = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x[None, None]})[0][0]
    y -= y.max(0)
    np.exp(y, out=y)
    y /= y.sum(0)
    a = np.linalg.inv(conformed.affine) @ scan.affine
    shape = scan.shape[:3]
    at = np.stack(np.meshgrid(*[np.arange(k) for k in shape], indexing="ij"), -1) @ a[:3, :3].T + (a[:3, 3] - [b.start for b in box])
    inside = ((at >= -0.5 - 1e-6) & (at <= np.array(y.shape[1:]) - 0.5 + 1e-6)).all(-1)
    at = at.reshape(-1, 3).T
    best, labels = np.full(shape, -1.0, np.float32), np.zeros(shape, np.uint8)
    for k in range(y.shape[0]):
        p = ndi.map_coordinates(y[k], at, order=1, mode="nearest").reshape(shape)
        p = np.where(inside, p, 1.0 if k == 0 else 0.0)
        labels[p > best] = k
        best = np.maximum(best, p)
    labels = pipeline.largest(labels)
    return np.bincount(labels.ravel(), minlength=y.shape[0]).tolist()


def main():
    out = {"versions": {"onnxruntime": onnxruntime.__version__, "scipy": scipy.__version__, "numpy": np.__version__}, "voxels": {}}
    for name, path in SCANS.items():
        scan = nib.load(os.path.join(SHARED, path))
        out["voxels"][name] = {m: own_grid(m, scan) for m in ("tissue_light", "tissue_high", "subcortical_light", "subcortical", "mindgrab")}
    with open(sys.argv[2], "w") as f:
        json.dump(out, f, indent=1)


if __name__ == "__main__":
    main()
