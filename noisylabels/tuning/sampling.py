"""Where suggestions come from: Optuna's samplers, seeded; the only module that imports Optuna, and late."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, ClassVar

from noisylabels.bounds import check_at_least
from noisylabels.catalog import MissingExtraError
from noisylabels.tuning.dimensions import Choices, Dimension, Space, Value


def optuna() -> Any:
    """The Optuna module, imported now and not before.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("tune needs optuna, which is not installed: pip install 'noisylabels[tune]'")
    return importlib.import_module("optuna")


def optuna_version() -> str:
    """Part of what a sequence of suggestions depends on."""
    optuna()
    return version("optuna")


@dataclass(frozen=True)
class Sampler(ABC):
    """How trials are suggested; a frozen dataclass whose fields are its parameters (``--sampler tpe:round=8``)."""

    kind: ClassVar[str]

    @abstractmethod
    def build(self, seed: int) -> Any:
        """Optuna's sampler."""

    @abstractmethod
    def rounds(self, trials: int) -> list[int]:
        """Sizes of the rounds that so many trials fall into; all of a round are suggested before any is judged."""


@dataclass(frozen=True)
class RandomSearch(Sampler):
    """Random search: every trial is an independent draw from the space; one round.

    The default: the trials are exchangeable, which is what the expected best of n trials rests on; and a suggestion
    depends on the seed and its number only, so that a longer tuning begins with the shorter one's trials.

    Reference: Bergstra & Bengio, Random search for hyper-parameter optimization, JMLR 2012; Optuna's RandomSampler.
    """

    kind: ClassVar[str] = "random"

    def build(self, seed: int) -> Any:
        return optuna().samplers.RandomSampler(seed=seed)

    def rounds(self, trials: int) -> list[int]:
        return [trials]


@dataclass(frozen=True)
class TreeParzen(Sampler):
    """Tree-structured Parzen estimator: later rounds are drawn near what scored well; finds more, proves less.

    Trials come in rounds of a fixed size and are judged in the order of their numbers, so that the sequence does not
    depend on which of several workers is done first. Trials of one round are kept apart ("constant liar").

    Args:
        round: trials suggested at once, at least 1.
        startup: trials drawn at random first, at least 1.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011; Optuna's TPESampler.
    """

    kind: ClassVar[str] = "tpe"
    round: int = 4
    startup: int = 8

    def __post_init__(self) -> None:
        check_at_least(1, round=self.round, startup=self.startup)

    def build(self, seed: int) -> Any:
        return optuna().samplers.TPESampler(seed=seed, n_startup_trials=self.startup, constant_liar=True)

    def rounds(self, trials: int) -> list[int]:
        return [min(self.round, trials - begun) for begun in range(0, trials, self.round)]


SAMPLERS: Mapping[str, type[Sampler]] = MappingProxyType({"random": RandomSearch, "tpe": TreeParzen})
"""Printed name to frozen dataclass."""


class Suggestions:
    """One method's sequence of suggestions: the same seed and the same scores give the same sequence.

    Args:
        sampler: how they are drawn.
        space: what is searched.
        seed: the tuning's.
        method: the method's text; each has a sequence of its own.
    """

    def __init__(self, sampler: Sampler, space: Space, *, seed: int, method: str) -> None:
        library = optuna()
        level = library.logging.get_verbosity()
        library.logging.set_verbosity(library.logging.WARNING)  # it greets on stderr
        try:
            self.study = library.create_study(direction="maximize", sampler=sampler.build(method_seed(seed, method)))
        finally:
            library.logging.set_verbosity(level)
        self.space = space
        self.distributions = {name: _distribution(dimension) for name, dimension in space.items()}
        self.asked: list[Any] = []

    def ask(self) -> dict[str, Value]:
        """The next suggestion, numbers rounded to what is worth telling apart."""
        trial = self.study.ask(self.distributions)
        self.asked.append(trial)
        return {name: _value(self.space[name], drawn) for name, drawn in trial.params.items()}

    def tell(self, scores: Sequence[float]) -> None:
        """Judge what was asked since the last time, in that order; higher is better."""
        for trial, score in zip(self.asked, scores, strict=True):
            self.study.tell(trial, score)
        self.asked = []


def method_seed(seed: int, method: str) -> int:
    """A method's own seed, in [0, 2^32): the first four bytes of SHA-256 over the tuning's seed and the method."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{method}".encode()).digest()[:4])


def _distribution(dimension: Dimension) -> Any:
    distributions = optuna().distributions
    if isinstance(dimension, Choices):
        return distributions.CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _value(dimension: Dimension, drawn: Value) -> Value:
    return drawn if isinstance(dimension, Choices) else dimension.rounded(float(drawn))
