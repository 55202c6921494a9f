"""Wrong twins of the corruptions that look at features: seen in published code, or the likeliest slips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from corruptions import Corruption, Decision, Examples, example_draws
from corruptions.cells import FeatureCells
from corruptions.clustered import Clustered, most_frequent
from corruptions.confusion import Confusion
from corruptions.instance import Instance
from corruptions.quota import quota, smallest
from tests.laws.cases_features import CLUSTERED, CONFUSION, CONFUSION_CELLS, INSTANCE
from tests.laws.corruption_laws import Case


@dataclass(frozen=True)
class RateFromATruncatedNormal(Instance):
    """CORES and PDN: each example has its own flip probability about the rate, so that no count is promised or met."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        generator = np.random.default_rng(seed)
        own_rate = stats.truncnorm(-self.rate / 0.1, (1 - self.rate) / 0.1, loc=self.rate, scale=0.1)
        wrong = generator.random(len(examples)) < own_rate.rvs(len(examples), random_state=generator)
        everywhere = Instance(1.0)._decide(examples, basis, seed).given
        return Decision(np.where(wrong & (self.rate > 0), everywhere, examples.true))


@dataclass(frozen=True)
class SeedFixedToZero(Instance):
    """CORES: the projection and the draws come from a generator seeded with 0 whatever the seed."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return super()._decide(examples, basis, 0)


@dataclass(frozen=True)
class TargetsMoveWithTheRate(Instance):
    """The same examples at every level, but the label is drawn under a key that holds the rate."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        elsewhere = Instance(1.0)._decide(examples, basis, hash((seed, self.rate))).given
        chosen = smallest(example_draws(seed, "instance/which", examples.ids), quota(self.rate, len(examples)))
        given = examples.true.copy()
        given[chosen] = elsewhere[chosen]
        return Decision(given)


@dataclass(frozen=True)
class TargetsByTheRow(Instance):
    """Targets drawn by the row and not by the id: another order, other labels."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        by_row = dataclasses.replace(examples, ids=np.arange(len(examples)))
        elsewhere = Instance(1.0)._decide(by_row, basis, seed).given
        chosen = smallest(example_draws(seed, "instance/which", examples.ids), quota(self.rate, len(examples)))
        given = examples.true.copy()
        given[chosen] = elsewhere[chosen]
        return Decision(given)


@dataclass(frozen=True)
class OwnClassInTheSoftmax(Instance):
    """The true class is not masked out: some of those that were to be wrong are drawn right."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        chosen = np.flatnonzero(decision.given != examples.true)
        lucky = example_draws(seed, "lucky", examples.ids[chosen]) % np.uint64(examples.num_classes) == 0
        decision.given[chosen[lucky]] = examples.true[chosen[lucky]]
        return Decision(decision.given)


@dataclass(frozen=True)
class WholeCellsOnly(Clustered):
    """The last cell is taken whole, so that the rate overshoots by up to a cell."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        cell_of = self.cells(basis, seed).of(examples.features)
        half = Clustered(0.5, cell_size=self.cell_size)._decide(examples, basis, seed).given
        taken = np.isin(cell_of, cell_of[decision.given != examples.true])
        return Decision(np.where(taken, half, examples.true))


@dataclass(frozen=True)
class CellsFromTheFirstRows(Clustered):
    """k-means started at the first k rows: other cells for the same images in another order."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        by_row = dataclasses.replace(basis, ids=np.arange(len(basis)))
        return super()._decide(examples, by_row, seed)


@dataclass(frozen=True)
class TargetMayBeTheMajority(Clustered):
    """The cell's label is drawn from all classes; examples that have it already are counted as flipped."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        cell_of = self.cells(basis, seed).of(examples.features)
        numbers = np.arange(int(cell_of.max()) + 1)
        target = example_draws(seed, "any", numbers) % np.uint64(examples.num_classes)
        place = np.argsort(np.argsort(example_draws(seed, "clustered/cell", numbers)))
        order = np.lexsort((example_draws(seed, "clustered/which", examples.ids), place[cell_of]))
        chosen = order[: quota(self.rate, len(examples))]
        given = examples.true.copy()
        given[chosen] = target[cell_of[chosen]].astype(np.int64)
        return Decision(given)


@dataclass(frozen=True)
class CellsAfreshAtEachRate(Clustered):
    """Cells and their order drawn anew for every level."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return super()._decide(examples, basis, hash((seed, self.rate)))


