"""Writes testdata/ref/adam.json: 20 Adam steps of the U-Net of unet_test.go in PyTorch, in float32 and float64.

python adam.py; needs torch (made with 2.15.0) and numpy.
"""
import json
import pathlib

import torch
from unet import UNet, batch

torch.set_num_threads(1)


def train(dims, dtype):
    net = UNet(dims, [4, 8, 16], 3).to(dtype)
    x, labels = batch(dims, 2, 16, 3)
    x = x.to(dtype)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        out = net(x).flatten()
    return {"losses": losses, "output": [float(v) for v in out[:: max(1, out.numel() // 64)]]}


ref = {"torch": torch.__version__}
for dims in (2, 3):
    ref[f"{dims}d"] = train(dims, torch.float64)
    single = train(dims, torch.float32)
    for key in ("losses", "output"):
        gap = max(abs(a - b) for a, b in zip(single[key], ref[f"{dims}d"][key]))
        print(f"{dims}-D, {key}: float32 differs from float64 by {gap:.1e}")
path = pathlib.Path(__file__).parent.parent / "ref" / "adam.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(ref, indent=1) + "\n")
