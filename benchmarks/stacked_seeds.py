"""Seeds of one configuration trained at once, as one net of grouped convolutions, against one after the other.

    OMP_NUM_THREADS=1 python -m benchmarks.stacked_seeds [--seeds 4] [--rounds 5] [--device cpu] [--json FILE]

S nets side by side are one net: images and channels of all seeds lie next to one another, convolutions have S groups,
and a batch norm over S x C channels is S batch norms. (``torch.func.vmap`` over stacked weights comes to the same
grouped convolutions, but refuses batch norms that keep running statistics.) Before anything is timed, embeddings and
gradients of both ways are compared.

Prints the time of forward and backward of S steps, one after the other, over that of one stacked step: above 1 the
stack wins.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.result_file import tell
from noisylabels.models.small_cnn import SmallCnn, SmallCnnNet

WIDTHS, BATCH, SIDE = (4, 8, 16), 128, 32
CLOSE = 1e-4


class StackedNet(nn.Module):
    """S small nets as one, by grouped convolutions."""

    def __init__(self, nets: Sequence[SmallCnnNet]) -> None:
        super().__init__()
        self.count = len(nets)
        self.features = nn.Sequential(
            *(_stacked(layers) for layers in zip(*(net.features for net in nets), strict=True))
        )
        self.nets = nets  # type: ignore[assignment]  # their last layers are small: one after the other

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, S x C, H, W)`` to embeddings ``(S, B, D)``."""
        pooled = self.features(images).amax(dim=(2, 3)).chunk(self.count, dim=1)
        return torch.stack([net.output(own) for net, own in zip(self.nets, pooled, strict=True)])


def _stacked(layers: tuple[nn.Module, ...]) -> nn.Module:
    first, count = layers[0], len(layers)
    if isinstance(first, nn.Conv2d):
        one = nn.Conv2d(
            first.in_channels * count, first.out_channels * count, 3, first.stride, 1, groups=count, bias=False
        )
    elif isinstance(first, nn.BatchNorm2d):
        one = nn.BatchNorm2d(first.num_features * count)
    else:
        return first
    one.load_state_dict(
        {
            name: torch.cat([layer.state_dict()[name] for layer in layers]) if value.ndim else value
            for name, value in first.state_dict().items()
        }
    )
    return one


def nets_and_stack(width: int, seeds: int, device: torch.device) -> tuple[list[nn.Module], StackedNet, Tensor]:
    """The same weights in both ways, and a batch ``(S, B, C, H, W)``."""
    torch.manual_seed(0)
    nets = [SmallCnn(width=width).build(3, SIDE).to(device, memory_format=torch.channels_last) for _ in range(seeds)]
    stack = StackedNet(nets).to(device, memory_format=torch.channels_last)  # type: ignore[arg-type]
    return nets, stack, torch.randn(seeds, BATCH, 3, SIDE, SIDE, device=device)


def side_by_side(images: Tensor) -> Tensor:
    """``(S, B, C, H, W)`` to ``(B, S x C, H, W)``."""
    return images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def differences(nets: list[nn.Module], stack: StackedNet, images: Tensor) -> dict[str, float]:
    """Greatest relative difference of embeddings and of the first convolution's gradient."""
    apart = torch.stack([net(own) for net, own in zip(nets, images, strict=True)])
    apart.square().mean().backward()
    gradient = torch.cat([net.features[0].weight.grad for net in nets])  # type: ignore[index, union-attr]
    for net in nets:
        net.zero_grad()
    together = stack(side_by_side(images))
    together.square().mean().backward()
    together, apart = together.detach(), apart.detach()
    found = stack.features[0].weight.grad
    return {
        "embeddings": float((together - apart).abs().max() / apart.abs().max()),
        "gradients": float((found - gradient).abs().max() / gradient.abs().max()),  # type: ignore[operator]
    }


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Of one call, the device's queue drained."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def measured(width: int, seeds: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Ratio and milliseconds, both ways in turns."""
    nets, stack, images = nets_and_stack(width, seeds, device)
    apart = differences(nets, stack, images)
    assert max(apart.values()) < CLOSE, apart
    single = [own.contiguous(memory_format=torch.channels_last) for own in images]
    joined = side_by_side(images)

    def one_after_the_other() -> None:
        for net, own in zip(nets, single, strict=True):
            net(own).square().mean().backward()

    def at_once() -> None:
        stack(joined).square().mean().backward()

    for work in (one_after_the_other, at_once):
        seconds(work, device)
    turns = [(seconds(one_after_the_other, device), seconds(at_once, device)) for _ in range(rounds)]
    return {
        "width": width,
        "seeds": seeds,
        "one_after_the_other_ms": round(1000 * statistics.median(first for first, _ in turns), 1),
        "stacked_ms": round(1000 * statistics.median(second for _, second in turns), 1),
        "ratio": round(statistics.median(first / second for first, second in turns), 3),
        "embeddings_differ_by": apart["embeddings"],
        "gradients_differ_by": apart["gradients"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for width in WIDTHS:
        rows.append(measured(width, asked.seeds, asked.rounds, torch.device(asked.device)))
        print(rows[-1], flush=True)
    tell({"batch": BATCH, "rows": rows}, asked.json)


if __name__ == "__main__":
    main()
