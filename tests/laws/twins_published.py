"""Wrong twins of human labels and of published code; each breaks the law named beside it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from corruptions import Asymmetric, Corruption, Decision, Examples, Symmetric, Transitions, example_draws
from corruptions.human import Human
from corruptions.legacy import Legacy
from corruptions.quota import smallest
from tests.laws.cases_published import (
    APL_CIFAR100,
    AQUA,
    BOUNDARYFACE,
    CLEANLAB_CELLS,
    ELR_ASYMMETRIC,
    HUMAN,
    HUMAN_TWIN,
    PDN,
    SCE_CIFAR100,
)
from tests.laws.corruption_laws import Case


@dataclass(frozen=True)
class HumanLabelsByRow(Human):
    """``noisy_labels[row]``, right only while the images stand in the official order."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        human = examples.annotations["worse_label"][: len(examples)]
        draws = example_draws(seed, "human/which", examples.ids)
        kept = np.flatnonzero(human != examples.true)
        kept = kept[smallest(draws[kept], math.floor(Fraction(repr(self.rate)) * len(kept) + Fraction(1, 2)))]
        given = examples.true.copy()
        given[kept] = human[kept]
        return Decision(given)


@dataclass(frozen=True)
class FileInAnotherOrder(Human):
    """CIFAR-10N read in TensorFlow's image order (issue 4 of its repository), its clean labels never compared."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        human = examples.annotations["worse_label"]
        shuffled = human[np.argsort(example_draws(1, "tfds", np.arange(len(human))))]
        return HumanLabelsByRow._decide(
            HumanLabelsByRow(self.rate),
            dataclasses.replace(examples, annotations={"worse_label": shuffled}),
            basis,
            seed,
        )


@dataclass(frozen=True)
class FirstMistakesKept(Human):
    """The mistakes of the lowest ids are kept, whatever the seed: one part of the data is noisy, the rest is not."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given = super()._decide(examples, basis, seed).given
        num_kept = int((given != examples.true).sum())
        human = self._human_labels(examples)
        mistakes = np.flatnonzero(human != examples.true)
        kept = mistakes[np.argsort(examples.ids[mistakes])][:num_kept]
        given = examples.true.copy()
        given[kept] = human[kept]
        return Decision(given)


@dataclass(frozen=True)
class MistakesDrawnAfreshAtEachRate(Human):
    """The rate in the key."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return super()._decide(examples, basis, hash((seed, self.rate)))


@dataclass(frozen=True)
class RateOfAllExamples(Human):
    """``rate`` taken as the share of wrong labels among all examples."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        human = self._human_labels(examples)
        mistakes = np.flatnonzero(human != examples.true)
        num_kept = min(len(mistakes), math.floor(self.rate * len(examples) + 0.5))
        kept = mistakes[smallest(example_draws(seed, "human/which", examples.ids[mistakes]), num_kept)]
        given = examples.true.copy()
        given[kept] = human[kept]
        return Decision(given)


@dataclass(frozen=True)
class TransposedTwin(Human):
    """T read as P(true | given), its rows as columns."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        human = self._human_labels(basis)
        wrong = np.flatnonzero(human != basis.true)
        cells = Transitions.counted(human[wrong], basis.true[wrong], basis.num_classes)
        sizes = np.maximum(np.bincount(human, minlength=basis.num_classes), 1)
        T = np.diag(np.ones(basis.num_classes))
        for i, j, count in zip(cells.true.tolist(), cells.given.tolist(), cells.count.tolist(), strict=True):
            T[i, j] = count / sizes[i]
            T[i, i] -= count / sizes[i]
        T[T < 1e-12] = 0
        return Asymmetric.from_matrix(T, self.rate)._decide(examples, basis, seed)


@dataclass(frozen=True)
class PooledTwin(Human):
    """One error rate for all classes: that of the whole set."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        human, K = self._human_labels(basis), basis.num_classes
        error = float((human != basis.true).mean())
        cells = tuple(cell for i in range(K) for cell in ((i, i, 1 - error), (i, (i + 1) % K, error)))
        return Asymmetric(self.rate, matrix=cells)._decide(examples, basis, seed)


@dataclass(frozen=True)
class TwinOfUniformTargets(Human):
    """The right number per class, then any other class."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given = super()._decide(examples, basis, seed).given
        wrong = np.flatnonzero(given != examples.true)
        steps = 1 + example_draws(seed, "uniform", examples.ids[wrong]) % (examples.num_classes - 1)
        given[wrong] = (examples.true[wrong] + steps.astype(np.int64)) % examples.num_classes
        return Decision(given)


def instead(other: Callable[[float], Corruption]) -> Callable[[float], Corruption]:
    """What another kind or code does, under the name of a legacy code."""

    @dataclass(frozen=True)
    class Mislabelled(Legacy):
        code: str = "dividemix_symmetric"

        def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
            decision = other(self.rate)._decide(examples, basis, seed)
            return Decision(decision.given, {"num_chosen": int((decision.given != examples.true).sum())})

    return Mislabelled


SUPERCLASS = instead(lambda rate: Asymmetric(rate, map="cifar100_superclass"))

TWINS: list[tuple[Callable[[float], Corruption], Case, str]] = [
    (HumanLabelsByRow, HUMAN, "noise_follows_the_example"),
    (FileInAnotherOrder, HUMAN, "realises_its_rate"),
    (FirstMistakesKept, HUMAN, "seed_is_used"),
    (MistakesDrawnAfreshAtEachRate, HUMAN, "nested_in_the_rate"),
    (RateOfAllExamples, HUMAN, "realises_its_rate"),
    (lambda rate: Human(rate, twin=True), HUMAN, "realises_its_rate"),
    (Human, HUMAN_TWIN, "realises_its_rate"),
    (TransposedTwin, HUMAN_TWIN, "only_claimed_confusions"),
    (PooledTwin, HUMAN_TWIN, "realises_its_rate"),
    (lambda rate: TwinOfUniformTargets(rate, twin=True), HUMAN_TWIN, "only_claimed_confusions"),
    (instead(lambda rate: Asymmetric(rate, map="cifar10")), ELR_ASYMMETRIC, "realises_its_rate"),
    (SUPERCLASS, APL_CIFAR100, "only_claimed_confusions"),
    (instead(lambda rate: Legacy(rate, code="apl_asymmetric_cifar100")), SCE_CIFAR100, "realises_its_rate"),
    (instead(Symmetric), CLEANLAB_CELLS, "realises_its_rate"),
    (instead(Symmetric), BOUNDARYFACE, "realises_its_rate"),
    (instead(lambda rate: Legacy(rate, code="pdn_instance")), AQUA, "realises_its_rate"),
    (instead(lambda rate: Legacy(rate, code="aqua_instance")), PDN, "realises_its_rate"),
]
