"""Real human mistakes (CIFAR-N), at their own rate or thinned out, and their class-conditional twin."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws
from corruptions.examples import Examples
from corruptions.quota import exact, quota, smallest, smallest_per_group
from corruptions.sparse_confusion import SparseConfusion
from corruptions.transitions import Transitions

CLEAN = "clean_label"

LABEL_SETS = {
    "aggre": "aggre_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "worse": "worse_label",
    "noisy": "noisy_label",
}
"""Short name to the name in the published file. ``noisy`` is CIFAR-100N's, the others are CIFAR-10N's."""

_ANNOTATORS = ("random_label1", "random_label2", "random_label3")


@dataclass(frozen=True)
class Human(Corruption):
    """What people got wrong: of the M wrong human labels, the ``floor(rate * M + 1/2)`` with the smallest draws.

    All other examples keep their true labels; at rate 1 the labels are the published ones. Which images people get
    wrong depends on the image, which no transition matrix can say.

    ``twin=true`` is the control for just that: synthetic labels with the human transition matrix T, drawn without
    regard to the image. Of the n_i examples of class i, the ``floor(rate * (1 - T_ii) * n_i + 1/2)`` with the smallest
    draws get a wrong label j with probability ``T_ij / (1 - T_ii)``. T is estimated from the human labels of the
    *basis*, the training part. A class the basis does not have keeps its labels.

    Attributes:
        rate: share of the human mistakes that are kept, in [0, 1]; 1, as published, by default. What share of all
            labels is wrong then is people's doing: 9.0, 17.2, 18.1, 17.6 and 40.2 % of CIFAR-10 for aggre, random1 to
            random3 and worse.
        labels: which label set: aggre (majority of three), random1 to random3 (one annotator each), worse (a wrong
            one of the three where there is any), of CIFAR-10N; noisy, of CIFAR-100N.
        twin: class-conditional labels of the same transition matrix in place of the human ones.

    Record details: ``label_set`` (its name in the file), ``num_human_mistakes`` (M, of these examples),
    ``file_error_rate`` (wrong labels of the whole set, as a share), ``annotator_agreement`` (share of these examples
    that the three annotators label alike, where the file has them), and for a twin ``basis_error_rate``.

    Raises:
        ValueError: labels is not one of these; in ``apply``, annotations without this set or without ``clean_label``,
            an example id that they do not have, human labels outside [0, K), or true labels that are not
            ``clean_label`` of the examples' ids: then images and annotations are in different orders.

    Reference: Wei et al., Learning with noisy labels revisited: a study using real-world human annotations, ICLR 2022,
    who compare with synthetic noise of the same T as well (exact per class here). Thinning is our own.

    >>> file = {"clean_label": [0, 1, 1, 2], "worse_label": [0, 2, 1, 0]}
    >>> Human().apply([1, 0], 3, seed=7, example_ids=[1, 0], annotations=file).given
    array([2, 0])
    """

    kind: ClassVar[str] = "human"
    rate_of: ClassVar[str] = "human mistakes"
    rate: float = 1.0
    labels: str = "worse"
    twin: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels not in LABEL_SETS:
            raise ValueError(f"labels must be one of {', '.join(LABEL_SETS)}; got {self.labels!r}")
        if not isinstance(self.twin, bool):
            raise ValueError(f"twin must be true or false; got {self.twin!r}")

    def needs(self) -> frozenset[str]:
        return frozenset({"annotations"})

    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        human = self._human_labels(examples)
        mistakes = np.flatnonzero(human != examples.true)
        details = self._details(examples, len(mistakes))
        if self.twin:
            given, basis_error_rate = self._twin(examples, basis, seed)
            return Decision(given, details | {"basis_error_rate": basis_error_rate})
        draws = example_draws(seed, "human/which", examples.ids[mistakes])
        chosen = mistakes[smallest(draws, quota(self.rate, len(mistakes)))]
        given = examples.true.copy()
        given[chosen] = human[chosen]
        return Decision(given, details, num_asked=len(chosen))

    def _human_labels(self, examples: Examples) -> NDArray[np.int64]:
        """The human label of each example, shape (N,)."""
        for name in (CLEAN, LABEL_SETS[self.labels]):
            if name not in examples.annotations:
                have = ", ".join(sorted(examples.annotations))
                raise ValueError(f"human:labels={self.labels} needs annotations {name!r}; got {have}")
        clean, labels = (examples.annotations[name] for name in (CLEAN, LABEL_SETS[self.labels]))
        size = min(len(clean), len(labels))
        outside = np.flatnonzero((examples.ids < 0) | (examples.ids >= size))
        if outside.size:
            got = f"{examples.ids[outside[0]]} at row {outside[0]} ({outside.size} in all)"
            raise ValueError(f"example ids must be in [0, {size}), the annotations' length; got {got}")
        unlike = np.flatnonzero(clean[examples.ids] != examples.true)
        if unlike.size:
            row = unlike[0]
            got = f"{examples.true[row]} and not {clean[examples.ids[row]]} for example {examples.ids[row]}"
            raise ValueError(
                f"true labels must be the annotations' {CLEAN}; got {got} "
                f"({unlike.size} of {len(examples)} differ): the orders are not the same"
            )
        human: NDArray[np.int64] = labels[examples.ids]
        if human.max() >= examples.num_classes:
            raise ValueError(f"human labels must be in [0, {examples.num_classes}); got {human.max()}")
        return human

    def _twin(self, examples: Examples, basis: Examples, seed: int) -> tuple[NDArray[np.int64], float]:
        human, K = self._human_labels(basis), examples.num_classes
        is_wrong = human != basis.true
        confusion, error_share = _estimated(basis, Transitions.counted(basis.true[is_wrong], human[is_wrong], K))
        source = confusion.source_of(examples.true, K)
        members = np.flatnonzero(source >= 0)
        sizes = np.bincount(source[members], minlength=len(error_share)).tolist()
        quotas = [quota(exact(self.rate) * share, size) for share, size in zip(error_share, sizes, strict=True)]
        draws = example_draws(seed, "human/twin_which", examples.ids[members])
        chosen = members[smallest_per_group(draws, source[members], np.array(quotas, dtype=np.int64))]
        given = examples.true.copy()
        words = example_draws(seed, "human/twin_target", examples.ids[chosen])
        given[chosen] = confusion.draw(source[chosen], words)
        return given, int(is_wrong.sum()) / len(basis)

    def _details(self, examples: Examples, num_mistakes: int) -> dict[str, Any]:
        name, sets = LABEL_SETS[self.labels], examples.annotations
        size = min(len(sets[name]), len(sets[CLEAN]))
        wrong = int(np.count_nonzero(sets[name][:size] != sets[CLEAN][:size]))
        details = {"label_set": name, "num_human_mistakes": num_mistakes, "file_error_rate": wrong / size}
        if all(annotator in sets and len(sets[annotator]) >= size for annotator in _ANNOTATORS):
            first, second, third = (sets[annotator][examples.ids] for annotator in _ANNOTATORS)
            details["annotator_agreement"] = int(np.count_nonzero((first == second) & (second == third))) / len(first)
        return details


def _estimated(basis: Examples, wrong: Transitions) -> tuple[SparseConfusion, list[Fraction]]:
    """The human matrix of the basis, and the share of wrong labels of each of its source classes, exact."""
    sizes = basis.class_sizes()
    errors = np.bincount(wrong.true, weights=wrong.count, minlength=basis.num_classes).astype(np.int64)
    share = wrong.count / errors[wrong.true]  # of the wrong labels alone: the quotas say how many there are
    cells = zip(wrong.true.tolist(), wrong.given.tolist(), share.tolist(), strict=True)
    confusion = SparseConfusion.from_cells(cells)
    return confusion, [Fraction(int(errors[i]), int(sizes[i])) for i in confusion.sources.tolist()]
