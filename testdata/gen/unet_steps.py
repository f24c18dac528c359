#!/usr/bin/env python3
"""The first 20 training steps of the demo's U-Net in PyTorch: what nitrain's must equal.

    python testdata/gen/unet_steps.py testdata/models/unet3d_a.onnx testdata/ref

The batches are computed, here and in the Go test, by the same integer arithmetic, so no data is stored: voxel i of
batch s has the noise hash(i + 131071*s) / 2^32 and belongs to a checkerboard of labels. Loss: MONAI's DiceCELoss with
its defaults. Optimizer: Adam 1e-3. Writes unet3d_a_steps.json (losses, versions) and unet3d_a_after.f32 (the logits of batch 0
after the 20 steps, float32, C order).
"""
import json
import os
import sys

import monai
import numpy as np
import onnx
import torch
from monai.losses import DiceCELoss
from onnx import numpy_helper

from train_unet import CLASSES, UNet

SIDE, BATCH, STEPS = 16, 2, 20


def noise(n, offset):
    h = (np.arange(n, dtype=np.uint64) + np.uint64(offset)) * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(15)
    h = h * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(13)
    return (h.astype(np.float64) / 2**32).astype(np.float32)


def batch(step):
    """images [2,1,16,16,16] and labels of the same shape"""
    n, x, y, z = np.meshgrid(np.arange(BATCH), *(np.arange(SIDE),) * 3, indexing="ij")
    labels = (x // 4 + 2 * (y // 4) + 3 * (z // 4) + n + step) % CLASSES
    image = np.float32(0.15) * labels.astype(np.float32) + np.float32(0.3) * noise(labels.size, 131071 * step).reshape(labels.shape)
    return torch.tensor(image[:, None]), torch.tensor(labels[:, None].astype(np.int64))


def main(model, out):
    torch.set_num_threads(1)
    net = UNet()
    weights = {t.name: torch.tensor(numpy_helper.to_array(t)) for t in onnx.load(model).graph.initializer}
    net.load_state_dict({k: weights[k] for k in net.state_dict()})
    loss_of = DiceCELoss(softmax=True, to_onehot_y=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        after = net(batch(0)[0]).numpy().astype("<f4")
    json.dump({"script": "testdata/gen/unet_steps.py", "torch": torch.__version__, "monai": monai.__version__, "numpy": np.__version__,
               "shape": list(after.shape), "losses": losses}, open(os.path.join(out, "unet3d_a_steps.json"), "w"), indent=1)
    after.tofile(os.path.join(out, "unet3d_a_after.f32"))
    print(losses)


if __name__ == "__main__":
    main(*sys.argv[1:])
