"""The controls of a corruption: what it would have cost without its wrong labels."""

from __future__ import annotations

from collections.abc import Sequence

from corruptions import CORRUPTIONS, Control, Corruption, DropIdentities, IdentityMerge
from noisylabels.catalog import build, text_of

CONTROLS = tuple(sorted(kind for kind, found in CORRUPTIONS.items() if issubclass(found, Control)))
"""Names of all kinds that are about another corruption."""


def controls_of(corruption: str, kinds: Sequence[str]) -> list[str]:
    """The texts of a corruption's controls, in the order of ``kinds``.

    A clean corruption and one that is a control already have none; ``drop_identities`` is for merges only.

    >>> controls_of("symmetric:rate=0.4", ("clean_subset", "drop_identities"))
    ['clean_subset:of="symmetric:rate=0.4"']

    Args:
        corruption: a corruption's text, with its rate.
        kinds: some of ``CONTROLS``.

    Raises:
        UsageError: the text is no corruption's.
    """
    asked: Corruption = build(CORRUPTIONS, corruption, what="corruption")
    steps = getattr(asked, "steps", (asked,))
    if not kinds or asked.is_clean or any(isinstance(step, Control) for step in steps):
        return []
    merges = any(isinstance(step, IdentityMerge) and not step.is_clean for step in steps)
    return [text_of(kind, {"of": corruption}) for kind in kinds if merges or kind != DropIdentities.kind]
