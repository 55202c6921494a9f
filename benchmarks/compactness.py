"""Every compactness metric of 500,000 x 512 embeddings of 10,572 classes, beside reading them and one product.

    OMP_NUM_THREADS=1 python -m benchmarks.compactness [--size 500000] [--classes 10572] [--dim 512]
                                        [--rounds 3] [--json FILE]

Embeddings lie in a temporary memory-mapped file. Each round three fresh processes take turns:

    ours      ``noisylabels.metrics.streamed.compactness``
    floor     the embeddings are read and multiplied with the class means, block by block, in float32: silhouettes by
              class centres cannot do with less
    library   scikit-learn's ``silhouette_score(metric="cosine")``, the one metric of these that a library has, at
              ``--library-size`` embeddings, as its time and scikit-learn's distances grow with the square

``cpu`` is processor time, ``mb`` the largest private memory beside that of Python before the arrays are opened.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.private_memory import PrivateMemory, status
from benchmarks.result_file import tell
from noisylabels.metrics.streamed import compactness

WAYS = ("ours", "floor", "library")
BLOCK = 1024


def write(folder: Path, size: int, classes: int, dim: int) -> None:
    """Classes of unequal size around random centres, in random order, a part at a time."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((classes, dim), dtype=np.float32)
    labels = (classes * generator.random(size) ** 1.5).astype(np.int64)
    embeddings = np.lib.format.open_memmap(folder / "embeddings.npy", mode="w+", dtype=np.float32, shape=(size, dim))
    for start in range(0, size, 20_000):
        own = labels[start : start + 20_000]
        noise = generator.standard_normal((len(own), dim), dtype=np.float32)
        embeddings[start : start + len(own)] = centres[own] + noise
    embeddings.flush()
    np.save(folder / "labels.npy", labels)


def floor(embeddings: Any, labels: Any) -> float:
    """Read everything, and multiply it with as many vectors as there are classes."""
    means = np.random.default_rng(1).standard_normal((int(labels.max()) + 1, embeddings.shape[1]), dtype=np.float32)
    out = np.empty((BLOCK, len(means)), dtype=np.float32)
    for start in range(0, len(embeddings), BLOCK):
        block = embeddings[start : start + BLOCK]
        np.matmul(block, means.T, out=out[: len(block)])
    return float(out[0, 0])


def library(embeddings: Any, labels: Any) -> float:
    """The silhouette alone."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(embeddings, labels, metric="cosine"))


def measure(way: str, folder: Path, size: int) -> dict[str, float]:
    """One of them, in this process."""
    before = status("RssAnon")
    embeddings = np.load(folder / "embeddings.npy", mmap_mode="r")[:size]
    labels = np.load(folder / "labels.npy")[:size]
    work = {"ours": compactness, "floor": floor, "library": library}[way]
    with PrivateMemory() as private:
        began, computed = time.perf_counter(), time.process_time()
        found: Any = work(embeddings, labels)
        seconds, cpu = time.perf_counter() - began, time.process_time() - computed
    value = found.cosine_silhouette if way == "ours" else found
    return {"seconds": seconds, "cpu": cpu, "mb": private.peak - before, "value": value}


def alone(way: str, folder: Path, size: int) -> dict[str, float]:
    """In a fresh process."""
    command = [sys.executable, "-m", "benchmarks.compactness", "--one", way, str(folder), str(size)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def table(folder: Path, sizes: dict[str, int], rounds: int) -> dict[str, Any]:
    """All ways in turns; ratios round by round, then the median."""
    turns = [{way: alone(way, folder, sizes[way]) for way in WAYS} for _ in range(rounds)]
    checked = alone("ours", folder, sizes["library"])

    def over_floor(key: str) -> float:
        return round(statistics.median(turn["ours"][key] / turn["floor"][key] for turn in turns), 3)

    middle = {
        way: {key: round(statistics.median(turn[way][key] for turn in turns), 2) for key in ("seconds", "cpu", "mb")}
        for way in WAYS
    }
    return middle | {
        "ours_over_floor_seconds": over_floor("seconds"),
        "ours_over_floor_cpu": over_floor("cpu"),
        "library_over_ours_at_its_size": round(turns[0]["library"]["seconds"] / checked["seconds"], 1),
        "silhouettes_differ_by": abs(checked["value"] - turns[0]["library"]["value"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=500_000)
    parser.add_argument("--classes", type=int, default=10_572)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--library-size", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        way, folder, size = asked.one
        print(json.dumps(measure(way, Path(folder), int(size))))
        return
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), asked.size, asked.classes, asked.dim)
        sizes = {"ours": asked.size, "floor": asked.size, "library": min(asked.library_size, asked.size)}
        found = {"size": asked.size, "classes": asked.classes, "dim": asked.dim, "library_size": sizes["library"]}
        found |= table(Path(name), sizes, asked.rounds)
    tell(found, asked.json)


if __name__ == "__main__":
    main()
