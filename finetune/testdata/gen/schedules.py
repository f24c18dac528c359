#!/usr/bin/env python3
"""Learning rates by torch.optim.lr_scheduler: writes ../ref/schedules.json (made with torch 2.15)."""
import json
import os
import warnings

import torch
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, PolynomialLR, SequentialLR

warnings.simplefilter("ignore")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref", "schedules.json")


def rates(kind, high, warmup, steps):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=high)
    left = steps - warmup
    after = {"constant": lambda: ConstantLR(opt, 1.0, 1), "cosine": lambda: CosineAnnealingLR(opt, left),
             "poly": lambda: PolynomialLR(opt, left, power=0.9)}[kind]()
    s = after
    if warmup:
        s = SequentialLR(opt, [LinearLR(opt, 1 / (warmup + 1), 1, warmup), after], [warmup])
    out = []
    for _ in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        s.step()
    return out


runs = [("constant", 1e-3, 0, 5), ("constant", 1e-3, 3, 9), ("cosine", 1e-3, 0, 40), ("cosine", 2e-4, 10, 50),
        ("poly", 0.01, 0, 30), ("poly", 0.01, 5, 30)]
with open(OUT, "w") as h:
    json.dump({"torch": torch.__version__, "runs": [
        {"kind": k, "high": hi, "warmup": w, "steps": n, "rates": rates(k, hi, w, n)} for k, hi, w, n in runs]}, h)
    h.write("\n")
