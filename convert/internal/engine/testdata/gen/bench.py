"""Times one training step of the plain 3-D U-Net of unet_test.go in PyTorch: python bench.py [threads]"""
import sys
import time

import torch
from unet import UNet, batch

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
net = UNet(3, [16, 32, 64, 128], 2)
x, labels = batch(3, 1, 64, 2)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
best = cpu = float("inf")
for _ in range(8):
    start, used = time.perf_counter(), time.process_time()
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(x), labels)
    loss.backward()
    optimizer.step()
    best, cpu = min(best, time.perf_counter() - start), min(cpu, time.process_time() - used)
print(f"torch {torch.__version__}, {torch.get_num_threads()} threads: {best:.3f} s a step, {cpu:.3f} s of processor time, loss {loss.item():.6f}")
