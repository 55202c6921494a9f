"""Outliers: images of people who are not in the label set, filed under people who are (open-set noise)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.checks import class_id
from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws, integers_below
from corruptions.examples import Examples
from corruptions.highest_rate import highest_rate
from corruptions.quota import quota, smallest
from corruptions.record import DROPPED


@dataclass(frozen=True)
class Outlier(Corruption):
    """Exactly ``n = floor(rate * N_in + 1/2)`` training images are replaced by images of strangers.

    Some identities are *outside* the label set; the N_in examples of the others are the training images. Those n of
    them with the smallest draws are left out, and the n outside examples with the smallest draws come in under labels
    of inside identities. All other outside examples are left out at every rate. So there are N_in training images at
    every rate, and ``rate`` is exactly the share of them whose label is wrong. At rate 0 training is on the inside
    identities alone, which is the clean twin of an outlier study; it is not the clean data set (``is_clean`` is false).

    The outside identities are a function of (seed, K) and the parameters: those of a validation part that is corrupted
    separately are the same.

    Attributes:
        rate: share of the training images that are outliers, in [0, 1]; at most N_out / N_in.
        outside: the identities outside: a share of all K, ``floor(outside * K + 1/2)`` drawn ones, or their class ids.
        labels: ``kept``: an outlier takes the label of the image it replaces, the k-th in draw order that of the k-th,
            so that every label keeps its number of images. ``random``: a label drawn uniformly from the inside
            identities that have examples in the basis.

    Record details: ``absent`` (the outside identities), ``num_inside`` (N_in), ``num_outside`` (N_out),
    ``num_replaced`` (n).

    Raises:
        ValueError: outside is no share in [0, 1] and no list of different class ids, unknown labels; in ``apply``, a
            class id outside [0, K), no identity left inside, or more outliers than there are outside images.

    Reference: labels kept as in NoiseFace (Hu et al., Noise-tolerant paradigm for training face recognition CNNs, CVPR
    2019), random as in BoundaryFace (ECCV 2022). Both take their strangers from MegaFace; here they are identities of
    the data set itself, so that detector, alignment and image quality do not give the outliers away.

    >>> noise = Outlier(rate=0.5, outside=(2,)).apply([0, 0, 1, 1, 2, 2, 2], 3, seed=7)
    >>> noise.given, noise.record.realised_rate
    (array([-1, -1,  1,  1,  0, -1,  0]), 0.5)
    """

    kind: ClassVar[str] = "outlier"
    rate_of: ClassVar[str] = "images of the identities inside"
    outside: float | tuple[int, ...] = 0.1
    labels: str = "kept"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels not in ("kept", "random"):
            raise ValueError(f"labels must be one of kept, random; got {self.labels!r}")
        object.__setattr__(self, "outside", _checked_outside(self.outside))

    @property
    def is_clean(self) -> bool:
        return False

    def outside_identities(self, num_classes: int, seed: int) -> NDArray[np.int64]:
        """Class ids outside the label set, ascending.

        Raises:
            ValueError: a class id outside [0, K), or no identity left inside.
        """
        if isinstance(self.outside, tuple):
            ids = np.array(sorted(self.outside), dtype=np.int64)
            if ids[-1] >= num_classes:
                raise ValueError(f"classes outside must be in [0, {num_classes}); got {ids[-1]}")
        else:
            draws = example_draws(seed, "outlier/class", np.arange(num_classes))
            ids = smallest(draws, quota(self.outside, num_classes))
        if len(ids) == num_classes:
            raise ValueError(f"outlier must leave an identity inside; got outside={self.outside}, all of {num_classes}")
        return ids

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        absent = self.outside_identities(examples.num_classes, seed)
        is_inside = np.ones(examples.num_classes, dtype=bool)
        is_inside[absent] = False
        rows_inside = is_inside[examples.true]
        inside, outside = np.flatnonzero(rows_inside), np.flatnonzero(~rows_inside)
        asked = self._num_asked(len(inside), len(outside))
        replaced = _first(examples, inside, asked, seed, "outlier/replaced")
        coming = _first(examples, outside, asked, seed, "outlier/coming")
        given = np.where(rows_inside, examples.true, DROPPED)
        given[replaced] = DROPPED
        if self.labels == "kept":
            given[coming] = examples.true[replaced]
        elif asked:
            people = np.flatnonzero(is_inside & (basis.class_sizes() > 0))
            people = people if people.size else np.flatnonzero(is_inside)
            words = example_draws(seed, "outlier/label", examples.ids[coming])
            given[coming] = people[integers_below(len(people), words)]
        details: dict[str, Any] = {
            "absent": absent.tolist(),
            "num_inside": len(inside),
            "num_outside": len(outside),
            "num_replaced": asked,
        }
        return Decision(given, details, num_asked=asked)

    def _num_asked(self, num_inside: int, num_outside: int) -> int:
        asked = quota(self.rate, num_inside)
        if asked > num_outside:
            raise ValueError(
                f"outlier can replace at most {highest_rate(num_outside, num_inside)} of these images; "
                f"got rate={self.rate} ({num_outside} outside images for {num_inside} inside)"
            )
        return asked


def _first(examples: Examples, rows: NDArray[np.int64], count: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Those rows with the ``count`` smallest draws, in the order of their draws."""
    draws = example_draws(seed, purpose, examples.ids[rows])
    chosen = smallest(draws, count)
    return rows[chosen[np.argsort(draws[chosen])]]


def _checked_outside(outside: float | tuple[int, ...]) -> float | tuple[int, ...]:
    if isinstance(outside, tuple | list):
        ids = tuple(map(class_id, outside))
        if not ids or min(ids) < 0 or len(set(ids)) < len(ids):
            raise ValueError(f"classes outside must be different and not negative, one at least; got {list(ids)}")
        return ids
    if isinstance(outside, bool) or not 0 <= outside <= 1:
        raise ValueError(f"outside must be a share in [0, 1] or class ids; got {outside}")
    return float(outside)
