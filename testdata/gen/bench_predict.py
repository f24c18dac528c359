#!/usr/bin/env python3
"""MONAI's side of `make bench-predict`: networks with their Specs, and prediction from file to file.

    bench_predict.py export DIR [SIDE]              writes NAME.onnx (with its Spec), NAME.json (the Spec), NAME.pt (the weights)
    bench_predict.py predict DIR NAME FORM THREADS SCAN OUTDIR

NAME is head (a plain 3-D U-Net, two classes, on an MR scan at 1 mm), ct (the same with five classes, at 1.5 mm) or
picture (a small 2-D U-Net on the whole of a small picture). SIDE is the side of the windows, 96 unless told. FORM is eager,
channels_last or onnxruntime, all of them in MONAI's pipeline of the Spec, or bare: onnxruntime and PIL alone, no MONAI, for
pictures. Needs torch, monai, onnx, onnxruntime, nibabel, pillow (requirements.txt).
"""
import json
import os
import sys

SPECS = {
    "head": {
        "steps": [{"op": "orient", "axes": "RAS"}, {"op": "spacing", "mm": [1, 1, 1], "rule": "monai", "interpolation": "linear", "edge": "border"},
                  {"op": "range", "from": [0, 1200], "to": [0, 1], "clip": True}],
        "labels": ["background", "inside"], "modality": "MR", "layout": "xyz",
    },
    "ct": {
        "steps": [{"op": "orient", "axes": "RAS"}, {"op": "spacing", "mm": [1.5, 1.5, 1.5], "rule": "monai", "interpolation": "linear", "edge": "border"},
                  {"op": "range", "from": [-200, 300], "to": [0, 1], "clip": True}],
        "labels": ["background", "one", "two", "three", "four"], "modality": "CT", "layout": "xyz",
    },
    "picture": {"steps": [{"op": "range", "from": [0, 255], "to": [0, 1], "clip": True}], "labels": ["background", "inside"], "modality": "OT", "layout": "xy"},
}


def build(name):
    """Returns the network with the weights of seed 0, and whether it is 3-D."""
    import torch
    from bench_train import unet
    torch.manual_seed(0)
    dim = 2 if name == "picture" else 3
    channels = (8, 16, 32) if name == "picture" else (16, 32, 64, 128)
    net = unet(dim, channels)
    conv = torch.nn.Conv3d if dim == 3 else torch.nn.Conv2d
    net.head = conv(channels[0], len(SPECS[name]["labels"]), 1)
    return net.eval()


def spread(net, dim):
    """Scales the last layer so that random weights find every class somewhere, and are neither sure nor undecided."""
    import torch
    x = torch.rand((1, 1) + (48,) * dim)
    x = torch.nn.functional.interpolate(torch.nn.functional.avg_pool3d(x, 8) if dim == 3 else torch.nn.functional.avg_pool2d(x, 8),
                                        size=x.shape[2:], mode="trilinear" if dim == 3 else "bilinear")
    x = (x - x.min()) / (x.max() - x.min())
    with torch.no_grad():
        y = net(x).flatten(2)
        mean, std = y.mean((0, 2)), y.std((0, 2))
        shape = (-1,) + (1,) * (dim + 1)
        net.head.weight.mul_((2 / std).view(shape))
        net.head.bias.copy_((net.head.bias - mean) * 2 / std)


def spec_of(name, side):
    s = SPECS[name]
    spec = {
        "version": 1, "task": "segmentation",
        "input": {"name": "x", "layout": s["layout"], "channels": [{"name": s["modality"], "modality": s["modality"]}]},
        "prepare": s["steps"],
        "tile": {"size": [side] * 3, "overlap": 0.5, "blend": "constant", "rule": "monai", "pad": "constant", "batch": 1},
        "decode": {"activation": "softmax", "pick": "argmax", "restore": "probabilities"},
        "labels": [{"value": i, "name": n} for i, n in enumerate(s["labels"])],
    }
    if name == "picture":
        del spec["tile"]
    return spec


