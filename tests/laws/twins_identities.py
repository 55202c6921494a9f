"""Wrong twins of the identity noises: defects of published generators, or likely ones, and the law each breaks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from corruptions import Corruption, Decision, Examples, example_draws
from corruptions.draws import integers_below
from corruptions.identity_flip import IdentityFlip
from corruptions.identity_merge import IdentityMerge
from corruptions.identity_split import IdentitySplit
from corruptions.outlier import Outlier
from tests.laws.cases_identities import (
    FLIP_PAST_EMPTY_LABELS,
    FLIP_SWAPPED,
    FLIP_UNIFORM,
    MERGE_CHAIN,
    MERGE_IMAGES,
    MERGE_SIZE_MATCHED,
    OUTLIER_KEPT,
    OUTLIER_RANDOM,
    SPLIT_IN_THREE,
    SPLIT_IN_TWO,
)
from tests.laws.corruption_laws import Case


@dataclass(frozen=True)
class MergedInOrderOfAppearance(IdentityMerge):
    """Pairs of consecutive identities of a dictionary that was filled row after row: another order, other pairs."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        seen = list(dict.fromkeys(examples.true.tolist()))
        unseen = [c for c in range(examples.num_classes) if c not in seen]
        members = [*seen, *unseen]
        pairs = tuple(zip(members[::2], members[1::2], strict=False))
        return IdentityMerge(self.rate, groups=pairs)._decide(examples, basis, seed)


@dataclass(frozen=True)
class WholeIdentitiesOnly(IdentityMerge):
    """Asked for a share of images, stops after the identity that passes it: off by up to a whole identity."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        given = examples.true.copy()
        for absorbed, absorber in IdentityMerge(0.5).absorptions(examples.num_classes, seed):
            if (given != examples.true).sum() < self.rate * len(given):
                given[examples.true == absorbed] = absorber
        return Decision(given)


@dataclass(frozen=True)
class ChainFollowedToItsEnd(IdentityMerge):
    """Labels replaced one after the other in the array that is being written: the chain collapses to a star."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        given = examples.true.copy()
        for absorbed, absorber in reversed(decision.details["absorbed_into"]):
            given[given == absorbed] = absorber
        return Decision(given, decision.details)


@dataclass(frozen=True)
class SplitByCoin(IdentitySplit):
    """A fair coin for each image: parts of equal size in expectation only, and some of them empty."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        split = {identity: label for label, identity in decision.details["split_from"]}
        new = np.array([split.get(c, c) for c in range(examples.num_classes)])
        heads = integers_below(2, example_draws(seed, "coin", examples.ids)) == 1
        given = np.where(heads, new[examples.true], examples.true)
        return dataclasses.replace(decision, given=given)


@dataclass(frozen=True)
class SplitByRow(IdentitySplit):
    """``rows[::2]`` and ``rows[1::2]`` of each identity: the parts depend on how the file is sorted."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        by_row = dataclasses.replace(examples, ids=np.arange(len(examples)))
        return super()._decide(by_row, basis, seed)


@dataclass(frozen=True)
class NewLabelsInIdOrder(IdentitySplit):
    """New labels handed out by ascending class id: one more split identity renames the parts of all after it."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        pairs = decision.details["split_from"]
        ascending = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
        renamed = {old: new for (old, _), (new, _) in zip(ascending, pairs, strict=True)}
        given = np.array([renamed.get(label, label) for label in decision.given.tolist()])
        split_from = [[renamed[old], identity] for old, identity in pairs]
        return dataclasses.replace(decision, given=given, details={**decision.details, "split_from": split_from})


@dataclass(frozen=True)
class FlipsToEmptyLabels(IdentityFlip):
    """Any of the K labels, in use or not: images of one person under the name of nobody."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        words = example_draws(seed, "any label", examples.ids)
        others = (examples.true + 1 + integers_below(examples.num_classes - 1, words)) % examples.num_classes
        wrong = decision.given != examples.true
        return Decision(np.where(wrong, others, examples.true), decision.details)


@dataclass(frozen=True)
class FlooredPerIdentity(IdentityFlip):
    """BoundaryFace's generator: ``floor(n * rate)`` images of each identity, none of those with few images."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        true, given = examples.true, examples.true.copy()
        for c in range(examples.num_classes):
            rows = np.flatnonzero(true == c)
            rows = rows[np.argsort(example_draws(seed, "floored", examples.ids[rows]))]
            given[rows[: math.floor(self.rate * len(rows))]] = (c + 1) % examples.num_classes
        return Decision(given)


@dataclass(frozen=True)
class PermutedWithFixedPoints(IdentityFlip):
    """Labels of the chosen subset permuted, class sizes kept, but nobody looks whether a label really changed."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        count = math.floor(self.rate * len(examples) + 0.5)
        chosen = np.argsort(example_draws(seed, "subset", examples.ids))[:count]
        shuffled = chosen[np.argsort(example_draws(seed, "shuffle", examples.ids[chosen]))]
        given = examples.true.copy()
        given[chosen] = examples.true[shuffled]
        return Decision(given)


