#!/usr/bin/env python3
"""PyTorch's side of `make bench-train`: the networks' constructors, their exports, and training on request.

    bench_train.py export DIR [NAME...]            writes NAME.onnx, NAME.x.bin, NAME.y.bin and networks.json
    bench_train.py train DIR NAME FORM THREADS     trains; see below

FORM is eager, channels_last, compile or s2b (dilated convolutions as space-to-batch). Training prints one JSON line when
the first step is done, {"loss": L, "parameters": N}, and then answers each line on its standard input: "train N" with
{"losses": [...], "seconds": [...]} of N more steps, "infer N" with {"seconds": [...]} of N forward passes without gradients.
The loss is the mean squared error against y, the optimizer Adam at 1e-4, normalizations train.

Needs torch, torchvision, monai, onnx (requirements.txt).
"""
import json
import os
import sys
import time

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


def double(dim, i, o):
    import torch.nn as nn
    conv = nn.Conv3d if dim == 3 else nn.Conv2d
    return nn.Sequential(conv(i, o, 3, padding=1), nn.ReLU(), conv(o, o, 3, padding=1), nn.ReLU())


def unet(dim, channels=(16, 32, 64, 128)):
    """A plain U-Net: double convolutions with ReLU, max-pooling, transposed convolutions, skips by concatenation."""
    import torch
    import torch.nn as nn

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            up = nn.ConvTranspose3d if dim == 3 else nn.ConvTranspose2d
            self.pool = nn.MaxPool3d(2) if dim == 3 else nn.MaxPool2d(2)
            self.down = nn.ModuleList(double(dim, i, o) for i, o in zip((1,) + channels, channels))
            self.up = nn.ModuleList(up(o, i, 2, 2) for i, o in zip(channels[:-1], channels[1:]))
            self.join = nn.ModuleList(double(dim, 2 * c, c) for c in channels[:-1])
            self.head = (nn.Conv3d if dim == 3 else nn.Conv2d)(channels[0], 2, 1)

        def forward(self, x):
            skips = []
            for i, block in enumerate(self.down):
                x = block(x if i == 0 else self.pool(x))
                skips.append(x)
            for i in reversed(range(len(self.up))):
                x = self.join[i](torch.cat([self.up[i](x), skips[i]], 1))
            return self.head(x)

    return UNet()


def meshnet():
    """brainchop's tissue_high MeshNet, 20 channels, dilations 1, 2, 4, 8, 16, 8, 4, 2, 1, with random weights."""
    import torch.nn as nn
    layers, width = [], 1
    for d in (1, 2, 4, 8, 16, 8, 4, 2, 1):
        layers += [nn.Conv3d(width, 20, 3, padding=d, dilation=d), nn.ELU()]
        width = 20
    return nn.Sequential(*layers, nn.Conv3d(width, 3, 1))


