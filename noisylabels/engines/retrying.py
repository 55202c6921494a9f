"""How often a run is tried, and what is said of one that is given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from noisylabels.attempts import Attempt
from noisylabels.store import RunFolder


@dataclass
class Retries:
    """The attempts that one sweep has made at each run.

    Those of earlier sweeps do not count: somebody started this one, and they may have ended with their sweep.

    Attributes:
        max_attempts: at one run, at least 1.
    """

    max_attempts: int
    _made: dict[str, list[Attempt]] = field(default_factory=dict)

    def again(self, run: RunFolder, attempt: Attempt) -> bool:
        """Whether to try the run again after this failed attempt; if not, its ``failure.json`` says why."""
        made = self._made.setdefault(run.path.name, [])
        made.append(attempt)
        if not attempt.is_final and len(made) < self.max_attempts:
            return True
        reason, is_quarantined = verdict(made)
        run.fail(reason, is_quarantined=is_quarantined)
        return False


def verdict(attempts: Sequence[Attempt]) -> tuple[str, bool]:
    """The reason for which a run is given up, and whether it is quarantined.

    Quarantined is a run that took its worker down in every one of several attempts: killed, hung or out of memory each
    time. One that ended in an error of its own, even once, is an ordinary failure.
    """
    is_quarantined = len(attempts) > 1 and all(attempt.outcome != "error" for attempt in attempts)
    reasons = [attempt.reason for attempt in attempts]
    if len(set(reasons)) > 1:
        text = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, start=1))
    else:
        text = reasons[-1]
    if is_quarantined:
        return f"quarantined after {len(attempts)} attempts: {text}", True
    return text if len(attempts) == 1 else f"failed in {len(attempts)} attempts: {text}", False
