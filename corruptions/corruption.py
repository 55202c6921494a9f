"""What every corruption is: true labels in, given labels and an audit record out."""

from __future__ import annotations

import dataclasses
import hashlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corruptions.corrupted import CorruptedLabels
from corruptions.examples import Examples
from corruptions.record import NoiseRecord

if TYPE_CHECKING:
    from corruptions.composition import Composition


@dataclass(frozen=True, eq=False)
class Decision:
    """What a kind decided, before it is counted and recorded.

    Attributes:
        given: int64, shape (N,), in [0, K'), or -1 where the example is left out.
        details: what only this kind can say, as plain JSON values. Five keys are read by others: ``absorbed_into``
            (pairs absorbed, absorber of identities), ``absorbed_whole`` (those whose label is left empty),
            ``absorbed_in_part`` (the absorbed that keep some examples), ``split_from`` (pairs new label, identity) and
            ``absent`` (identities that were left out, so that nobody can learn to name them).
        num_given_classes: K' where it is not K.
        num_asked: wrong labels that the rate promises; None where the kind promises none (a label drawn from all
            classes may be right).
        steps: the records of composed steps.
    """

    given: NDArray[np.int64]
    details: Mapping[str, Any] = field(default_factory=dict)
    num_given_classes: int | None = None
    num_asked: int | None = None
    steps: tuple[NoiseRecord, ...] = ()


@dataclass(frozen=True)
class Corruption(ABC):
    """A kind of label noise and its parameters; the fields are the whole specification.

    A subclass sets ``kind`` and ``rate_of`` and says in ``_decide`` which label each example gets. These laws hold for
    every kind and are tested over the table: a draw depends on (seed, kind) and the example's id alone; what is wrong
    at a low rate is wrong, with the same given label, at a higher one; decisions are read from the true labels and
    written to a copy; a rate is realised to half an example or refused. A kind that breaks one says so by its name.

    Attributes:
        rate: in [0, 1], the share of ``rate_of``.

    Raises:
        ValueError: the rate is not a number in [0, 1].
    """

    kind: ClassVar[str]
    rate_of: ClassVar[str] = "examples"
    min_classes: ClassVar[int] = 2
    rate: float

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be in [0, 1]; got {self.rate}")
        object.__setattr__(self, "rate", float(self.rate))

    def apply(
        self,
        true_labels: ArrayLike,
        num_classes: int,
        *,
        seed: int,
        example_ids: ArrayLike | None = None,
        features: ArrayLike | None = None,
        annotations: Mapping[str, ArrayLike] | None = None,
        basis: Examples | None = None,
    ) -> CorruptedLabels:
        """Corrupt labels; no argument is edited and no global generator is touched.

        Args:
            true_labels: integers in [0, K), shape (N,), N >= 1.
            num_classes: K.
            seed: seed of the draws, any integer.
            example_ids: one integer per example, all different, shape (N,). The noise follows the id: an example is
                treated alike wherever it stands. Row numbers where none are given.
            features: images or embeddings, one per example, for the kinds that look at them (``needs``).
            annotations: label sets by name, indexed by example id, for the kinds that need them.
            basis: the examples that class sizes, class centres, cells and the like are learnt from, when they are not
                the ones corrupted: a validation part is corrupted on the basis of the training part.

        Raises:
            ValueError: an argument is not as above or is missing, or what was asked cannot be had of these labels; the
                message says what can.
            TypeError: seed or num_classes is not an integer.
        """
        examples = Examples.of(
            true_labels, num_classes, example_ids=example_ids, features=features, annotations=annotations
        )
        return self.apply_to(examples, seed=seed, basis=basis)

    def apply_to(self, examples: Examples, *, seed: int, basis: Examples | None = None) -> CorruptedLabels:
        """``apply`` to examples that are checked already."""
        seed, basis, K = operator.index(seed), basis or examples, examples.num_classes
        if self.min_classes > K:
            raise ValueError(f"{self.kind} needs num_classes of at least {self.min_classes}; got {K}")
        if basis.num_classes != K:
            raise ValueError(f"basis must have the same {K} classes; got {basis.num_classes}")
        for needed in sorted(self.needs()):
            if not all(_has(part, needed) for part in (examples, basis)):
                raise ValueError(f"{self.kind} needs {needed}; got none")
        decision = self._decide(examples, basis, seed)
        given = decision.given
        given.flags.writeable = False
        record = NoiseRecord.of(
            examples.true,
            given,
            examples.ids,
            K,
            kind=self.kind,
            parameters=self.parameters(),
            seed=seed,
            rate=self.rate,
            rate_of=self.share_of(),
            num_given_classes=decision.num_given_classes or K,
            features_sha256=_sha256(examples.features) if "features" in self.needs() else None,
            details=decision.details,
            steps=decision.steps,
        )
        if decision.num_asked not in (None, record.num_flipped):
            raise ValueError(
                f"{self.kind} cannot make {decision.num_asked} of these {len(examples)} labels wrong; "
                f"{record.num_flipped} can be had"
            )
        return CorruptedLabels(examples.true, given, examples.ids, record)

    def __add__(self, other: Corruption) -> Composition:
        """This step and then the other one; see ``Composition``."""
        from corruptions.composition import Composition

        if not isinstance(other, Corruption):
            return NotImplemented
        return Composition.of(self, other)

    def share_of(self) -> str:
        """Of what ``rate`` is the share, in words."""
        return self.rate_of

    def needs(self) -> frozenset[str]:
        """Which of ``features`` and ``annotations`` this corruption looks at."""
        return frozenset()

    @property
    def is_clean(self) -> bool:
        """Whether every example keeps its own label whatever the labels are."""
        return self.rate == 0

    def asked_matrix(self, num_classes: int) -> NDArray[np.float64] | None:
        """``T[i, j]``: the probability that the parameters ask for that true class i is labelled j, shape (K, K).

        Rows sum to one. What a seed makes of it is ``CorruptedLabels.transition_matrix``, whose mean over seeds this
        is, but for the rounding of the rate to whole examples.

        Returns:
            None where the parameters alone do not say it: it depends on images, people or class sizes.

        Raises:
            ValueError: the parameters mean another number of classes.
        """
        return None

    def parameters(self) -> dict[str, Any]:
        """Field names and values, the rate included."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    @abstractmethod
    def _decide(self, examples: Examples, basis: Examples, seed: int) -> Decision:
        """Given labels and this kind's details, from checked arguments; ``basis`` is ``examples`` where none came."""


def _has(examples: Examples, needed: str) -> bool:
    return bool(examples.annotations) if needed == "annotations" else examples.features is not None


def _sha256(features: NDArray[Any] | None) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).data).hexdigest()
