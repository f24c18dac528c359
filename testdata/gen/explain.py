#!/usr/bin/env python3
"""Attributions of the demo's U-Net by captum: what nitrain's must equal.

    python testdata/gen/explain.py testdata/models/unet3d_a.onnx testdata/ref

The image is computed, here and in the Go test, by the same integer arithmetic (see unet_steps.py). The score is the sum of
channel 2 over the voxels where it is largest, plus voxel 7,8,9 of channel 1. Writes explain_unet3d_a.json (versions, the mask's
size) and explain_unet3d_a.f32: saliency (abs=False), integrated gradients (32 steps, riemann_middle, zero baseline),
occlusion (window 6,5,4, strides 4,5,3, baseline 0.25), Grad-CAM of the layer without and with upsampling; float32, C order.
"""
import json
import os
import sys

import captum
import numpy as np
import onnx
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
from onnx import numpy_helper

from train_unet import UNet
from unet_steps import noise

SIDE = 16


def image():
    x, y, z = np.meshgrid(*(np.arange(SIDE),) * 3, indexing="ij")
    labels = (x // 4 + 2 * (y // 4) + 3 * (z // 4)) % 5
    v = np.float32(0.15) * labels.astype(np.float32) + np.float32(0.3) * noise(labels.size, 77).reshape(labels.shape)
    return torch.tensor(v[None, None])


def main(model, out):
    torch.set_num_threads(1)
    net = UNet().eval()
    weights = {t.name: torch.tensor(numpy_helper.to_array(t)) for t in onnx.load(model).graph.initializer}
    net.load_state_dict({k: weights[k] for k in net.state_dict()})
    x = image()
    with torch.no_grad():
        y = net(x)
    mask = torch.zeros_like(y)
    mask[:, 2] = (y.argmax(1) == 2).float()
    mask[0, 1, 7, 8, 9] += 1

    def score(v):
        return (net(v) * mask).flatten(1).sum(1)

    layer = dict(net.named_modules())[LAYER]
    cam = LayerGradCam(score, layer).attribute(x.clone().requires_grad_(), relu_attributions=True)
    parts = {
        "saliency": Saliency(score).attribute(x.clone(), abs=False),
        "ig": IntegratedGradients(score).attribute(x, baselines=0, n_steps=32, method="riemann_middle"),
        "occlusion": Occlusion(score).attribute(x, sliding_window_shapes=(1, 6, 5, 4), strides=(1, 4, 5, 3), baselines=0.25),
        "map": cam,
        "gradcam": LayerAttribution.interpolate(cam, (SIDE,) * 3, "trilinear"),
    }
    json.dump({"script": "testdata/gen/explain.py", "torch": torch.__version__, "captum": captum.__version__, "numpy": np.__version__,
               "mask": int((y.argmax(1) == 2).sum()), "score": float(score(x).detach()), "layer": LAYER,
               "parts": [{"name": k, "shape": list(v.shape)} for k, v in parts.items()]},
              open(os.path.join(out, "explain_unet3d_a.json"), "w"))
    np.concatenate([v.detach().numpy().ravel() for v in parts.values()]).astype("<f4").tofile(os.path.join(out, "explain_unet3d_a.f32"))
    print({k: float(v.detach().abs().max()) for k, v in parts.items()})


LAYER = "enc2"

if __name__ == "__main__":
    main(*sys.argv[1:])
