"""Detectors that read predicted probabilities, as cleanlab scores them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.detector import Detector, Observed, likeliest_other
from noisylabels.audit.evidence import Evidence
from noisylabels.catalog import MissingExtraError


@dataclass(frozen=True)
class _ByQuality(Detector):
    """``1 - q``, q cleanlab's label quality in [0, 1]; suggests the likeliest other class."""

    needs = "probabilities"

    def judge(self, observed: Observed) -> Evidence:
        probabilities = _present(observed)
        quality = label_quality(probabilities, observed.given, self.kind)
        suggested = likeliest_other(probabilities, observed.given)
        return Evidence(self.kind, 1 - quality, observed.in_sample, suggested)


@dataclass(frozen=True)
class SelfConfidence(_ByQuality):
    """``1 - p_i[y_i]``, in [0, 1]: how improbable the given label is. Also finds images of no class at all.

    Reference: Northcutt et al., Confident Learning, JAIR 70, 2021; ``cleanlab.rank``. Tag: exact.
    """

    kind: ClassVar[str] = "self_confidence"


@dataclass(frozen=True)
class NormalizedMargin(_ByQuality):
    """``(1 + max_{k != y_i} p_i[k] - p_i[y_i]) / 2``, in [0, 1]: how far another class is ahead of the given one.

    Reference: Northcutt et al., Confident Learning, JAIR 70, 2021; ``cleanlab.rank``. Tag: exact.
    """

    kind: ClassVar[str] = "normalized_margin"


@dataclass(frozen=True)
class ConfidentLearning(Detector):
    """Off the diagonal of the confident joint, then by normalised margin: ``[i is an issue] + 1 - q_i``, in [0, 2].

    Label i is an issue if ``argmax_{j : p_i[j] >= t_j} p_i[j]`` exists and is not y_i, and ``argmax p_i`` is not y_i;
    ``t_j`` is the mean of ``p[j]`` over the examples labelled j. Suggests the likeliest other class.

    Reference: Northcutt et al., Confident Learning, JAIR 70, 2021, equations 1 and 2;
    ``cleanlab.filter.find_label_issues(filter_by="confident_learning")``. Tag: exact.
    """

    kind: ClassVar[str] = "confident_learning"
    needs = "probabilities"

    def judge(self, observed: Observed) -> Evidence:
        probabilities = _present(observed)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # it remarks on classes without labels
            issues = _cleanlab("filter").find_label_issues(
                observed.given, probabilities, filter_by="confident_learning", n_jobs=1
            )
        scores = issues + 1 - label_quality(probabilities, observed.given, "normalized_margin")
        return Evidence(self.kind, scores, observed.in_sample, likeliest_other(probabilities, observed.given))


def label_quality(
    probabilities: NDArray[np.float64],
    given: NDArray[np.int64],
    method: Literal["self_confidence", "normalized_margin"] | str,
) -> NDArray[np.float64]:
    """``cleanlab.rank.get_label_quality_scores``, float64 ``(N,)`` in [0, 1], lower for labels more likely wrong."""
    return np.asarray(_cleanlab("rank").get_label_quality_scores(given, probabilities, method=method), np.float64)


def _cleanlab(module: Literal["filter", "rank"]) -> Any:
    try:
        import cleanlab.filter
        import cleanlab.rank
    except ImportError as error:
        raise MissingExtraError(f"detectors on probabilities need cleanlab: pip install cleanlab ({error})") from None
    return getattr(cleanlab, module)


def _present(observed: Observed) -> NDArray[np.float64]:
    if observed.probabilities is None:
        raise ValueError("a detector on probabilities needs probabilities; got none")
    return observed.probabilities
