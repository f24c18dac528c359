"""PyTorch's rates for the shapes of conv_bench_test.go, one thread, beside ours.

python bench_conv.py [pattern]  runs `go test -bench` of the package and PyTorch in turn and prints GFLOP/s and the ratio.
Written for torch 2.15. Times are processor time of one thread, the best of many repetitions.
"""

import re
import subprocess
import sys
import time

import torch

torch.set_num_threads(1)
torch.set_flush_denormal(True)
C, S = (lambda n: (n,) * 3), (lambda n: (n,) * 2)
# name: batch, in, out, size, kernel, stride, dilation, groups
SHAPES = {
    "3d-16-16-64": (1, 16, 16, C(64), 3, 1, 1, 1),
    "3d-32-16-64": (1, 32, 16, C(64), 3, 1, 1, 1),
    "3d-32-32-32": (1, 32, 32, C(32), 3, 1, 1, 1),
    "3d-64-64-16": (1, 64, 64, C(16), 3, 1, 1, 1),
    "3d-128-128-8": (1, 128, 128, C(8), 3, 1, 1, 1),
    "3d-1-16-64": (1, 1, 16, C(64), 3, 1, 1, 1),
    "3d-20-20-48-d1": (1, 20, 20, C(48), 3, 1, 1, 1),
    "3d-20-20-48-d4": (1, 20, 20, C(48), 3, 1, 4, 1),
    "3d-20-20-48-d16": (1, 20, 20, C(48), 3, 1, 16, 1),
    "3d-16-32-64-s2": (1, 16, 32, C(64), 3, 2, 1, 1),
    "2d-3-64-128-k7s2": (4, 3, 64, S(128), 7, 2, 1, 1),
    "2d-64-64-32": (4, 64, 64, S(32), 3, 1, 1, 1),
    "2d-128-128-16": (4, 128, 128, S(16), 3, 1, 1, 1),
    "2d-256-256-8": (4, 256, 256, S(8), 3, 1, 1, 1),
    "2d-512-512-4": (4, 512, 512, S(4), 3, 1, 1, 1),
    "2d-16-16-128": (4, 16, 16, S(128), 3, 1, 1, 1),
    "2d-depthwise-64-56": (4, 64, 64, S(56), 3, 1, 1, 64),
}


def best(f, seconds=0.3):
    f()
    least, end = 1e9, time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.thread_time()
        f()
        least = min(least, time.thread_time() - start)
    return least


def torch_rates(batch, cin, cout, size, k, stride, dilation, groups):
    pad = (k - 1) * dilation // 2
    dims = len(size)
    rates = {}
    for last in (False, True):
        form = (torch.channels_last_3d if dims == 3 else torch.channels_last) if last else torch.contiguous_format
        x = torch.randn(batch, cin, *size).to(memory_format=form)
        w = torch.randn(cout, cin // groups, *([k] * dims)).to(memory_format=form)
        args = ([stride] * dims, [pad] * dims, [dilation] * dims, False, [0] * dims, groups)
        run = torch.ops.aten.convolution
        y = run(x, w, None, *args)
        flops = 2 * y.numel() * cin // groups * k**dims
        back = torch.ops.aten.convolution_backward
        passes = {
            "forward": lambda: run(x, w, None, *args),
            "input": lambda: back(y, x, w, None, *args, [True, False, False]),
            "weights": lambda: back(y, x, w, None, *args, [False, True, False]),
        }
        for name, f in passes.items():
            rates[name] = max(rates.get(name, 0), flops / best(f) * 1e-9)
    return rates


def our_rates(name):
    out = subprocess.run(
        ["go", "test", ".", "-run", "xxx", "-bench", f"Convolution/^{name}$", "-benchtime", "0.3s"],
        capture_output=True, text=True, check=True).stdout
    return {m[1]: float(m[2]) for m in re.finditer(rf"{name}/(\w+?)(?:-\d+)?\s.*?([\d.]+) GFLOP/s", out)}


if __name__ == "__main__":
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    with torch.no_grad():
        for name, shape in SHAPES.items():
            if not re.search(pattern, name):
                continue
            ours, theirs = our_rates(name), torch_rates(*shape)
            print(f"{name:20}", *(f"{p} {ours[p]:6.1f} / {theirs[p]:6.1f} = {ours[p] / theirs[p]:4.2f} " for p in theirs), flush=True)
