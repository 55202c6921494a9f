"""What lies beside a study and belongs into its report: the frozen plan, how it was tuned, examples of wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from noisylabels.frozen_plan import FrozenPlan, frozen_beside
from noisylabels.report.noise_examples import FILE as EXAMPLES
from noisylabels.report.noise_examples import ExamplePicture, read_examples
from noisylabels.tuning.record import Tuning, read_tuning

TUNING = "tuning.json"


@dataclass(frozen=True)
class Context:
    """Any may be absent.

    Attributes:
        frozen: the pre-registered plan.
        tuning: budget, trials and choices of the search that gave the methods their presets.
        examples: pictures of wrong labels, where somebody asked for them.
    """

    frozen: FrozenPlan | None = None
    tuning: Tuning | None = None
    examples: tuple[ExamplePicture, ...] = ()

    @classmethod
    def beside(cls, study_file: Path, folder: Path) -> Self:
        """What lies beside the study's file, else in the folder of its runs or its report.

        Raises:
            StoreError: a file is there and is not what it should be.
        """
        tuning = read_tuning(study_file.with_name(TUNING)) or read_tuning(folder / TUNING)
        examples = read_examples(study_file.with_name(EXAMPLES)) or read_examples(folder / EXAMPLES)
        return cls(frozen_beside(study_file, folder), tuning, examples)
