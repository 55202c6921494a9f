"""Forward and backward correction: cross-entropy that knows which labels are mistaken for which."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from noisylabels.bounds import check_above, check_within
from noisylabels.losses.first_epoch import first_epoch_after
from noisylabels.losses.loss import Criterion, Loss, LossContext, Predict
from noisylabels.losses.transition import (
    SMALLEST_SINGULAR_VALUE,
    MatrixTransition,
    SymmetricTransition,
    Transition,
    anchor_transition,
    check_stochastic,
)

SYMMETRIC = "symmetric:"


@dataclass(frozen=True)
class Corrected(Loss):
    """Cross-entropy corrected by a transition matrix T; what ``Forward`` and ``Backward`` have in common."""

    transition: str | tuple[tuple[float, ...], ...] = "estimated"
    start: float = 0.8
    percentile: float = 97.0

    def __post_init__(self) -> None:
        check_above(0, percentile=self.percentile)
        check_within(0, 100, percentile=self.percentile)
        check_within(0, 1, start=self.start)
        if not isinstance(self.transition, str):
            check_stochastic(_matrix(self.transition))
        elif self.transition.startswith(SYMMETRIC):
            check_within(0, 1, rate=self.rate)
        elif self.transition not in ("estimated", "oracle"):
            raise ValueError(
                f"transition must be estimated, oracle, symmetric:RATE or a K x K matrix; got {self.transition!r}"
            )

    @property
    def rate(self) -> float:
        """The rate of ``symmetric:RATE``; NaN if that is no number, and for other transitions."""
        try:
            return float(str(self.transition).removeprefix(SYMMETRIC))
        except ValueError:
            return math.nan

    @property
    def needs_transition(self) -> bool:
        """Whether ``begin`` must be told the true transition matrix."""
        return self.transition == "oracle"

    @property
    def oracle_knowledge(self) -> str:
        if self.transition == "estimated":
            return ""
        if self.transition == "oracle":
            return "the true transition matrix"
        return "the noise rate, as stated" if isinstance(self.transition, str) else "a transition matrix, as stated"

    @abstractmethod
    def corrected(self, transition: Transition, logits: Tensor, labels: Tensor) -> Tensor:
        """Per-example losses ``(B,)`` under this T."""

    def check(self, transition: SymmetricTransition | MatrixTransition) -> None:
        """Raise ``ValueError`` if the correction does not exist under this T."""

    def per_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The corrected loss under a stated T; cross-entropy for ``estimated``, which has learnt nothing yet.

        Raises:
            ValueError: ``oracle``, which only ``begin`` can be told; or a stated matrix of another K.
        """
        if self.transition == "estimated":
            return F.cross_entropy(logits, labels, reduction="none")
        return self.corrected(self.known(logits.shape[1], None), logits, labels)

    def known(self, num_classes: int, true_transition: Tensor | None) -> Transition:
        """The T that is stated or told, for K classes."""
        known = self._known(num_classes, true_transition)
        self.check(known)
        return known

    def _known(self, num_classes: int, told: Tensor | None) -> SymmetricTransition | MatrixTransition:
        if isinstance(self.transition, str) and self.transition.startswith(SYMMETRIC):
            return SymmetricTransition(self.rate, num_classes)
        if not isinstance(self.transition, str):
            told = _matrix(self.transition)
        if told is None:
            raise ValueError(f"{self.kind} with transition=oracle must be told the true transition matrix; got none")
        matrix = told.detach().to("cpu", torch.float64)
        check_stochastic(matrix)
        if len(matrix) != num_classes:
            raise ValueError(f"the transition matrix must have K = {num_classes} rows; got {len(matrix)}")
        return MatrixTransition(matrix)

    def begin(self, context: LossContext) -> Criterion:
        if self.transition == "estimated":
            return CorrectedCriterion(self, None)
        return CorrectedCriterion(self, self.known(context.num_classes, context.transition))


