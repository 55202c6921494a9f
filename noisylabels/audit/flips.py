"""From suspicion to suggestions: as many labels as are estimated to be wrong, the most suspicious first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noisylabels.audit.estimates import Estimates
from noisylabels.audit.evidence import Evidence, normalised_ranks
from noisylabels.audit.finding import Finding
from noisylabels.audit.suspects import Suspects

SUSPICIOUS = 0.9
"""Normalised rank from which a detector counts as finding a label suspicious."""


def flips(
    judged: Evidence, evidences: Sequence[Evidence], found: Suspects, estimates: Estimates, names: Sequence[str]
) -> list[Finding]:
    """The ``round(noise rate * N)`` most suspicious labels.

    A label is to be relabelled where all counts name one same class; looked at, where they do not: then a machine's
    suggestion is no better than a hint.

    Args:
        judged: the evidence that ranks.
        evidences: what it was combined from.
        found: the counts.
        estimates: of how many are wrong.
        names: of the K classes.
    """
    count = round(estimates.noise_rate.value * len(judged))
    order = np.argsort(-judged.scores, kind="stable")[:count]
    high = np.sum([normalised_ranks(one.scores) >= SUSPICIOUS for one in evidences], axis=0)
    agreed = np.all([opinion == found.confident for opinion in found.counts], axis=0) & (found.confident >= 0)
    return [
        _flip(int(row), float(judged.scores[row]), int(high[row]), bool(agreed[row]), evidences, found, names)
        for row in order
    ]


def _flip(
    row: int,
    score: float,
    high: int,
    agreed: bool,
    evidences: Sequence[Evidence],
    found: Suspects,
    names: Sequence[str],
) -> Finding:
    given, target = int(found.given[row]), int(found.confident[row])
    because = f"among the most suspicious tenth for {high} of {len(evidences)} detectors"
    if agreed:
        by_whom = ", by the held-out and the trained models alike" if len(found.counts) > 1 else ""
        because += f"; confidently {names[target]}{by_whom}"
    return Finding(
        kind="flip",
        score=score,
        examples=(row,),
        classes=(given,),
        action="relabel" if agreed else "look",
        target=target if agreed else None,
        because=because,
    )
