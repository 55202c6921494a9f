"""The memory of one run on all of CIFAR-10, from the process's start to its result.

    OMP_NUM_THREADS=1 python -m benchmarks.run_memory [--model resnet8] [--json FILE]

One fresh process trains an epoch on 50,000 images, measures everything that a run measures, and tells its largest
resident set (``ru_maxrss``) and the largest private part of it (``RssAnon``); a second one only imports what a run
imports, so that what is Python's and torch's own can be told from what is ours.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.private_memory import PrivateMemory
from benchmarks.result_file import tell
from noisylabels.data import data_root
from noisylabels.problem import pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec, TrainSpec

DATASETS = {"cifar10": "cifar10", "a tenth of it": "cifar10:per_class=500"}


def measure(dataset: str, model: str) -> dict[str, float | str]:
    """In this process; nothing but imports where there is no data set."""
    with PrivateMemory() as private:
        status = "imports"
        if dataset:
            train = TrainSpec(epochs=1, batch_size=128, learning_rate=0.05)
            spec = RunSpec(
                dataset=dataset, corruption="symmetric:rate=0.4", model=model, head="cam_softmax", train=train
            )
            status = execute(spec, pose(spec, Path(data_root()))).status
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
    return {"status": status, "peak_mb": round(peak), "private_mb": round(private.peak)}


def alone(dataset: str, model: str) -> dict[str, float | str]:
    """In a fresh process."""
    command = [sys.executable, "-m", "benchmarks.run_memory", "--one", dataset, "--model", model]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    found: dict[str, float | str] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="resnet8")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        print(json.dumps(measure(asked.one, asked.model)))
        return
    found: dict[str, object] = {"imports alone": alone("", asked.model)}
    found |= {name: alone(dataset, asked.model) for name, dataset in DATASETS.items()}
    found["model"] = asked.model
    tell(found, asked.json)


if __name__ == "__main__":
    main()
