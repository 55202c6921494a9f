"""Published noise code, bug for bug and called so, to translate the numbers in old tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corruptions import legacy_class_noise as class_noise
from corruptions import legacy_instance_noise as instance_noise
from corruptions.corruption import Corruption, Decision
from corruptions.examples import Examples


@dataclass(frozen=True)
class LegacyCode:
    """One convention.

    Attributes:
        run: the mechanism; its docstring is the formula.
        used_by: where it is in use.
        claims: what its rate is taken to mean.
        does: what comes of it, in expectation; ``conventions.effective_rate`` has the numbers.
        num_classes: the only K it can be run with; None is any.
        needs_features: whether it looks at the images.
    """

    run: Callable[[Examples, Examples, float, int], class_noise.Outcome]
    used_by: str
    claims: str
    does: str
    num_classes: int | None = None
    needs_features: bool = False


LEGACY_CODES: dict[str, LegacyCode] = {
    "dividemix_symmetric": LegacyCode(
        class_noise.dividemix_symmetric,
        used_by="DivideMix; ELR and SOP (whose count is rounded up)",
        claims="a share rate of all labels is wrong",
        does="rate (K - 1) / K is: the new label is drawn from all classes, its own included",
    ),
    "dividemix_asymmetric": LegacyCode(
        class_noise.dividemix_asymmetric,
        used_by="DivideMix, CIFAR-10",
        claims="a share rate is wrong",
        does="rate / 2 is: of the examples drawn, those of five classes have nowhere to go",
        num_classes=10,
    ),
    "elr_asymmetric": LegacyCode(
        class_noise.elr_asymmetric,
        used_by="ELR and active-passive-losses, CIFAR-10",
        claims="a share rate of truck, bird, cat, dog and deer is wrong",
        does="cats are wrong at rate - rate^2: those sent to dog are drawn again among the dogs, and some return",
        num_classes=10,
    ),
    "apl_asymmetric_cifar100": LegacyCode(
        class_noise.apl_asymmetric_cifar100,
        used_by="active-passive-losses and ELR, CIFAR-100",
        claims="labels move to the next class of their superclass",
        does="they move within five consecutive ids, in the order of the alphabet: 6 of 100 stay in the superclass",
        num_classes=100,
    ),
    "sce_asymmetric_cifar100": LegacyCode(
        class_noise.sce_asymmetric_cifar100,
        used_by="symmetric cross entropy and SOP, CIFAR-100",
        claims="a share rate of the labels moves within the superclass",
        does="2 rate / 5 does: two random classes of each five consecutive ids swap, the other three keep their labels",
        num_classes=100,
    ),
    "cleanlab_cells": LegacyCode(
        class_noise.cleanlab_cells,
        used_by="cleanlab's generate_noisy_labels, given the exact symmetric matrix",
        claims="exactly the rate",
        does="each cell (true, given) is cut down to a whole number: nothing where rate n_i / (K - 1) is below one",
    ),
    "boundaryface_flip": LegacyCode(
        class_noise.boundaryface_flip,
        used_by="BoundaryFace",
        claims="a share rate of each identity is flipped",
        does="the share is rounded down per identity: identities of fewer than 1 / rate images keep all their labels",
    ),
    "aqua_instance": LegacyCode(
        instance_noise.aqua_instance,
        used_by="AQuA",
        claims="rates per image around rate, between 0 and 1",
        does="they are between rate and rate + 0.1: about rate + 0.046 of all labels is wrong",
        needs_features=True,
    ),
    "pdn_instance": LegacyCode(
        instance_noise.pdn_instance,
        used_by="part-dependent noise (PTD) and the many that copied it",
        claims="a mean rate of rate",
        does="the cut at 0 lifts the mean at low rates: 12.9 % at 10 %",
        needs_features=True,
    ),
}
"""Name to convention: all of them, in one place."""


@dataclass(frozen=True)
class Legacy(Corruption):
    """What published code really does when it is asked for ``rate``; see ``LEGACY_CODES`` for who, what and how.

    For reading old tables, not for new ones: the rate that is asked is mostly not the rate that comes out, and
    ``elr_asymmetric`` and ``cleanlab_cells`` are not nested in the rate. The mechanisms are theirs, the random numbers
    are ours: their generators are unseeded or global, so no seed gives their files again; with draws per example the
    same distribution comes out of any row order. At rate 0 the code is not run and all labels are right.

    The instance codes multiply raw features by random W, shared (AQuA) or one per true class (PDN), mask the true class
    and draw a target from the softmax. On raw pixels the softmax is saturated and most flips of a class share one
    target; that is part of what they do. W is kept to twelve binary places, and features that are not whole to twenty,
    so that the result is the same on every machine.

    Attributes:
        rate: the number the code is asked for, in [0, 1].
        code: key of ``LEGACY_CODES``.

    Record details: ``used_by``, ``claims``, ``does``; ``num_chosen`` (labels drawn anew, right ones included) of the
    DivideMix and instance codes, ``swapped_classes`` of SCE's, ``num_untouched_identities`` of BoundaryFace's.

    Raises:
        ValueError: an unknown code; in ``apply``, another K than the code is written for, AQuA's rate above 0.9.

    Reference: the codes' repositories as of 2024; DivideMix issue 29, ELR issue 16, SCE issue 2, cleanlab issue 977.

    >>> noise = Legacy(0.4, code="boundaryface_flip").apply([0, 0, 1, 1, 1], 2, seed=7)
    >>> noise.record.flipped_by_class, noise.record.details["num_untouched_identities"]
    ((0, 1), 1)
    """

    kind: ClassVar[str] = "legacy"
    rate_of: ClassVar[str] = "whatever the code takes it for"
    code: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.code not in LEGACY_CODES:
            raise ValueError(f"code must be one of {', '.join(LEGACY_CODES)}; got {self.code!r}")

    def needs(self) -> frozenset[str]:
        return frozenset({"features"} if LEGACY_CODES[self.code].needs_features else ())

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        code = LEGACY_CODES[self.code]
        if code.num_classes not in (None, examples.num_classes):
            raise ValueError(f"{self.code} needs num_classes {code.num_classes}; got {examples.num_classes}")
        said = {"used_by": code.used_by, "claims": code.claims, "does": code.does}
        if self.rate == 0:
            return Decision(examples.true.copy(), said, num_asked=0)
        given, details = code.run(examples, basis, self.rate, seed)
        return Decision(np.asarray(given, dtype=np.int64), said | details)
