"""Time and memory of the corruption engine at identity scale, and beside cleanlab's noise generator.

    python -m benchmarks.corruption [--no-cleanlab]

Each line is measured in five processes of its own, labels made before the clock starts: median and range of the seconds
of one first call of ``apply`` (draws, counting, hashing, record), and the largest peak resident memory of a process,
labels and NumPy included. A first call pays for fresh memory, which a machine hands out at very different speeds. Then
symmetric noise at 1,000,000 x 10,575 by ours and by cleanlab's ``generate_noisy_labels`` with the exact symmetric
matrix, one after the other in one process, with the rate each realises. The matrix that cleanlab asks for has 0.9 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from corruptions import CORRUPTIONS

LARGE = (10_000_000, 100_000)
CASIA = (1_000_000, 10_575)
RATE = 0.4
PROCESSES = 5
BARS = {"symmetric": (2.0, 500), "identity_merge": (4.0, None), "identity_split": (4.0, None)}
"""Seconds and megabytes that must not be exceeded at 10,000,000 x 100,000."""

KINDS = ("symmetric", "identity_merge", "identity_split", "identity_flip", "pair", "random_labels")


def measure(kind: str, num_examples: int, num_classes: int) -> dict[str, Any]:
    """One first call in this process."""
    labels = np.random.default_rng(0).integers(0, num_classes, num_examples)
    corruption = CORRUPTIONS[kind](rate=RATE)
    start = time.perf_counter()
    noise = corruption.apply(labels, num_classes, seed=0)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
    return {"seconds": seconds, "peak_mb": peak, "realised": noise.record.realised_rate}


def compare_with_cleanlab(num_examples: int, num_classes: int) -> dict[str, Any]:
    """Both generators on the same labels in this process, ours first."""
    from cleanlab.benchmarking.noise_generation import generate_noisy_labels  # noqa: TID251 (what it is measured against)

    labels = np.random.default_rng(0).integers(0, num_classes, num_examples)
    start = time.perf_counter()
    noise = CORRUPTIONS["symmetric"](rate=RATE).apply(labels, num_classes, seed=0)
    ours = time.perf_counter() - start
    matrix = np.full((num_classes, num_classes), RATE / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - RATE)
    np.random.seed(0)  # noqa: NPY002 (cleanlab draws from the global generator)
    start = time.perf_counter()
    theirs = generate_noisy_labels(labels, matrix)
    seconds = time.perf_counter() - start
    return {
        "ours_seconds": ours,
        "ours_realised": noise.record.realised_rate,
        "cleanlab_seconds": seconds,
        "cleanlab_realised": float(np.mean(np.asarray(theirs) != labels)),
    }


def alone(*arguments: object) -> dict[str, Any]:
    """This module's ``--one`` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.corruption", "--one", *map(str, arguments)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    values: dict[str, Any] = json.loads(answer.stdout)
    return values


def measured(kind: str, num_examples: int, num_classes: int) -> dict[str, Any]:
    """Median, range and largest peak over fresh processes, one after the other."""
    runs = [alone(kind, num_examples, num_classes) for _ in range(PROCESSES)]
    seconds = sorted(run["seconds"] for run in runs)
    return {
        "seconds": seconds[PROCESSES // 2],
        "range": f"{seconds[0]:.2f}-{seconds[-1]:.2f}",
        "peak_mb": max(run["peak_mb"] for run in runs),
        "realised": runs[0]["realised"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--no-cleanlab", action="store_true", help="leave the comparison out (it takes minutes)")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "N", "K"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, num_examples, num_classes = arguments.one
        sizes = int(num_examples), int(num_classes)
        print(json.dumps(compare_with_cleanlab(*sizes) if kind == "cleanlab" else measure(kind, *sizes)))
        return
    print(f"rate {RATE}, NumPy {np.__version__}, median of {PROCESSES} fresh processes")
    print(
        f"{'kind':>16} {'labels':>12} {'classes':>9} {'seconds':>8} {'range':>12} {'peak MB':>8} {'realised':>9}  bar"
    )
    for kind in KINDS:
        for sizes in (CASIA, LARGE):
            found = measured(kind, *sizes)
            bar = _verdict(found, *BARS[kind]) if kind in BARS and sizes == LARGE else ""
            print(
                f"{kind:>16} {sizes[0]:>12,} {sizes[1]:>9,} {found['seconds']:>8.2f} {found['range']:>12} "
                f"{found['peak_mb']:>8.0f} {found['realised']:>9.3%}  {bar}",
                flush=True,
            )
    if not arguments.no_cleanlab:
        found = alone("cleanlab", *CASIA)
        ratio = found["cleanlab_seconds"] / found["ours_seconds"]
        print(
            f"symmetric {RATE:.0%} at {CASIA[0]:,} x {CASIA[1]:,}: ours {found['ours_seconds']:.2f} s, realised "
            f"{found['ours_realised']:.3%}; cleanlab {found['cleanlab_seconds']:.1f} s, realised "
            f"{found['cleanlab_realised']:.3%}; {ratio:.0f} times"
        )


def _verdict(found: dict[str, Any], seconds: float, megabytes: int | None) -> str:
    kept = found["seconds"] < seconds and (megabytes is None or found["peak_mb"] < megabytes)
    memory = f", {megabytes} MB" if megabytes else ""
    return f"{'kept' if kept else 'MISSED'} ({seconds:.0f} s{memory})"


if __name__ == "__main__":
    main()
