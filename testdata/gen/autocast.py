"""Losses of a small 3-D network under torch.autocast: python autocast.py > ../ref/autocast.json

Weights and data are sines of their index, so that every program can make them. Plain SGD, mean squared error.
"""
import json
import sys

import torch
import torch.nn.functional as F


def wave(shape, rate, size):
    n = torch.Size(shape).numel()
    return (torch.sin(torch.arange(n, dtype=torch.float64) * rate) * size).float().reshape(shape)


def train(dtype, steps=6, rate=0.02):
    w = [wave((8, 2, 3, 3, 3), 0.7, 0.3), wave((8,), 1.3, 0.1), wave((4, 8, 3, 3, 3), 0.9, 0.2), wave((4, 5), 0.3, 0.5)]
    for p in w:
        p.requires_grad_()
    x, truth = wave((2, 2, 8, 8, 8), 0.37, 1.0), wave((2, 5), 0.61, 1.0)
    scaler = torch.amp.GradScaler("cpu", enabled=dtype == torch.float16)
    losses = []
    for _ in range(steps):
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            h = F.relu(F.conv3d(x, w[0], w[1], padding=1))
            h = F.relu(F.conv3d(h, w[2], padding=1, stride=2)).float().mean((2, 3, 4))
            y = h @ w[3]
        loss = ((y.float() - truth) ** 2).mean()
        losses.append(loss.item())
        grads = [g / scaler.get_scale() if scaler.is_enabled() else g for g in torch.autograd.grad(scaler.scale(loss), w)]
        with torch.no_grad():
            for p, g in zip(w, grads):
                p -= rate * g
    return losses


json.dump({"versions": {"torch": torch.__version__, "python": sys.version.split()[0]},
           "float32": train(None), "bfloat16": train(torch.bfloat16), "float16": train(torch.float16)}, sys.stdout, indent=1)
print()
