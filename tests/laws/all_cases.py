"""Every case and every wrong twin of the corruptions, gathered from the files that hold them."""

from __future__ import annotations

from tests.laws import (
    cases_features,
    cases_identities,
    cases_published,
    corruption_cases,
    corruption_twins,
    twins_features,
    twins_identities,
    twins_published,
)
from tests.laws.corruption_laws import Case

_FILES = (corruption_cases.CASES, cases_features.CASES, cases_identities.CASES, cases_published.CASES)

CASES: dict[str, tuple[Case, ...]] = {
    kind: tuple(case for cases in _FILES for case in cases.get(kind, ()))
    for kind in sorted({kind for cases in _FILES for kind in cases})
}
"""Kind to its cases, at least one for each name in ``CORRUPTIONS``."""

REFUSE_SOME_LABELS = frozenset().union(
    cases_identities.REFUSE_SOME_LABELS,
    cases_identities.MORE_PARTS_THAN_IMAGES,
    cases_features.NEEDS_TWO_CLASSES_PRESENT,
)
"""Names of the cases whose rates cannot be had of any labels whatever: one person alone can be mistaken for nobody."""

FIXED_LABELS_ONLY = cases_identities.FIXED_LABELS_ONLY
"""Names of the cases whose claim is about their own labels."""

TWINS = [*corruption_twins.TWINS, *twins_features.TWINS, *twins_identities.TWINS, *twins_published.TWINS]
"""Wrong corruptions, the case each is tried on, and the law that each breaks."""
