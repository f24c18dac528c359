"""The U-Net of unet_test.go in PyTorch, with the same initial weights and batch."""
import numpy as np
import torch
from torch import nn


def unit(n, salt):
    """Hashes 0..n-1 to [-0.5, 0.5), as unit in unet_test.go."""
    k = np.arange(n, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    h = (k * np.uint64(2654435761) + np.uint64(salt * 40503)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & mask
    h ^= h >> np.uint64(13)
    return (h >> np.uint64(8)).astype(np.float64) / (1 << 24) - 0.5


class UNet(nn.Module):
    def __init__(self, dims, widths, classes):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        up = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
        self.pool = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[dims](2)
        block = lambda i, o: nn.Sequential(conv(i, o, 3, padding=1), nn.ReLU(), conv(o, o, 3, padding=1), nn.ReLU())
        self.down, self.up, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        last = 1
        for w in widths:
            self.down.append(block(last, w))
            last = w
        for w in reversed(widths[:-1]):
            self.up.append(up(last, w, 2, 2))
            self.join.append(block(2 * w, w))
            last = w
        self.head = conv(last, classes, 1)
        self.reset(dims)

    def ordered(self):
        """Parameters in the order of unet.params in unet_test.go."""
        for block in self.down:
            yield from block.parameters()
        for up, block in zip(self.up, self.join):
            yield from up.parameters()
            yield from block.parameters()
        yield from self.head.parameters()

    def reset(self, dims):
        ordered = list(self.ordered())
        for i in range(0, len(ordered), 2):
            w, b = ordered[i], ordered[i + 1]
            transposed = any(w is u.weight for u in self.up)
            fan = w.shape[0] * 2**dims if transposed else w[0].numel()
            scale = 2 * np.sqrt(6 / fan)
            for j, p in ((i, w), (i + 1, b)):
                values = (scale * unit(p.numel(), j)).astype(np.float32)
                p.data = torch.from_numpy(values).reshape(p.shape)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x)
            if i < len(self.down) - 1:
                skips.append(x)
                x = self.pool(x)
        for up, block, skip in zip(self.up, self.join, reversed(skips)):
            x = block(torch.cat([up(x), skip], 1))
        return self.head(x)


def batch(dims, n, side, classes):
    shape = (n, 1) + (side,) * dims
    flat = (2 * unit(int(np.prod(shape)), 12345)).astype(np.float32)
    before = np.concatenate([[np.float32(0)], flat[:-1]])
    before[np.arange(flat.size) % side == 0] = 0
    total = flat + before
    truth = np.zeros(flat.size, np.int64)
    for c in range(classes - 1):
        truth[total > np.float32(c) * np.float32(0.5)] = c + 1
    return torch.from_numpy(flat).reshape(shape), torch.from_numpy(truth).reshape((n,) + shape[2:])
