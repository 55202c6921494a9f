"""A finished tuning as one file, ``tuning.json``: budget, spaces, every trial, what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from noisylabels.atomic import write_atomically
from noisylabels.axes import Method
from noisylabels.result import Status
from noisylabels.spec import Frozen
from noisylabels.store import StoreError
from noisylabels.tuning.criterion import Criterion
from noisylabels.tuning.dimensions import Dimension, Value

FILE_NAME = "tuning.json"


class Trial(Frozen):
    """One trial of the budget.

    Attributes:
        number: from 1; trial 1 has the study's own values.
        parameters: the searched ones by name; of trial 1 none.
        run_id: of the ordinary run it is, under the tuning's study name.
        score: share in [0, 1], higher is better; 0 where the run diverged or failed.
        reason: what is behind a status other than ``ok``.
    """

    number: int
    parameters: dict[str, Value] = Field(default_factory=dict)
    run_id: str
    status: Status
    score: float
    reason: str = ""


class TunedMethod(Frozen):
    """One method's tuning.

    Attributes:
        method: its text before the tuning.
        space: what was searched; its length is the number of tuned parameters.
        trials: the whole budget, in order.
        chosen: number of the trial with the highest score; of equals the first, so the default wins a tie.
        preset: the chosen trial as an entry of a study's ``[[methods]]``.
    """

    method: str
    space: dict[str, Dimension]
    trials: tuple[Trial, ...] = Field(min_length=1)
    chosen: int
    preset: Method


class Tuning(Frozen):
    """A tuning with all that its sequence of suggestions depends on.

    Attributes:
        study: what was tuned; its presets are in the study ``tuned_study``.
        corruption: what the labels were corrupted by.
        budget: trials a method, the default's included.
        seed: the samplers'; ``run_seed`` drew noise and weights of every trial and is none of the study's seeds.
        other_runs: how many further runs lie in the tuning's store: those of tunings with other settings.
        optuna: its version.
    """

    schema_version: Literal[1] = 1
    study: str
    tuned_study: str
    dataset: str
    model: str
    corruption: str
    criterion: Criterion
    budget: int
    sampler: str
    seed: int
    run_seed: int
    other_runs: int
    optuna: str
    methods: tuple[TunedMethod, ...]

    def write(self, path: Path) -> None:
        """Write it to ``path``, whole or not at all."""
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())


def read_tuning(path: Path) -> Tuning | None:
    """The tuning in ``path``; None if there is no such file.

    Raises:
        StoreError: it is not a tuning.
    """
    try:
        return Tuning.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreError(f"{path} is not a tuning ({str(error).splitlines()[0]})") from None