def export(folder, side):
    import warnings
    import onnx
    import torch
    warnings.filterwarnings("ignore")
    os.makedirs(folder, exist_ok=True)
    for name in SPECS:
        net = build(name)
        dim = 2 if name == "picture" else 3
        spread(net, dim)
        torch.save(net.state_dict(), os.path.join(folder, name + ".pt"))
        path = os.path.join(folder, name + ".onnx")
        x = torch.zeros((1, 1) + ((128, 128) if dim == 2 else (side,) * 3))
        torch.onnx.export(net, (x,), path, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])
        spec = json.dumps(spec_of(name, side))
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {"nitrain.spec": spec})
        onnx.save(model, path)
        with open(os.path.join(folder, name + ".json"), "w") as f:
            f.write(spec)


def network(folder, name, form, threads):
    """Returns what maps a tensor to logits."""
    import torch
    torch.set_num_threads(threads)
    if form == "onnxruntime":
        session = onnx_session(folder, name, threads)
        return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
    net = build(name)
    net.load_state_dict(torch.load(os.path.join(folder, name + ".pt"), weights_only=True))
    if form == "eager":
        return net
    layout = torch.channels_last_3d if SPECS[name]["layout"] == "xyz" else torch.channels_last
    net = net.to(memory_format=layout)
    return lambda x: net(x.to(memory_format=layout))


def onnx_session(folder, name, threads):
    import onnxruntime
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(os.path.join(folder, name + ".onnx"), o, providers=["CPUExecutionProvider"])


def predict(folder, name, form, threads, scan, out):
    import numpy as np
    import torch
    from monai.data import MetaTensor
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import (Activationsd, AsDiscreted, Compose, EnsureChannelFirstd, Invertd, LoadImaged, Orientationd,
                                  SaveImaged, ScaleIntensityRanged, Spacingd)
    with open(os.path.join(folder, name + ".json")) as f:
        spec = json.load(f)
    before, spatial = [LoadImaged(keys="image"), EnsureChannelFirstd(keys="image")], False
    for step in spec["prepare"]:
        if step["op"] == "orient":
            before.append(Orientationd(keys="image", axcodes=step["axes"]))
            spatial = True
        elif step["op"] == "spacing":
            before.append(Spacingd(keys="image", pixdim=step["mm"], mode="bilinear"))
        else:
            (a, b), (c, d) = step["from"], step["to"]
            before.append(ScaleIntensityRanged(keys="image", a_min=a, a_max=b, b_min=c, b_max=d, clip=step["clip"]))
    before = Compose(before)
    after = [Activationsd(keys="pred", softmax=True)]
    if spatial:
        after.append(Invertd(keys="pred", transform=before, orig_keys="image", nearest_interp=False, to_tensor=True))
    ext = ".png" if scan.endswith(".png") else ".nii.gz"
    after += [AsDiscreted(keys="pred", argmax=True),
              SaveImaged(keys="pred", output_dir=out, output_postfix="", output_ext=ext, separate_folder=False, resample=False,
                         output_dtype=np.uint8, print_log=False)]
    after = Compose(after)
    net = network(folder, name, form, threads)
    data = before({"image": scan})
    with torch.no_grad():
        x = data["image"][None]
        if "tile" in spec:
            infer = SlidingWindowInferer(roi_size=spec["tile"]["size"], sw_batch_size=1, overlap=0.5, mode="constant", padding_mode="constant")
            data["pred"] = infer(x, lambda w: net(w.as_tensor() if hasattr(w, "as_tensor") else w))[0]
        else:
            data["pred"] = MetaTensor(net(x.as_tensor())[0], meta=data["image"].meta)
        after(data)


def bare(folder, name, threads, scan, out):
    """The least that Python can do for a picture."""
    import numpy as np
    from PIL import Image
    session = onnx_session(folder, name, threads)
    x = np.asarray(Image.open(scan), np.float32).T[None, None] / 255
    y = session.run(None, {"x": x})[0][0].argmax(0).astype(np.uint8)
    Image.fromarray(y.T).save(os.path.join(out, os.path.basename(scan)))


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if sys.argv[1] == "export":
        export(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 96)
    elif sys.argv[4] == "bare":
        bare(sys.argv[2], sys.argv[3], int(sys.argv[5]), sys.argv[6], sys.argv[7])
    else:
        predict(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6], sys.argv[7])
