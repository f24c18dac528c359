#!/usr/bin/env python3
"""Train the demo's model: a small 3-D U-Net that segments synthetic heads of contrast A, exported as a user would.

    go run ./internal/phantom/draw -o DIR/train -contrast a -seed 1   -n 48
    go run ./internal/phantom/draw -o DIR/test  -contrast a -seed 501 -n 6
    python testdata/gen/train_unet.py DIR testdata/models/unet3d_a.onnx

Needs the packages of requirements.txt. The preprocessing is MONAI's and stands, as a Spec, in unet3d_a.json beside
the model. Everything is seeded; the numbers that this run printed are in unet3d_a.txt.
"""
import csv
import os
import sys
import time

import monai
import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from monai.inferers import sliding_window_inference
from monai.transforms import (Compose, EnsureChannelFirstd, LoadImaged, Orientationd,
                              ScaleIntensityRangePercentilesd, Spacingd)

CLASSES, MM, PATCH, STEPS, BATCH = 5, 3.0, 32, int(os.environ.get("STEPS", 900)), 4


class Block(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(
            nn.Conv3d(i, o, 3, padding=1), nn.InstanceNorm3d(o, affine=True), nn.LeakyReLU(0.01),
            nn.Conv3d(o, o, 3, padding=1), nn.InstanceNorm3d(o, affine=True), nn.LeakyReLU(0.01))


class UNet(nn.Module):
    """Two levels down, two up: double convolutions, max pooling, transposed convolutions, skip connections."""

    def __init__(self, c=12):
        super().__init__()
        self.enc1, self.enc2, self.bottom = Block(1, c), Block(c, 2 * c), Block(2 * c, 4 * c)
        self.pool = nn.MaxPool3d(2)
        self.up2, self.dec2 = nn.ConvTranspose3d(4 * c, 2 * c, 2, 2), Block(4 * c, 2 * c)
        self.up1, self.dec1 = nn.ConvTranspose3d(2 * c, c, 2, 2), Block(2 * c, c)
        self.head = nn.Conv3d(c, CLASSES, 1)

    def forward(self, image):
        a = self.enc1(image)
        b = self.enc2(self.pool(a))
        x = self.bottom(self.pool(b))
        x = self.dec2(torch.cat([self.up2(x), b], 1))
        x = self.dec1(torch.cat([self.up1(x), a], 1))
        return self.head(x)


def load(folder):
    prepare = Compose([
        LoadImaged(["image", "label"]), EnsureChannelFirstd(["image", "label"]),
        Orientationd(["image", "label"], axcodes="RAS"),
        Spacingd(["image", "label"], (MM, MM, MM), mode=("bilinear", "nearest")),
        ScaleIntensityRangePercentilesd("image", 1, 99, 0, 1, clip=True)])
    rows = list(csv.DictReader(open(os.path.join(folder, "cases.csv"))))
    items = (prepare({k: os.path.join(folder, r[k]) for k in ("image", "label")}) for r in rows)
    return [(d["image"].as_tensor()[None], d["label"].as_tensor()[None].long()) for d in items]


def batch_of(cases, rng):
    xs, ys = [], []
    for _ in range(BATCH):
        x, y = cases[rng.integers(len(cases))]
        if rng.random() < 0.5:     # centre the patch on a lesion or ventricle
            at = np.argwhere(y[0, 0].numpy() >= 3)
            at = at[rng.integers(len(at))]
        else:
            at = [rng.integers(n) for n in y.shape[2:]]
        s = [int(np.clip(a - PATCH // 2, 0, n - PATCH)) for a, n in zip(at, y.shape[2:])]
        cut = (..., *(slice(i, i + PATCH) for i in s))
        x, y = x[cut], y[cut]
        if rng.random() < 0.5:
            x, y = x.flip(2), y.flip(2)
        xs.append(x * rng.uniform(0.9, 1.1) + rng.uniform(-0.1, 0.1))
        ys.append(y)
    return torch.cat(xs), torch.cat(ys)


def loss_of(logits, y):
    p, t = logits.softmax(1), F.one_hot(y[:, 0], CLASSES).permute(0, 4, 1, 2, 3).float()
    i, s = (p * t).sum((2, 3, 4)), (p + t).sum((2, 3, 4))
    return F.cross_entropy(logits, y[:, 0]) + 1 - ((2 * i + 1) / (s + 1)).mean()


def dice(net, cases):
    rows = []
    with torch.no_grad():
        for x, y in cases:
            p = sliding_window_inference(x, (PATCH,) * 3, 4, net, overlap=0.5, mode="gaussian").argmax(1, keepdim=True)
            rows.append([(2 * ((p == c) & (y == c)).sum() / ((p == c).sum() + (y == c).sum())).item() for c in range(1, CLASSES)])
    return np.nanmean(rows, 0)


def main(folder, out):
    torch.manual_seed(0)
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(0)
    train, test = load(os.path.join(folder, "train")), load(os.path.join(folder, "test"))
    net, start = UNet(), time.time()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(1, STEPS + 1):
        x, y = batch_of(train, rng)
        loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == 1:
            print(f"step {step}: loss {loss.item():.4f}, {time.time() - start:.0f} s", flush=True)
    net.eval()
    print("dice, contrast A, per label:", dice(net, test).round(4), "mean", dice(net, test).mean().round(4))
    extra = os.environ.get("EXTRA")
    if extra:
        d = dice(net, load(extra))
        print("dice, other contrast, per label:", d.round(4), "mean", d.mean().round(4))
    free = {0: "batch", 2: "x", 3: "y", 4: "z"}
    torch.onnx.export(net, (torch.zeros(1, 1, PATCH, PATCH, PATCH),), out, input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": free, "logits": free}, opset_version=17, dynamo=False)
    onnx.checker.check_model(out, full_check=True)
    print("versions: torch", torch.__version__, "monai", monai.__version__, "onnx", onnx.__version__, "numpy", np.__version__,
          "parameters", sum(p.numel() for p in net.parameters()), "bytes", os.path.getsize(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
