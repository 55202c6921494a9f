"""The draws again in Python's unbounded integers, one at a time, and a test of uniformity: shared by the references."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy import stats

WORD = 2**64


def draw_in_plain_integers(seed: int, purpose: str, example_id: int) -> int:
    """``example_draws`` for one id in Python's unbounded integers, written from its docstring."""

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
        return z ^ (z >> 31)

    key = int.from_bytes(hashlib.sha256(f"{purpose}/{seed}".encode()).digest()[:8], "big")
    return mix(key ^ mix((key + (example_id + 1) * 0x9E3779B97F4A7C15) % WORD))


def assert_uniform(cells: NDArray[np.int64], num_cells: int) -> None:
    """Chi-square over equally likely cells; the seeds are fixed, so that this passes always or never."""
    assert stats.chisquare(np.bincount(cells, minlength=num_cells)).pvalue > 1e-3
