"""The UNet of the benchmarks and its training step in PyTorch, as a process.

    python torch_unet.py BATCH SIZE LEVELS FILTERS

Prints its version and number of parameters as a line of JSON, then for each line of the
input, a number of training steps, makes them and prints "done". PyTorch is no
dependency: without it the script prints nothing and exits with 1.
"""

import json
import sys

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    sys.exit(1)


def _conv(inputs, outputs, size=3):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="circular")


def _double_conv(inputs, outputs):
    return nn.Sequential(
        _conv(inputs, outputs), nn.ReLU(), _conv(outputs, outputs), nn.ReLU()
    )


class UNet(nn.Module):
    """As `hyco_jax.networks.UNet` with doubling filters: u + f(u)."""

    def __init__(self, channels, levels, filters):
        super().__init__()
        features = [filters * 2**i for i in range(levels)]
        inputs = [channels, *features[:-1]]
        self.down = nn.ModuleList(
            _double_conv(a, b) for a, b in zip(inputs, features, strict=True)
        )
        self.up = nn.ModuleList(
            _double_conv(a + b, a)
            for a, b in zip(features[-2::-1], features[:0:-1], strict=True)
        )
        self.last = _conv(features[0], channels, 1)

    def forward(self, u):
        x, skips = u, []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)
            x = functional.avg_pool2d(x, 2)
        x = self.down[-1](x)
        for block in self.up:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear")
            x = block(torch.cat([skips.pop(), x], 1))
        return u + self.last(x)


def main():
    """Serves training steps until the input ends."""
    batch, size, levels, filters = map(int, sys.argv[1:])
    torch.manual_seed(0)
    network = UNet(2, levels, filters)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    inputs, targets = torch.randn(2, batch, 2, size, size)
    count = sum(p.numel() for p in network.parameters())
    found = {"version": torch.__version__, "num_params": count}
    print(json.dumps(found), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            optimizer.zero_grad()
            functional.mse_loss(network(inputs), targets).backward()
            optimizer.step()
        print("done", flush=True)


if __name__ == "__main__":
    main()