class CorrectedCriterion(Criterion):
    """A corrected loss at work; without a ``transition`` it is cross-entropy until it has estimated one."""

    remembers: ClassVar[tuple[str, ...]] = ("estimate",)

    def __init__(self, loss: Corrected, transition: Transition | None) -> None:
        self.loss = loss
        self.transition = transition
        self.estimate: Tensor | None = None

    def begin_epoch(self, epoch: int, epochs: int, predict: Predict) -> None:
        if self.transition is not None:
            return
        if self.estimate is None and epoch >= first_epoch_after(self.loss.start, epochs):
            self.estimate = anchor_transition(predict(), self.loss.percentile)
        if self.estimate is not None:
            self.transition = MatrixTransition(self.estimate)

    def __call__(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        if self.transition is None:
            return self.loss.per_example(logits, labels)
        return self.loss.corrected(self.transition, logits, labels)

    def state(self) -> dict[str, float]:
        return {} if self.estimate is None else {"estimated_rate": 1 - float(self.estimate.diagonal().mean())}


@dataclass(frozen=True)
class Forward(Corrected):
    """Forward correction: ``-log (T^t p)_y = -log sum_i T[i, y] p_i``, nats, in [0, inf).

    p is the model of the true label, and ``T^t p`` what that says of the given one. With the true T, and examples
    without end, it is least where p is the probability of the true label. Computed from log-probabilities: finite for
    any logits.

    On a saturated cosine softmax the loss of a wrongly labelled example on its true class i is ``-log T[i, y]``, and
    its gradient vanishes like ``p_y / T[i, y]``: with ``symmetric:0.4`` and the example of ``gce``'s table, 5.7e-04,
    2.6e-08 and 2.0e-27 of cross-entropy's at scales 10, 20 and 64. What T explains teaches nothing, as it should; but a
    correctly labelled example that is not fitted is treated the same: prefer scale 10, or start late.

    Args:
        transition: ``estimated`` from anchor points of the model's own probabilities; ``oracle``, the true one of this
            training's labels; ``symmetric:RATE`` (own class excluded, any K); or a K x K matrix of rows that sum to
            one.
        start: of ``estimated``, share of the epochs in which the loss is cross-entropy before T is estimated, once, in
            [0, 1]; 1 is cross-entropy. Ours is one training: the paper estimates from a finished one and starts afresh.
            So 0.8 is late: on the digits an estimate at half of the training was too rough to help (three
            seeds, judged by clean test accuracy: a default chosen with knowledge that nobody has in practice).
        percentile: of ``estimated``, in (0, 100]; an anchor is the surest example below it. 97 in the paper.

    Raises:
        ValueError: a parameter is out of its range; at ``begin``, no T came for ``oracle``, or one that is not K x K.

    Reference: Patrini et al., Making deep neural networks robust to label noise, CVPR 2017, theorem 2;
    giorgiop/loss-correction. Tag: exact.
    """

    kind: ClassVar[str] = "forward"

    def corrected(self, transition: Transition, logits: Tensor, labels: Tensor) -> Tensor:
        return transition.forward(logits, labels)


@dataclass(frozen=True)
class Backward(Corrected):
    """Backward correction: ``(T^-1 l)_y`` with ``l_j = -log p_j``, nats, in (-inf, inf).

    Its mean over given labels drawn by T is exactly the cross-entropy of the true one. It has no lower bound: an
    example on which all labels but the given one are unlikely earns without end, and trainings can diverge. The logits'
    scale makes it worse, and a cosine head's bounds it at about ``2 scale`` times T^-1's largest row.

    On a saturated cosine softmax the gradients stay those of cross-entropies, weighted by T^-1: nothing vanishes.

    Args:
        transition: as for ``forward``. An estimate that has no inverse is replaced by its pseudo-inverse.
        start: as for ``forward``.
        percentile: as for ``forward``.

    Raises:
        ValueError: a parameter is out of its range; at ``begin``, no T came for ``oracle``, one that is not K x K, or
            one that has no inverse (smallest singular value below 1e-6), as after a merge of identities.

    Reference: Patrini et al., CVPR 2017, theorem 1; giorgiop/loss-correction. Tag: exact.
    """

    kind: ClassVar[str] = "backward"

    def corrected(self, transition: Transition, logits: Tensor, labels: Tensor) -> Tensor:
        return transition.backward(logits, labels)

    def check(self, transition: SymmetricTransition | MatrixTransition) -> None:
        if (smallest := transition.singular_value) < SMALLEST_SINGULAR_VALUE:
            raise ValueError(
                f"backward needs a transition matrix with an inverse, singular values at least "
                f"{SMALLEST_SINGULAR_VALUE:g}; got {smallest:.3g}"
            )


def _matrix(rows: tuple[tuple[float, ...], ...]) -> Tensor:
    widths = {len(row) for row in rows}
    if widths != {len(rows)}:
        raise ValueError(f"a transition matrix must be K x K; got {len(rows)} rows of lengths {sorted(widths)}")
    return torch.tensor(rows, dtype=torch.float64)
