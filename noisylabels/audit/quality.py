"""How well suspicion finds labels that are known to be wrong, each detector and each kind of noise by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.evidence import Evidence
from noisylabels.metrics.label_issues import auroc, average_precision, precision_at_count


@dataclass(frozen=True)
class Quality:
    """How one detector's ranking meets the truth.

    Attributes:
        detector: its name.
        noise: which wrong labels count; ``all``, or a kind of noise against all right labels.
        auroc: in [0, 1], 0.5 is chance; higher is better.
        average_precision: in [0, 1], the share of wrong labels is chance; higher is better.
        precision_at_count: share of wrong labels among as many most suspicious ones as there are; higher is better.
        suggestion_accuracy: share of the wrong labels whose suggested class is the true one; None without suggestions.
        in_sample: whether the model had been trained on these labels.
        wrong, n: wrong labels, and all that were ranked.
    """

    detector: str
    noise: str
    auroc: float
    average_precision: float
    precision_at_count: float
    suggestion_accuracy: float | None
    in_sample: bool
    wrong: int
    n: int


def quality(
    evidence: Evidence,
    given: NDArray[np.int64],
    true: NDArray[np.int64],
    kinds: Mapping[str, NDArray[np.bool_]] | None = None,
) -> tuple[Quality, ...]:
    """Quality against all wrong labels, then against those of each kind of noise; none where none or all are wrong.

    Args:
        evidence: about N examples.
        given: int64 ``(N,)``.
        true: int64 ``(N,)``.
        kinds: which examples each kind of noise changed; of them, those that are wrong count.
    """
    wrong = given != true
    named = {"all": wrong} | {kind: changed & wrong for kind, changed in (kinds or {}).items()}
    found = []
    for noise, positive in named.items():
        ranked = positive | ~wrong
        if positive.any() and not wrong.all():
            found.append(_quality(evidence, noise, positive, ranked, true))
    return tuple(found)


def _quality(
    evidence: Evidence,
    noise: str,
    positive: NDArray[np.bool_],
    ranked: NDArray[np.bool_],
    true: NDArray[np.int64],
) -> Quality:
    scores, wrong = evidence.scores[ranked], positive[ranked]
    right_class = None if evidence.suggested is None else float((evidence.suggested == true)[positive].mean())
    return Quality(
        detector=evidence.name,
        noise=noise,
        auroc=auroc(scores, wrong),
        average_precision=average_precision(scores, wrong),
        precision_at_count=precision_at_count(scores, wrong),
        suggestion_accuracy=right_class,
        in_sample=evidence.in_sample,
        wrong=int(np.count_nonzero(positive)),
        n=int(np.count_nonzero(ranked)),
    )