@dataclass(frozen=True)
class PermutedAfreshAtEachRate(IdentityFlip):
    """A proper derangement of the chosen subset, as in NoiseFace: a larger subset has another one."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        count = math.floor(self.rate * len(examples) + 0.5)
        chosen = np.argsort(example_draws(seed, "subset", examples.ids))[:count]
        by_class = chosen[np.argsort(examples.true[chosen], kind="stable")]
        largest = np.bincount(examples.true[chosen], minlength=1).max()
        given = examples.true.copy()
        given[by_class] = examples.true[np.roll(by_class, largest)]
        return Decision(given)


@dataclass(frozen=True)
class OutliersBesideTheReplaced(Outlier):
    """Strangers come in, and the images that they should replace stay: another training set size at each rate."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        is_inside = ~np.isin(examples.true, decision.details["absent"])
        return Decision(np.where(is_inside, examples.true, decision.given), decision.details)


@dataclass(frozen=True)
class OutsideAnewAtEachRate(Outlier):
    """The strangers are drawn with the rate: at 20 % other people are outside than at 10 %."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        return super()._decide(examples, basis, seed + round(self.rate * 1000))


@dataclass(frozen=True)
class StrangersUnderAnyLabel(Outlier):
    """A label drawn from all K: some strangers come in under their own name, others under another stranger's."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        labels = integers_below(examples.num_classes, example_draws(seed, "any label", examples.ids))
        coming = (decision.given >= 0) & (decision.given != examples.true)
        return Decision(np.where(coming, labels, decision.given), decision.details)


@dataclass(frozen=True)
class ReplacedWithoutOrder(Outlier):
    """The k-th replaced image by row gives its label to the k-th stranger by row: one more pair moves all labels."""

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        decision = super()._decide(examples, basis, seed)
        given = decision.given.copy()
        is_inside = ~np.isin(examples.true, decision.details["absent"])
        coming = np.flatnonzero((given >= 0) & ~is_inside)
        given[coming] = examples.true[(given == -1) & is_inside]
        return Decision(given, decision.details)


TWINS: list[tuple[Callable[[float], Corruption], Case, str]] = [
    (
        lambda rate: MergedInOrderOfAppearance(rate, group_size=3, pairing="size_matched"),
        MERGE_SIZE_MATCHED,
        "noise_follows_the_example",
    ),
    (lambda rate: WholeIdentitiesOnly(rate, of="images"), MERGE_IMAGES, "realises_its_rate"),
    (
        lambda rate: ChainFollowedToItsEnd(rate, group_size=4, layout="chain"),
        MERGE_CHAIN,
        "realises_its_rate",
    ),
    (SplitByCoin, SPLIT_IN_TWO, "realises_its_rate"),
    (SplitByRow, SPLIT_IN_TWO, "noise_follows_the_example"),
    (lambda rate: NewLabelsInIdOrder(rate, parts=3), SPLIT_IN_THREE, "nested_in_the_rate"),
    (FlipsToEmptyLabels, FLIP_PAST_EMPTY_LABELS, "only_claimed_confusions"),
    (FlooredPerIdentity, FLIP_UNIFORM, "realises_its_rate"),
    (lambda rate: PermutedWithFixedPoints(rate, keep_frequency=True), FLIP_SWAPPED, "realises_its_rate"),
    (lambda rate: PermutedAfreshAtEachRate(rate, keep_frequency=True), FLIP_SWAPPED, "nested_in_the_rate"),
    (lambda rate: OutliersBesideTheReplaced(rate, outside=0.4), OUTLIER_KEPT, "realises_its_rate"),
    (lambda rate: OutsideAnewAtEachRate(rate, outside=0.4), OUTLIER_KEPT, "nested_in_the_rate"),
    (lambda rate: ReplacedWithoutOrder(rate, outside=0.4), OUTLIER_KEPT, "nested_in_the_rate"),
    (
        lambda rate: StrangersUnderAnyLabel(rate, outside=(7, 2, 3), labels="random"),
        OUTLIER_RANDOM,
        "only_claimed_confusions",
    ),
]
