#!/usr/bin/env python3
"""nnU-Net's summary.json of the label maps in testdata/ref/metric.json: of labels, of regions, and with a label
that is ignored.

    nnunet_summary.py metric.json OUT.json

Made with nnunetv2 2.8.1 (the version stands in the file). Case i is i.nii.gz, pixel sizes are those of the case.
"""
import importlib.metadata
import json
import math
import pathlib
import sys
import tempfile

import nibabel as nib
import numpy as np
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO


def clean(v):
    if isinstance(v, dict):
        return {k: clean(x) for k, x in v.items() if not k.endswith("_file")}
    if isinstance(v, list):
        return [clean(x) for x in v]
    return None if isinstance(v, float) and math.isnan(v) else v


def main():
    cases = json.load(open(sys.argv[1]))["cases"]
    out = {"versions": {"nnunetv2": importlib.metadata.version("nnunetv2")}}
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        for which in ("prediction", "truth"):
            (tmp / which).mkdir()
            for i, c in enumerate(cases):
                a = np.array(c[which], np.uint8).reshape(c["size"], order="F")
                nib.save(nib.Nifti1Image(a, np.diag(c["spacing"] + [1])), tmp / which / f"{i}.nii.gz")
        for name, regions, ignore in (("labels", [1, 2, 3], None), ("regions", [(1, 2, 3), (2, 3), (3,)], None), ("ignored", [1, 2], 3)):
            compute_metrics_on_folder(str(tmp / "truth"), str(tmp / "prediction"), str(tmp / "s.json"), SimpleITKIO(), ".nii.gz", regions, ignore, 1)
            out[name] = clean(json.load(open(tmp / "s.json")))
    with open(sys.argv[2], "w") as f:
        json.dump(out, f, separators=(",", ":"))


if __name__ == "__main__":
    main()
