"""What a study expects to find, as sentences that a test can judge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from noisylabels import catalog
from noisylabels.catalog import UsageError
from noisylabels.metrics import METRICS

Kind = Literal["degrades less", "is better"]

GRAMMAR = (
    "'<method> degrades less than <method> in <metric> under <corruption>' or "
    "'<method> is better than <method> in <metric> under <corruption>'"
)

_SENTENCE = re.compile(
    r"(?P<ours>\S+) (?P<kind>degrades less|is better) than (?P<rival>\S+) in (?P<metric>\S+) under (?P<corruption>\S.*)"
)


@dataclass(frozen=True)
class Claim:
    """One expectation, written down before the first run.

    Attributes:
        text: the sentence.
        ours, rival: methods as reports print them, such as ``arcface:margin=0.2`` or ``cam_softmax+gce``; or the head's
            bare name where only one method has it.
        kind: ``degrades less``: the mean loss over the corruption's rates is smaller. ``is better``: so is the level at
            the highest rate.
        metric: its name.
        corruption: as reports print it, without its rate, such as ``symmetric``.
    """

    text: str
    ours: str
    rival: str
    kind: Kind
    metric: str
    corruption: str

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Read a sentence.

        Raises:
            UsageError: it is not one of the two forms, or its metric is unknown.

        >>> Claim.parse("cam_softmax degrades less than arcface in accuracy under symmetric").rival
        'arcface'
        """
        found = _SENTENCE.fullmatch(" ".join(text.split()).rstrip("."))
        if found is None:
            raise UsageError(f"a claim must read {GRAMMAR}; got {text!r}")
        parts = found.groupdict()
        catalog.lookup(METRICS, parts["metric"], what="metric")
        if parts["ours"] == parts["rival"]:
            raise UsageError(f"a claim must compare two methods; got {text!r}")
        return cls(text, parts["ours"], parts["rival"], parts["kind"], parts["metric"], parts["corruption"])  # type: ignore[arg-type]


def method_of(name: str, methods: tuple[str, ...]) -> str | None:
    """The method that a claim's name means: the one printed so, or the only one whose head is of that name.

    >>> method_of("arcface", ("softmax", "arcface:margin=0.2")), method_of("softmax", ("softmax", "softmax+gce"))
    ('arcface:margin=0.2', 'softmax')
    >>> method_of("softmax", ("softmax+gce", "softmax+elr")) is None
    True
    """
    if name in methods:
        return name
    alike = [method for method in methods if re.split(r"[:+]", method)[0] == name]
    return alike[0] if len(alike) == 1 else None
