"""Head and loss at many classes: time and memory of one forward and backward pass against linear plus cross-entropy.

    OMP_NUM_THREADS=1 python -m benchmarks.many_classes [--classes 10572,100000] [--rounds 5] [--out FILE]

Each measurement is a fresh process, which repeats it and tells its median; the kinds take turns, and ratios are the
medians over the rounds. Memory is how far the resident set grows at its peak from just before the passes, weights and
embeddings apart (the weights' gradient is in it); Linux tells.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.result_file import tell

KINDS = (
    "plain",
    "softmax",
    "cosface",
    "arcface",
    "cam_softmax",
    "cam_softmax, as the loop has it",
    "cam_softmax, chunks",
)
CHUNK = 2048

PROGRAM = """
import json, statistics, sys, time
import torch
from torch import nn
from torch.nn import functional as F
from noisylabels.heads import HEADS
from noisylabels.heads.many_classes import many_class_cross_entropy

kind, K, D, B, chunk, repeats = sys.argv[1], *map(int, sys.argv[2:7])
torch.set_num_threads(1)
torch.manual_seed(0)
name = kind.partition(",")[0]
embeddings = torch.randn(B, D, requires_grad=True)
labels = torch.randint(0, K, (B,))
head = nn.Linear(D, K, bias=False) if kind == "plain" else HEADS[name]().build(K, D)

def loss():
    if kind == "plain":
        return F.cross_entropy(head(embeddings), labels)
    if kind.endswith("loop has it") or name == "softmax":
        return F.cross_entropy(head.training_logits(embeddings, labels), labels)
    return many_class_cross_entropy(head, embeddings, labels, chunk=chunk if kind.endswith("chunks") else None).mean()

def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))

warm = torch.randn(64, D) @ torch.randn(D, 64)
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # forget the peak of the imports
before, seconds = resident("VmRSS:"), []
for _ in range(repeats):
    head.zero_grad(set_to_none=True)
    embeddings.grad = None
    began = time.perf_counter()
    loss().backward()
    seconds.append(time.perf_counter() - began)
print(json.dumps({"seconds": statistics.median(seconds), "mb": resident("VmHWM:") - before}))
"""


def measured(kind: str, classes: int, dim: int, batch: int, repeats: int) -> dict[str, float]:
    """One process's medians."""
    arguments = [kind, *map(str, (classes, dim, batch, CHUNK, repeats))]
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def table(classes: int, dim: int, batch: int, rounds: int, repeats: int) -> list[dict[str, float | str | int]]:
    """All kinds in turns; ratios to the plain one of the same round."""
    turns = [{kind: measured(kind, classes, dim, batch, repeats) for kind in KINDS} for _ in range(rounds)]
    rows: list[dict[str, float | str | int]] = []
    for kind in KINDS:
        ratio = {
            key: statistics.median(turn[kind][key] / turn["plain"][key] for turn in turns) for key in ("seconds", "mb")
        }
        middle = {key: statistics.median(turn[kind][key] for turn in turns) for key in ("seconds", "mb")}
        rows.append(
            {
                "classes": classes,
                "kind": kind,
                "milliseconds": round(1000 * middle["seconds"], 1),
                "mb": round(middle["mb"]),
                "time_ratio": round(ratio["seconds"], 3),
                "memory_ratio": round(ratio["mb"], 3),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--classes", default="10572,100000")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows = [
        row
        for classes in map(int, asked.classes.split(","))
        for row in table(classes, asked.dim, asked.batch, asked.rounds, asked.repeats)
    ]
    tell({"dim": asked.dim, "batch": asked.batch, "chunk": CHUNK, "rows": rows}, asked.out)


if __name__ == "__main__":
    main()
