"""The optimiser step alone: what channels last, a fused optimiser, bfloat16 and ``torch.compile`` each bring.

    OMP_NUM_THREADS=1 python -m benchmarks.step [--models small_cnn:width=16,resnet8] [--rounds 9]
                                 [--device cpu] [--json FILE]

Forward, backward and optimiser step on one resident batch of 128 images of 32 x 32, in turns:

    plain            what tutorials write: contiguous float32, SGD as it comes
    channels last    weights and images channels last; this is what the training loop does
    fused optimiser  the same with ``torch.optim.SGD(fused=True)``
    bfloat16         channels last under autocast
    compiled         channels last, embedder and loss through ``torch.compile``; the seconds until its first step are
                     given apart, with the number of steps after which they are earned back

Ratios are taken to ``plain`` of the same round, then the median; above 1 is faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.result_file import tell
from noisylabels import catalog
from noisylabels.heads import HEADS
from noisylabels.models import MODELS

BATCH, SIDE, CLASSES = 128, 32, 10
VARIANTS = ("plain", "channels last", "fused optimiser", "bfloat16", "compiled")
Step = Callable[[], None]


def step_of(variant: str, text: str, device: torch.device) -> Step:
    """One training step of that variant, on weights of its own."""
    torch.manual_seed(0)
    spec = catalog.build(MODELS, text, what="model")
    embedder: nn.Module = spec.build(3, SIDE).to(device)
    head = catalog.build(HEADS, "softmax", what="head").build(CLASSES, spec.embedding_dim).to(device)
    images, labels = torch.randn(BATCH, 3, SIDE, SIDE, device=device), torch.arange(BATCH, device=device) % CLASSES
    if variant != "plain":
        embedder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    weights = [*embedder.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(
        weights, lr=1e-3, momentum=0.9, nesterov=True, fused=True if variant == "fused optimiser" else None
    )

    def objective(pictures: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=variant == "bfloat16"):
            embeddings = embedder(pictures)
        return F.cross_entropy(head.training_logits(embeddings.float(), targets), targets)

    asked: Any = torch.compile(objective) if variant == "compiled" else objective

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        asked(images, labels).backward()
        optimizer.step()

    return step


def seconds(step: Step, device: torch.device) -> float:
    """Of one step, the device's queue drained."""
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def table(text: str, rounds: int, device: torch.device) -> list[dict[str, Any]]:
    """All variants of one model, in turns."""
    steps: dict[str, Step] = {}
    first: dict[str, float] = {}
    for variant in VARIANTS:
        try:
            steps[variant] = step_of(variant, text, device)
            first[variant] = seconds(steps[variant], device)
        except Exception as error:
            steps.pop(variant, None)
            print(f"{text}: {variant} does not work here: {str(error).splitlines()[0][:200]}", flush=True)
    turns = [{name: seconds(step, device) for name, step in steps.items()} for _ in range(rounds)]
    return [_row(text, name, turns, first) for name in steps]


def _row(text: str, name: str, turns: list[dict[str, float]], first: dict[str, float]) -> dict[str, Any]:
    middle = statistics.median(turn[name] for turn in turns)
    row: dict[str, Any] = {
        "model": text,
        "variant": name,
        "milliseconds": round(1000 * middle, 1),
        "speed_to_plain": round(statistics.median(turn["plain"] / turn[name] for turn in turns), 3),
    }
    if name == "compiled":
        gain = statistics.median(turn["channels last"] for turn in turns) - middle
        row["seconds_to_first_step"] = round(first[name], 1)
        row["steps_until_earned_back"] = round(first[name] / gain) if gain > 0 else None
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", default="small_cnn:width=16,resnet8")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(asked.device)
    rows = [row for text in catalog.split_top_level(asked.models) for row in table(text, asked.rounds, device)]
    tell({"torch": torch.__version__, "batch": BATCH, "rows": rows}, asked.json)


if __name__ == "__main__":
    main()
