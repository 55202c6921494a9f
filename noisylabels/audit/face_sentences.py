"""What geometry found, as findings: the images that show it, what to do, and why in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.evidence import NO_SUGGESTION, Evidence
from noisylabels.audit.finding import Action, Finding
from noisylabels.audit.given_classes import Flags, GivenClasses, Rows
from noisylabels.audit.identity_margin import IdentityMargins
from noisylabels.audit.merged_identities import ClassIdentities
from noisylabels.audit.near_copies import NearCopy
from noisylabels.audit.split_identities import Group, OnePerson


def merged(
    double: Sequence[ClassIdentities], groups: Sequence[Group], pairs: Sequence[OnePerson], classes: GivenClasses
) -> list[Finding]:
    """Classes of two identities; the examples are the smaller one's images, which need another label."""
    twins = _twins_of_parts(groups, pairs)
    findings = []
    for one in sorted(double, key=lambda one: (-one.gain, one.place)):
        label = int(classes.labels[one.place])
        because = (
            f"its {len(one.first) + len(one.second)} images are {len(one.first)} of one person and"
            f" {len(one.second)} of another: {one.gain:.1f} nats likelier than one person"
        )
        about = [label]
        for twin in twins.get(one.place, []):
            about.append(int(classes.labels[twin]))
            because += f"; one of them looks like class {about[-1]}"
        findings.append(Finding("merged", one.gain, _positions(one.second), tuple(about), "split", None, because))
    return findings


def split(pairs: Sequence[OnePerson], groups: Sequence[Group], classes: GivenClasses) -> list[Finding]:
    """Pairs of groups that are one person; the examples are those whose label would change.

    Of two whole classes the smaller is merged into the larger. A part of a merged class is relabelled as the class that
    it looks like. Two parts leave no class to go to: a person must look.
    """
    findings = []
    for pair in pairs:
        target, moved = groups[pair.first], groups[pair.second]
        if moved.whole and not target.whole:
            target, moved = moved, target
        action: Action = "merge" if moved.whole else "relabel" if target.whole else "look"
        labels = [int(classes.labels[group.place]) for group in (target, moved)]
        because = (
            f"{len(moved.rows)} images of class {labels[1]} and {len(target.rows)} of class {labels[0]} are"
            f" {pair.evidence:.1f} nats likelier one person than two, {pair.halves_apart:.2f} times as far apart as"
            " random halves of one"
        )
        goal = None if action == "look" else labels[0]
        findings.append(
            Finding("split", pair.evidence, _positions(moved.rows), (labels[0], labels[1]), action, goal, because)
        )
    return findings


def flips_and_outliers(
    odds: Evidence, margins: IdentityMargins, classes: GivenClasses, explained: Flags
) -> list[Finding]:
    """Images whose label is likelier wrong than right: flips first, then outliers, the most suspicious first.

    Args:
        odds: of ``identity_margin.identity_evidence``.
        margins: what it was made of.
        classes: given labels.
        explained: ``(N,)``, images that another finding is about.
    """
    assert odds.suggested is not None
    suspicious = (odds.scores > 0) & ~explained
    flips, outliers = [], []
    for row in _descending(odds.scores, suspicious):
        label, target = int(classes.labels[classes.member[row]]), int(odds.suggested[row])
        score, own, other = float(odds.scores[row]), margins.own[row], margins.others[row, 0]
        if target != NO_SUGGESTION:
            because = f"{other - own:.1f} nats likelier of class {target} than of its own, {label}"
            flips.append(Finding("flip", score, (row,), (label, target), "relabel", target, because))
        else:
            because = f"a stranger is {-own:.1f} nats likelier than class {label}, and {-other:.1f} than the best other"
            outliers.append(Finding("outlier", score, (row,), (label,), "remove", None, because))
    return flips + outliers


def copies(pairs: Sequence[NearCopy], classes: GivenClasses) -> list[Finding]:
    """Pairs of images; one of the two labels is wrong, and nothing here says which."""
    return [
        Finding(
            "near_duplicate",
            1 - pair.distance,
            (pair.first, pair.second),
            tuple(int(classes.labels[classes.member[row]]) for row in (pair.first, pair.second)),
            "look",
            None,
            f"1 - cos is {pair.distance:.2g}; to the nearest image of one label it usually is {pair.usual:.2g}",
        )
        for pair in pairs
    ]


def _twins_of_parts(groups: Sequence[Group], pairs: Sequence[OnePerson]) -> dict[int, list[int]]:
    """For each class of which a part looks like another class: places of those classes."""
    twins: dict[int, list[int]] = {}
    for pair in pairs:
        for part, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if not groups[part].whole:
                twins.setdefault(groups[part].place, []).append(groups[other].place)
    return twins


def _positions(rows: Rows) -> tuple[int, ...]:
    return tuple(rows.tolist())


def _descending(scores: NDArray[np.float64], chosen: Flags) -> list[int]:
    """Positions of the chosen, the highest score first; of equals the earlier."""
    rows = np.flatnonzero(chosen)
    return [int(row) for row in rows[np.argsort(-scores[rows], kind="stable")]]
