"""What lies beside a study and belongs into its report: the frozen plan, and how its methods were tuned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from noisylabels.frozen_plan import FrozenPlan, frozen_beside
from noisylabels.tuning.record import Tuning, read_tuning

TUNING = "tuning.json"


@dataclass(frozen=True)
class Context:
    """Either may be absent.

    Attributes:
        frozen: the pre-registered plan.
        tuning: budget, trials and choices of the search that gave the methods their presets.
    """

    frozen: FrozenPlan | None = None
    tuning: Tuning | None = None

    @classmethod
    def beside(cls, study_file: Path, folder: Path) -> Self:
        """What lies beside the study's file, else in the folder of its runs or its report.

        Raises:
            StoreError: a file is there and is not what it should be.
        """
        tuning = read_tuning(study_file.with_name(TUNING)) or read_tuning(folder / TUNING)
        return cls(frozen_beside(study_file, folder), tuning)
