"""What kind of noise the estimated mistakes look like, where that can be told at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.estimates import Estimates, joint_counts
from noisylabels.audit.suspects import Suspects

LEAST_RATE = 0.05
"""Below this lower end of the noise rate the suspects are as likely the model's mistakes as the labels'."""
LEAST_SUSPECTS = 10
"""Suspects a class, on average, that a claim takes."""
EVEN = 0.08
"""Excess distance from even targets up to which they count as even."""
ONE_TARGET = 0.6
"""Share of a class's mistakes on its commonest target from which noise counts as one-to-one."""

Kind = Literal["even", "one_target", "no claim"]


@dataclass(frozen=True)
class NoiseKind:
    """A guess, and why.

    Attributes:
        kind: ``even`` (targets spread evenly, as of ``symmetric`` noise), ``one_target`` (each class is mostly mistaken
            for one other, as of ``pair`` and ``asymmetric`` noise), or ``no claim``.
        because: in a sentence.
    """

    kind: Kind
    because: str


def noise_kind(found: Suspects, estimates: Estimates, *, seed: int, draws: int = 200) -> NoiseKind:
    """The kind of noise by where the suspects' labels went; nothing is claimed of which images are hit.

    ``D = sum_i m_i TV(d_i, u_i) / sum_i m_i``: d_i is the distribution of the m_i suspects of estimated true class i
    over the other labels, u_i the even one. D of even draws of the same sizes is subtracted, as few draws look uneven.
    Even if the rest is at most 0.08; one target where the commonest label has 60 % of the suspects (mean over i,
    weighted by m_i); no claim between, below a noise rate of 5 % (its lower end), with fewer than ten suspects a class,
    or for two classes, where both are the same.

    Args:
        found: the suspects.
        estimates: of them.
        seed, draws: of the even draws.

    Reference: our own.
    """
    K, rate = found.num_classes, estimates.noise_rate
    joint = joint_counts(found)
    off = joint * (1 - np.eye(K))
    total = off.sum()
    if rate.low < LEAST_RATE or total < LEAST_SUSPECTS * K or K < 3:
        why = f"{total:.0f} suspects among {K} classes, noise rate at least {rate.low:.1%}, are too few to tell a kind"
        return NoiseKind("no claim", why)
    generator = np.random.default_rng(seed)
    sizes = np.rint(off.sum(axis=1)).astype(np.int64)
    chance = [_unevenness(_even_draw(sizes, generator)) for _ in range(draws)]
    excess = _unevenness(off) - float(np.mean(chance))
    commonest = float(off.max(axis=1).sum() / total)
    if excess <= EVEN:
        return NoiseKind("even", f"targets are {excess:+.2f} further from even than chance makes them")
    if commonest >= ONE_TARGET:
        return NoiseKind("one_target", f"the commonest wrong label of a class has {commonest:.0%} of its mistakes")
    why = f"targets are {excess:+.2f} further from even than chance makes them, the commonest has {commonest:.0%}"
    return NoiseKind("no claim", f"{why}: neither even nor one a class")


def _even_draw(sizes: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float64]:
    K = len(sizes)
    even = (1 - np.eye(K)) / (K - 1)
    return np.stack([generator.multinomial(size, even[i]) for i, size in enumerate(sizes.tolist())]).astype(float)


def _unevenness(off: NDArray[np.float64]) -> float:
    """Total variation distance of each row from even targets, weighted by the row's sum."""
    K, sizes = len(off), off.sum(axis=1)
    shares = off / np.maximum(sizes, 1e-300)[:, None]
    distance = np.abs(shares - (1 - np.eye(K)) / (K - 1)).sum(axis=1) / 2
    return float((distance * sizes).sum() / max(sizes.sum(), 1e-300))