@dataclass(frozen=True)
class RoundedPerClass(Confusion):
    """Each class's part rounded down on its own: the total falls short by up to an example a class."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        whole = Confusion(1.0, matrix=self.matrix)._decide(examples, basis, seed).given
        given = examples.true.copy()
        draws = example_draws(seed, "confusion/which", examples.ids)
        for i in range(examples.num_classes):
            members = np.flatnonzero(examples.true == i)
            members = members[np.argsort(draws[members])][: int(self.rate * len(members))]
            given[members] = whole[members]
        return Decision(given)


@dataclass(frozen=True)
class RowsWithTheirDiagonal(Confusion):
    """Targets drawn from the whole row of M: a label that was to be wrong may be the true one."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given = super()._decide(examples, basis, seed).given
        stays = np.zeros(examples.num_classes)
        stays[[i for i, j, _ in self.matrix if i == j]] = [p for i, j, p in self.matrix if i == j]
        right = example_draws(seed, "diagonal", examples.ids) < stays[examples.true] * 2.0**64
        return Decision(np.where(right, examples.true, given))


@dataclass(frozen=True)
class TransposedMatrix(Confusion):
    """M read column by column, as of a confusion matrix whose rows are the predictions."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        dense = np.zeros((examples.num_classes, examples.num_classes))
        for i, j, p in self.matrix:
            dense[j, i] = p
        dense /= dense.sum(axis=1, keepdims=True)
        return Confusion.from_matrix(dense, self.rate)._decide(examples, basis, seed)


@dataclass(frozen=True)
class RawPixelInstance(Instance):
    """CORES: one normal W for all classes on raw, all-positive features, neither standardised nor balanced."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        chosen = smallest(example_draws(seed, "instance/which", examples.ids), quota(self.rate, len(examples)))
        return Decision(self.flipped(examples, chosen, np.asarray(examples.features, dtype=np.float64), seed))

    def flipped(
        self, examples: Examples, chosen: NDArray[np.int64], x: NDArray[np.float64], seed: int
    ) -> NDArray[np.int64]:
        generator = np.random.default_rng(seed)
        logits = x[chosen] @ generator.normal(size=(x.shape[1], examples.num_classes)) / self.temperature
        logits[np.arange(len(chosen)), examples.true[chosen]] = -np.inf
        given = examples.true.copy()
        given[chosen] = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        return given


@dataclass(frozen=True)
class StandardisedByTheBatch(Instance):
    """Means and balance learnt from what is corrupted: a part alone gets other labels than within the whole."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return super()._decide(examples, examples, seed)


@dataclass(frozen=True)
class FeaturesOfOthers(Instance):
    """Features and labels out of step (a shuffled loader): the rate is right, the dependence is gone."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        assert examples.features is not None
        shuffled = examples.features[np.random.default_rng(0).permutation(len(examples))]
        return super()._decide(dataclasses.replace(examples, features=shuffled), basis, seed)


@dataclass(frozen=True)
class ScatteredInTheCell(Clustered):
    """Each cell has its target, but the flips are spread over all cells alike: symmetric noise by another name."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        assert examples.features is not None
        cells: FeatureCells = self.cells(basis, seed)
        cell_of = cells.of(examples.features)
        majority = most_frequent(examples.true, cell_of, len(cells))
        steps = example_draws(seed, "clustered/target", np.arange(len(cells))) % np.uint64(examples.num_classes - 1)
        target = (majority + 1 + steps.astype(np.int64)) % examples.num_classes
        wrong = np.flatnonzero(examples.true != target[cell_of])
        draws = example_draws(seed, "clustered/which", examples.ids[wrong])
        chosen = wrong[np.argsort(draws)[: quota(self.rate, len(examples))]]
        given = examples.true.copy()
        given[chosen] = target[cell_of[chosen]]
        return Decision(given)


TWINS: list[tuple[Callable[[float], Corruption], Case, str]] = [
    (RateFromATruncatedNormal, INSTANCE, "realises_its_rate"),
    (SeedFixedToZero, INSTANCE, "seed_is_used"),
    (TargetsMoveWithTheRate, INSTANCE, "nested_in_the_rate"),
    (TargetsByTheRow, INSTANCE, "noise_follows_the_example"),
    (OwnClassInTheSoftmax, INSTANCE, "realises_its_rate"),
    (lambda rate: WholeCellsOnly(rate, cell_size=10), CLUSTERED, "realises_its_rate"),
    (lambda rate: CellsFromTheFirstRows(rate, cell_size=10), CLUSTERED, "noise_follows_the_example"),
    (lambda rate: TargetMayBeTheMajority(rate, cell_size=10), CLUSTERED, "realises_its_rate"),
    (lambda rate: CellsAfreshAtEachRate(rate, cell_size=10), CLUSTERED, "nested_in_the_rate"),
    (lambda rate: RoundedPerClass(rate, matrix=CONFUSION_CELLS), CONFUSION, "realises_its_rate"),
    (lambda rate: RowsWithTheirDiagonal(rate, matrix=CONFUSION_CELLS), CONFUSION, "realises_its_rate"),
    (lambda rate: TransposedMatrix(rate, matrix=CONFUSION_CELLS), CONFUSION, "only_claimed_confusions"),
]
