#!/usr/bin/env python3
"""What MONAI makes of several spatial steps with lazy=True: testdata/ref/lazy.jsonl, in the form of transform.py.

    python testdata/gen/lazy.py > testdata/ref/lazy.jsonl

Made with monai 1.6.1, torch 2.15 and numpy 1.26.4. Padding is left out: MONAI's
lazy pad does not show zeros outside, as its own pad does.
"""
import base64
import json

import monai
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import CenterSpatialCrop, Compose, Orientation, Resize, Spacing, Zoom


def emit(**record):
    print(json.dumps(record))


def pack(a):
    return base64.b64encode(np.concatenate([c.ravel(order="F") for c in np.asarray(a, np.float32)]).astype("<f4").tobytes()).decode()


c, s = np.cos(.3), np.sin(.3)
aff = np.array([[-.9 * c, 1.3 * s, 0, 12], [.9 * s, 1.3 * c, .2, -30], [.05, 0, 2.2, 44], [0, 0, 0, 1]])
data = (np.random.default_rng(1).normal(size=(1, 9, 8, 7)) * 100).astype(np.float32)
emit(monai=monai.__version__, torch=torch.__version__, numpy=np.__version__)
emit(image="a", kind="intensity", size=[9, 8, 7], channels=1, affine=aff.tolist(), data=pack(data))
J, O, S = {"op": "orient", "axes": "PIR"}, Orientation("PIR"), Spacing((1.1, .8, 1.9))
for name, steps, transforms in [
    ("orient_spacing", [J, {"op": "spacing", "mm": [1.1, .8, 1.9]}], [O, S]),
    ("crop_orient_spacing", [{"op": "center_crop", "size": [6, 6, 5]}, J, {"op": "spacing", "mm": [1.1, .8, 1.9]}], [CenterSpatialCrop((6, 6, 5)), O, S]),
    ("spacing_resize", [{"op": "spacing", "mm": [1.1, .8, 1.9]}, {"op": "resize", "size": [7, 9, 5]}], [S, Resize((7, 9, 5), mode="trilinear")]),
    ("orient_zoom", [J, {"op": "zoom", "factor": .8}], [O, Zoom(.8, mode="trilinear", keep_size=False)]),
    ("turns_only", [J, {"op": "center_crop", "size": [5, 5, 6]}, {"op": "orient", "axes": "RAS"}], [O, CenterSpatialCrop((5, 5, 6)), Orientation("RAS")]),
]:
    out = Compose(transforms, lazy=True)(MetaTensor(torch.from_numpy(data.copy()), affine=torch.from_numpy(aff)))
    emit(case=name, source="monai", input="a", steps=[{"op": "lazy", "steps": steps}], size=list(out.shape[1:]), channels=1,
         affine=out.affine.numpy().tolist(), tol=1e-4, data=pack(out.numpy()))
