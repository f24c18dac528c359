#!/usr/bin/env python3
"""Losses and their gradients by MONAI and PyTorch: writes ../ref/losses.json.

    losses.py        (made with monai 1.6.1, torch 2.15; the versions used stand in the file)
"""
import json
import os
import warnings

import monai
import torch
import torch.nn.functional as F
from monai.losses import DiceCELoss, DiceLoss

warnings.simplefilter("ignore")
torch.manual_seed(7)
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref", "losses.json")


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().double().flatten().tolist()]


def main():
    inputs = {}
    for name, shape in {"volume": (2, 3, 3, 4, 2), "picture": (2, 4, 5, 3), "binary": (2, 1, 3, 2, 4)}.items():
        x = torch.randn(shape) * 2
        n = max(2, shape[1])
        y = torch.randint(0, n, (shape[0], 1) + shape[2:])
        if name == "volume":
            y[1][y[1] == 2] = 0  # one class is absent from one sample
        inputs[name] = (x, y)
    w3 = torch.tensor([0.5, 1.0, 2.0])
    o = dict(to_onehot_y=True)
    smooth = dict(smooth_nr=1, smooth_dr=1)

    def oneh(y, n):
        return F.one_hot(y[:, 0], n).movedim(-1, 1).float()

    cases = [
        ("volume", "dicece", "", DiceCELoss(softmax=True, **o)),
        ("volume", "dicece", "smooth=1,background=false", DiceCELoss(softmax=True, include_background=False, **smooth, **o)),
        ("volume", "dicece", "smooth-nr=0,batch=true,dice-weight=0.3,ce-weight=2",
         DiceCELoss(softmax=True, smooth_nr=0, batch=True, lambda_dice=0.3, lambda_ce=2, **o)),
        ("volume", "dicece", "weights=0.5:1:2,label-smoothing=0.1", DiceCELoss(softmax=True, weight=w3, label_smoothing=0.1, **o)),
        ("volume", "dicece", "weights=0.5:1:2,background=false,batch=true",
         DiceCELoss(softmax=True, weight=w3, include_background=False, batch=True, **o)),
        ("volume", "dice", "squared=true", DiceLoss(softmax=True, squared_pred=True, **o)),
        ("volume", "dice", "jaccard=true,smooth-dr=0.01", DiceLoss(softmax=True, jaccard=True, smooth_dr=0.01, **o)),
        ("volume", "dice", "jaccard=true,squared=true,background=false",
         DiceLoss(softmax=True, jaccard=True, squared_pred=True, include_background=False, **o)),
        ("volume", "ce", "", lambda x, y: F.cross_entropy(x, y[:, 0])),
        ("volume", "ce", "weights=0.5:1:2", lambda x, y: F.cross_entropy(x, y[:, 0], weight=w3)),
        ("volume", "ce", "weights=0.5:1:2,label-smoothing=0.2", lambda x, y: F.cross_entropy(x, y[:, 0], weight=w3, label_smoothing=0.2)),
        ("picture", "dicece", "", DiceCELoss(softmax=True, **o)),
        ("picture", "ce", "label-smoothing=0.05", lambda x, y: F.cross_entropy(x, y[:, 0], label_smoothing=0.05)),
        ("binary", "dicece", "", DiceCELoss(sigmoid=True)),
        ("binary", "dicece", "weights=3,background=false", DiceCELoss(sigmoid=True, weight=torch.tensor([3.0]))),
        ("binary", "ce", "", lambda x, y: F.binary_cross_entropy_with_logits(x, y.float())),
        ("volume", "dice", "", DiceLoss(sigmoid=True, to_onehot_y=True), True),
        ("volume", "ce", "", lambda x, y: F.binary_cross_entropy_with_logits(x, oneh(y, 3)), True),
    ]
    out = {"monai": monai.__version__, "torch": torch.__version__, "inputs": {}, "cases": []}
    for name, (x, y) in inputs.items():
        out["inputs"][name] = {"shape": list(x.shape), "logits": flat(x), "classes": y.flatten().tolist()}
    for name, loss, options, f, *sigmoid in cases:
        x, y = inputs[name]
        x = x.clone().double().requires_grad_()
        f = f.double() if isinstance(f, torch.nn.Module) else f
        if not isinstance(f, torch.nn.Module) and "weights" in options:
            def g(x, y, f=f):
                return f(x.float(), y).double()
            v = g(x, y)
        else:
            v = f(x, y)
        v.backward()
        out["cases"].append({"input": name, "loss": loss, "options": options, "sigmoid": bool(sigmoid),
                             "value": float(v), "gradient": flat(x.grad)})
    with open(OUT, "w") as h:
        json.dump(out, h)
        h.write("\n")


if __name__ == "__main__":
    main()
