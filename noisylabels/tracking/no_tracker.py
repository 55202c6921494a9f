"""No tracker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from noisylabels.tracking.items import Bundle, Row, Scalar, TrackedRun
from noisylabels.tracking.tracker import Recording, Tracker


@dataclass(frozen=True)
class NoTracker(Tracker):
    """Nothing is shown anywhere: results and reports are in the study's folder anyway."""

    kind: ClassVar[str] = "none"

    def check(self) -> None:
        return None

    def environment(self) -> Mapping[str, str]:
        return {}

    def destination(self) -> str:
        return "none"

    def open(self, run: TrackedRun) -> Recording:
        return _Nothing()


class _Nothing(Recording):
    def log(self, row: Row) -> None:
        return None

    def keep(self, bundle: Bundle) -> None:
        return None

    def end(self, summary: Mapping[str, Scalar], *, failed: bool) -> None:
        return None