def space_to_batch(net):
    """The same numbers; PyTorch's backward pass of dilated convolutions is slow."""
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    class Conv(nn.Conv3d):
        def forward(self, x):
            d = self.dilation[0]
            if d == 1 or self.kernel_size[0] == 1:
                return super().forward(x)
            n, c, a, b, e = x.shape
            y = x.reshape(n, c, a // d, d, b // d, d, e // d, d).permute(0, 3, 5, 7, 1, 2, 4, 6)
            y = y.reshape(n * d ** 3, c, a // d, b // d, e // d).contiguous(memory_format=torch.channels_last_3d)
            y = F.conv3d(y, self.weight, self.bias, padding=1)
            o = y.shape[1]
            return y.reshape(n, d, d, d, o, a // d, b // d, e // d).permute(0, 4, 5, 1, 6, 2, 7, 3).reshape(n, o, a, b, e)

    for m in net.modules():
        if type(m) is nn.Conv3d:
            m.__class__ = Conv
    return net


def build(name):
    """Returns the network with the weights of seed 0, and the shape of its input."""
    import torch
    torch.manual_seed(0)
    if name == "unet3d":
        return unet(3), (1, 1, 64, 64, 64)
    if name == "unet3d_large":
        return unet(3), (2, 1, 96, 96, 96)
    if name == "unet2d":
        return unet(2), (4, 1, 128, 128)
    if name == "meshnet":
        return meshnet(), (1, 1, 48, 48, 64)
    if name == "resnet18":
        from torchvision.models import resnet18
        return resnet18(num_classes=10), (4, 3, 128, 128)
    from monai.networks import nets
    if name == "basicunet3d":
        return nets.BasicUNet(spatial_dims=3, in_channels=1, out_channels=2), (1, 1, 64, 64, 64)
    if name == "dynunet3d":
        return nets.DynUNet(3, 1, 2, kernel_size=[3] * 4, strides=[1, 2, 2, 2], upsample_kernel_size=[2, 2, 2]), (1, 1, 64, 64, 64)
    if name == "segresnet3d":
        return nets.SegResNet(spatial_dims=3, init_filters=8, in_channels=1, out_channels=2), (1, 1, 64, 64, 64)
    if name == "swinunetr":
        return nets.SwinUNETR(in_channels=1, out_channels=2, feature_size=12, spatial_dims=3), (1, 1, 64, 64, 64)
    if name == "vit":
        return nets.ViT(in_channels=1, img_size=(128, 128), patch_size=(16, 16), hidden_size=192, mlp_dim=768, num_layers=6,
                        num_heads=6, classification=True, num_classes=10, spatial_dims=2, post_activation=""), (4, 1, 128, 128)
    raise SystemExit(f"no network {name!r}")


NAMES = ["unet3d", "unet3d_large", "basicunet3d", "dynunet3d", "segresnet3d", "meshnet", "unet2d", "resnet18", "swinunetr", "vit"]


def output(net, x):
    y = net(x)
    return y[0] if isinstance(y, (tuple, list)) else y


def export(folder, names):
    import numpy as np
    import torch
    import warnings
    warnings.filterwarnings("ignore")
    os.makedirs(folder, exist_ok=True)
    list_ = []
    for name in names or NAMES:
        net, shape = build(name)
        net.train()
        x = torch.randn(shape)

        class One(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x):
                return output(self.net, x)

        net.eval()
        with torch.no_grad():
            y = torch.randn(One()(x).shape)
        net.train()
        torch.onnx.export(One(), (x,), os.path.join(folder, name + ".onnx"), dynamo=False, opset_version=17, input_names=["x"],
                          output_names=["y"], training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
        x.numpy().astype(np.float32).tofile(os.path.join(folder, name + ".x.bin"))
        y.numpy().astype(np.float32).tofile(os.path.join(folder, name + ".y.bin"))
        forms = ["eager", "channels_last", "compile"] + (["s2b"] if name == "meshnet" else [])
        list_.append({"name": name, "x": list(x.shape), "y": list(y.shape), "forms": forms})
        print(name, sum(p.numel() for p in net.parameters()), "parameters", file=sys.stderr)
    json.dump(list_, open(os.path.join(folder, "networks.json"), "w"), indent=1)


def train(folder, name, form, threads):
    import numpy as np
    import torch
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    net, shape = build(name)
    net.train()
    at = lambda kind, s: torch.from_numpy(np.fromfile(os.path.join(folder, f"{name}.{kind}.bin"), np.float32).reshape(s))
    shapes = {n["name"]: n for n in json.load(open(os.path.join(folder, "networks.json")))}
    x, y = at("x", shapes[name]["x"]), at("y", shapes[name]["y"])
    if form in ("channels_last", "s2b"):
        layout = torch.channels_last_3d if x.dim() == 5 else torch.channels_last
        net, x = net.to(memory_format=layout), x.to(memory_format=layout)
    if form == "s2b":
        net = space_to_batch(net)
    run = torch.compile(net) if form == "compile" else net
    opt = torch.optim.Adam(net.parameters(), lr=1e-4)

    def step():
        opt.zero_grad()
        loss = ((output(run, x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss.item()

    say = lambda v: print(json.dumps(v), flush=True)
    say({"loss": step(), "parameters": sum(p.numel() for p in net.parameters())})
    for line in sys.stdin:
        what, n = line.split()
        seconds, losses = [], []
        if what == "train":
            for _ in range(int(n)):
                t = time.perf_counter()
                losses.append(step())
                seconds.append(time.perf_counter() - t)
        else:
            net.eval()
            with torch.no_grad():
                for _ in range(int(n)):
                    t = time.perf_counter()
                    output(run, x)
                    seconds.append(time.perf_counter() - t)
            net.train()
        say({"losses": losses, "seconds": seconds})


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(sys.argv[2], sys.argv[3:])
    else:
        train(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
