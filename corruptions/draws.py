"""One random 64-bit word per example: a pure function of a seed, a purpose and the example's id.

There is no stream and so no order of calls. An example has the same draw in any subset, any row order, at any noise
rate, on any machine and under any NumPy version, because only wrapping 64-bit integer arithmetic is used.
"""

from __future__ import annotations

import hashlib
import operator

import numpy as np
from numpy.typing import NDArray

GOLDEN_GAMMA = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio, made odd: SplitMix64's increment."""

_BLOCK = 1 << 15
"""Words mixed at a time: they and their temporaries stay in the processor's cache."""


def example_draws(seed: int, purpose: str, ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Words ``w(id) = mix(key XOR mix(key + (id + 1) * GOLDEN_GAMMA))``, all modulo 2^64.

    ``key`` is the first eight bytes (big-endian) of SHA-256 of ``"<purpose>/<seed>"``; ``mix`` is SplitMix64's
    finaliser. One round alone would be SplitMix64 itself, where any two keys give shifted copies of one sequence; the
    key enters a second time between the rounds, so that a shift that lines up the first round is undone by the second.

    For one key the map is a bijection of 64-bit words: distinct ids never tie, so "the n smallest draws" is always a
    definite set of examples.

    Args:
        seed: any integer.
        purpose: what is decided by the draw, such as ``"symmetric/which"``; other purpose, other draws.
        ids: the examples, int64, shape (N,), any values.

    Returns:
        uint64, shape (N,), each uniform on [0, 2^64).

    Raises:
        TypeError: the seed is not an integer.

    Reference: mix is the finaliser of Steele, Lea & Flood, Fast splittable pseudorandom number generators, OOPSLA
    2014, with Stafford's variant 13 of the constants; the two keyed rounds are our own.

    >>> [f"{word:016x}" for word in example_draws(7, "symmetric/which", np.array([0, 1]))]
    ['3ecc5756f52ff15d', 'a038a1400fd1e140']
    """
    digest = hashlib.sha256(f"{purpose}/{operator.index(seed)}".encode()).digest()
    key = int.from_bytes(digest[:8], "big")
    words = ids.astype(np.uint64)
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        block += 1
        block *= GOLDEN_GAMMA
        block += key
        _mix_in_place(block)
        block ^= key
        _mix_in_place(block)
    return words


def integers_below(n: int, words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """``floor(w * n / 2^64)``: each word as an integer in [0, n), shape (N,).

    Computed exactly from the word's two halves, without 128-bit numbers. No value's probability is off 1/n by more than
    2^-64.

    Raises:
        ValueError: n is not in [1, 2^32].

    >>> integers_below(10, np.array([0, 2**63, 2**64 - 1], dtype=np.uint64))
    array([0, 5, 9])
    """
    if not 1 <= n <= 2**32:
        raise ValueError(f"n must be in [1, 2^32]; got {n}")
    low = (words & 0xFFFFFFFF) * n >> 32
    return ((words >> 32) * n + low >> 32).astype(np.int64)


def unit_floats(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """``floor(w / 2^11) / 2^53``: each word's top 53 bits as a float in [0, 1), shape (N,), exact.

    >>> unit_floats(np.array([0, 2**63, 2**64 - 1], dtype=np.uint64)).tolist()
    [0.0, 0.5, 0.9999999999999999]
    """
    return (words >> 11).astype(np.float64) * 2.0**-53


def _mix_in_place(words: NDArray[np.uint64]) -> None:
    """SplitMix64's finaliser, a bijection in which every input bit moves every output bit with probability near 1/2."""
    words ^= words >> 30
    words *= 0xBF58476D1CE4E5B9
    words ^= words >> 27
    words *= 0x94D049BB133111EB
    words ^= words >> 31
