"""Time of symmetric noise at identity scale, beside one bare NumPy permutation of as many numbers.

    python -m benchmarks.corruption_speed

The permutation is what the least careful implementation pays to choose which examples to flip. Ours also draws by
example id, counts every cell and hashes both label arrays. Best of five, seconds; a ratio is to the permutation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from corruptions import Symmetric

NUM_CLASSES = 10_575  # the identities of CASIA-WebFace
RATE = 0.4
REPEATS = 5


def best_seconds(action: Callable[[], object]) -> float:
    """Shortest wall time of five calls, seconds: the run that other work on the machine disturbed least."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"symmetric, rate {RATE}, {NUM_CLASSES:,} classes, NumPy {np.__version__}, best of {REPEATS}")
    print(f"{'labels':>10} {'permutation s':>14} {'symmetric s':>12} {'ratio':>6}")
    for num_examples in (500_000, 1_000_000):
        labels = rng.integers(0, NUM_CLASSES, num_examples)
        bare = best_seconds(partial(rng.permutation, num_examples))
        ours = best_seconds(partial(Symmetric(rate=RATE).apply, labels, NUM_CLASSES, seed=0))
        print(f"{num_examples:>10,} {bare:>14.3f} {ours:>12.3f} {ours / bare:>6.1f}")


if __name__ == "__main__":
    main()
