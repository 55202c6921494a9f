"""The audit of one data set, from what was observed to what is to be done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit import DETECTORS
from noisylabels.audit.detector import Observed
from noisylabels.audit.estimates import Estimates, estimate
from noisylabels.audit.evidence import Evidence, combined
from noisylabels.audit.finding import Finding
from noisylabels.audit.flips import flips
from noisylabels.audit.noise_kind import NoiseKind, noise_kind
from noisylabels.audit.quality import Quality, quality
from noisylabels.audit.subject import Subject
from noisylabels.audit.suspects import suspects
from noisylabels.audit.what_if import Scenario


@dataclass(frozen=True, eq=False)
class Audit:
    """Everything an audit says.

    Attributes:
        subject: what it is about.
        how: where probabilities, dynamics and embeddings come from, in words.
        evidences: of each detector, and last the combined one, which ranks.
        findings: most suspicious first within each kind.
        estimates: of the whole; None where there are no probabilities to count with.
        kind: of noise; None likewise.
        qualities: against the truth; empty where nobody knows it.
        scenarios: what the errors cost; empty unless asked for.
    """

    subject: Subject
    how: str
    evidences: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    estimates: Estimates | None = None
    kind: NoiseKind | None = None
    qualities: tuple[Quality, ...] = ()
    scenarios: tuple[Scenario, ...] = ()


def evidence_of(observed: Observed) -> list[Evidence]:
    """Of every detector that has what it needs."""
    detectors = [detector() for detector in DETECTORS.values()]
    return [detector.judge(observed) for detector in detectors if detector.can_judge(observed)]


def audited(
    subject: Subject,
    how: str,
    *,
    observed: Observed | None = None,
    evidences: Sequence[Evidence] = (),
    findings: Sequence[Finding] = (),
    seed: int = 0,
) -> Audit:
    """Judge what was observed.

    Args:
        subject: N images and their given labels.
        how: where what was observed comes from.
        observed: probabilities, with dynamics where there are any; None for an audit by embeddings alone.
        evidences: further evidence, such as that of embeddings.
        findings: further findings, such as merged and split identities.
        seed: of the bootstrap.

    Raises:
        ValueError: there is nothing to judge by.
    """
    all_of = [*(evidence_of(observed) if observed is not None else ()), *evidences]
    # a detector of strangers names no other class: it does not say which labels belong elsewhere
    naming = [one for one in all_of if one.suggested is not None] or all_of
    judged = combined(naming)
    estimates = kind = None
    found = list(findings)
    if observed is not None and observed.probabilities is not None:
        how += warning_of_no_skill(observed.probabilities, observed.given)
        counted = suspects(observed)
        estimates = estimate(counted, seed=seed)
        kind = noise_kind(counted, estimates, seed=seed)
        # the counts say how many and as what, so embeddings' own flips would only repeat these
        found = [one for one in found if one.kind != "flip"]
        found += flips(judged, naming, counted, estimates, subject.images.class_names)
    ranked = [*all_of, judged]
    qualities: list[Quality] = []
    if subject.true is not None:
        for one in ranked:
            qualities += quality(one, subject.given, subject.true, subject.changed_by)
    return Audit(subject, how, tuple(ranked), tuple(_by_kind(found)), estimates, kind, tuple(qualities))


def warning_of_no_skill(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> str:
    """A sentence where a model agrees with no more labels than one that always names the commonest does; else nothing.

    No more: by less than two standard errors of the commonest label's share.

    Args:
        probabilities: float64 ``(N, K)``.
        given: int64 ``(N,)`` in [0, K).
    """
    agrees = float(np.mean(probabilities.argmax(axis=1) == given))
    commonest = float(np.bincount(given).max() / len(given))
    if agrees > commonest + 2 * math.sqrt(commonest * (1 - commonest) / len(given)):
        return ""
    return (
        f" WARNING: {agrees:.1%} of the given labels are what is predicted, and naming the commonest label alone gives "
        f"{commonest:.1%}: nothing was learnt, and nothing below is to be believed. It takes more images, or the "
        "probabilities or embeddings of another model."
    )


def _by_kind(findings: Sequence[Finding]) -> list[Finding]:
    order = ("merged", "split", "flip", "outlier", "near_duplicate")
    return sorted(findings, key=lambda one: (order.index(one.kind), -one.score))


def summary(audit: Audit) -> dict[str, Any]:
    """What ``audit.json`` holds: plain JSON values."""
    estimates, names = audit.estimates, audit.subject.images.class_names
    values: dict[str, Any] = {
        "subject": audit.subject.text,
        "images": len(audit.subject),
        "classes": len(names),
        "how": audit.how,
        "detectors": [{"name": one.name, "in_sample": one.in_sample} for one in audit.evidences],
        "findings": {kind: sum(one.kind == kind for one in audit.findings) for kind in _kinds(audit.findings)},
        "actions": {name: sum(one.action == name for one in audit.findings) for name in _actions(audit.findings)},
    }
    if estimates is not None and audit.kind is not None:
        values["noise_rate"] = vars(estimates.noise_rate)
        values["contradicted_when_sure"] = vars(estimates.contradicted_when_sure)
        values["interval"] = "two counts of opposite bias, and sampling" if estimates.bracketed else "sampling alone"
        values["by_given_class"] = [
            {"class": name, **{key: None if value != value else value for key, value in vars(share).items()}}
            for name, share in zip(names, estimates.by_given_class, strict=True)
        ]
        matrices = ("transition_matrix", "transition_low", "transition_high")
        values |= {name: _rounded(getattr(estimates, name)) for name in matrices}
        values["noise_kind"] = vars(audit.kind)
    values["quality"] = [vars(one) for one in audit.qualities]
    values["what_if"] = [{**vars(one), "mean": one.mean} for one in audit.scenarios]
    return values


def _kinds(findings: Sequence[Finding]) -> list[str]:
    return sorted({one.kind for one in findings})


def _actions(findings: Sequence[Finding]) -> list[str]:
    return sorted({one.action for one in findings})


def _rounded(matrix: Any) -> Any:
    return None if matrix is None else np.round(matrix, 6).tolist()
