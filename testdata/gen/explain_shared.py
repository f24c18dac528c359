#!/usr/bin/env python3
"""Attributions of the shared models by captum, and of exported gradient models in Python's onnxruntime.

    python testdata/gen/explain_shared.py MODEL.onnx TRUTH.onnx DIR LAYER

The model is rebuilt in PyTorch by onnx2torch with the weights of the file; first its output is compared with the truth. DIR holds
the gradient models saliency.onnx, ig.onnx and gradcam.onnx (signed) that nitrain exported; LAYER is the node whose output Grad-CAM
reads. Three images (the truth's, the rest noise) are explained one by one in PyTorch, single and double precision, and
by the gradient models one by one and as a batch of three. Writes to DIR image.f32, weight.f32 and for each method NAME.f32 (of
the first image, float32 captum), and prints one JSON object with the largest differences over the largest value.
"""
import copy
import json
import os
import sys

import captum
import numpy as np
import onnx
import onnxruntime
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
from onnx import numpy_helper
from onnx2torch import convert

BASELINE = 0.25


def first(out):
    return out[0] if isinstance(out, (tuple, list)) else out


def module_of(net, node):
    plain = lambda s: "".join(c for c in s if c.isalnum()).lower()
    for name, module in net.named_modules():
        if plain(name) == plain(node):
            return module
    raise SystemExit(f"no module for node {node}")


def window_of(shape):
    """window and stride along the spatial axes: not dividing the sizes, differing by axis"""
    window = [max(n // 4 + i, 1) for i, n in enumerate(shape)]
    stride = [max(w - 1 - (i % 2), 1) for i, w in enumerate(window)]
    return window, stride


def explain(net, node, x, w):
    """captum's attributions of one image"""
    score = lambda v: (first(net(v)) * w).flatten(1).sum(1)
    window, stride = window_of(x.shape[2:])
    cam = LayerGradCam(score, module_of(net, node)).attribute(x.clone().requires_grad_(), relu_attributions=False)
    mode = {4: "bilinear", 5: "trilinear"}[x.dim()]
    return {
        "saliency": Saliency(score).attribute(x.clone(), abs=False),
        "ig": IntegratedGradients(score).attribute(x, baselines=0, n_steps=32, method="riemann_middle", internal_batch_size=1),
        "occlusion": Occlusion(score).attribute(x, sliding_window_shapes=(x.shape[1], *window), strides=(x.shape[1], *stride), baselines=BASELINE),
        "map": cam,
        "gradcam": LayerAttribution.interpolate(cam, tuple(x.shape[2:]), mode),
    }


def rel(a, b):
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


def main(model, truth, folder, node):
    torch.set_num_threads(1)
    net = convert(onnx.load(model)).eval()
    double = copy.deepcopy(net).double()
    values = {t.name: numpy_helper.to_array(t) for t in onnx.load(truth).graph.initializer}
    name = onnx.load(model).graph.input[0].name
    x, y = values["in:" + name], next(v for k, v in values.items() if k.startswith("out:"))
    with torch.no_grad():
        same = rel(first(net(torch.tensor(x))).numpy(), y)
    rng = np.random.default_rng(7)
    x = np.concatenate([x[:1], rng.standard_normal((2, *x.shape[1:])).astype("f4")])
    with torch.no_grad():
        outs = np.concatenate([first(net(torch.tensor(x[i:i + 1]))).numpy() for i in range(3)])
    w = np.zeros_like(outs)
    for i in range(3):
        if outs.ndim == 2:
            w[i, (i + 1) % outs.shape[1]] = 1
        else:
            w[i, 1] = outs[i].argmax(0) == 1
    captum32, captum64 = [], []
    for i in range(3):
        xi, wi = torch.tensor(x[i:i + 1]), torch.tensor(w[i:i + 1])
        captum32.append({k: v.detach().numpy() for k, v in explain(net, node, xi, wi).items()})
        captum64.append({k: v.detach().numpy() for k, v in explain(double, node, xi.double(), wi.double()).items()})
    sessions = {m: onnxruntime.InferenceSession(os.path.join(folder, m + ".onnx")) for m in ("saliency", "ig", "gradcam")}
    rows = []
    for part, method, output in (("saliency", "saliency", "attribution"), ("ig", "ig", "attribution"),
                                 ("map", "gradcam", "map"), ("gradcam", "gradcam", "attribution")):
        single = [sessions[method].run([output], {"image": x[i:i + 1], "weight": w[i:i + 1]})[0] for i in range(3)]
        batch = sessions[method].run([output], {"image": x, "weight": w})[0]
        rows.append({"part": part,
                     "batch1": max(rel(single[i], captum32[i][part]) for i in range(3)),
                     "batch3": max(rel(batch[i:i + 1], captum32[i][part]) for i in range(3)),
                     "double": max(rel(single[i], captum64[i][part]) for i in range(3)),
                     "captum": max(rel(captum32[i][part], captum64[i][part]) for i in range(3))})
    x[:1].tofile(os.path.join(folder, "image.f32"))
    w[:1].tofile(os.path.join(folder, "weight.f32"))
    for k, v in captum32[0].items():
        v.astype("<f4").tofile(os.path.join(folder, k + ".f32"))
    window, stride = window_of(x.shape[2:])
    print(json.dumps({"same": same, "shape": list(x.shape[1:]), "out": list(outs.shape[1:]), "window": window, "stride": stride,
                      "baseline": BASELINE, "rows": rows, "occlusion_captum": rel(captum32[0]["occlusion"], captum64[0]["occlusion"]),
                      "versions": f"torch {torch.__version__}, captum {captum.__version__}, onnxruntime {onnxruntime.__version__}"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
