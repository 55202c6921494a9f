"""Metrics of open-set identification: people never trained on, some enrolled in a gallery, some strangers to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from noisylabels.metrics.evaluation import Evaluation
from noisylabels.metrics.identification import TrueMatches, cumulative_match, dir_at_far
from noisylabels.metrics.metric import Metric, Undefined


@dataclass(frozen=True)
class _ProbeShare(Metric):
    """A share of the mated probes."""

    unit: ClassVar[str] = "share"
    higher_is_better: ClassVar[bool] = True
    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 1.0

    def count(self, evaluation: Evaluation) -> int:
        return len(evaluation.mated_ranks)


@dataclass(frozen=True)
class RankOne(_ProbeShare):
    """Share of probes of enrolled people whose nearest gallery image shows them; :func:`cumulative_match` at 1.

    The gallery is closed: whoever is searched for is in it. Undefined where the data set names nobody held out.
    """

    kind: ClassVar[str] = "rank_1_identification"

    def compute(self, evaluation: Evaluation) -> float:
        _require_probes(evaluation)
        return float(cumulative_match(evaluation.mated_ranks.astype(np.int64), 1)[0])


@dataclass(frozen=True)
class DetectionAndIdentification(_ProbeShare):
    """Share of probes of enrolled people found at rank 1, where 1 % of strangers at most are taken for somebody.

    :func:`dir_at_far` at a false accept rate of 0.01; undefined with fewer than 100 probes of strangers. n counts the
    probes of enrolled people.
    """

    kind: ClassVar[str] = "dir_at_1_percent_far"

    def compute(self, evaluation: Evaluation) -> float:
        _require_probes(evaluation)
        matches = TrueMatches(evaluation.mated_scores.astype(np.float64), evaluation.mated_ranks.astype(np.int64))
        strangers = evaluation.non_mated_scores.astype(np.float64)
        if not (np.isfinite(matches.scores).all() and np.isfinite(strangers).all()):
            raise Undefined("an embedding of a gallery or probe image has no direction")
        return dir_at_far(matches, strangers, 0.01).detection_and_identification_rate


def _require_probes(evaluation: Evaluation) -> None:
    if not len(evaluation.mated_ranks):
        raise Undefined("the data set has no gallery of people held out")
