"""Whether identities that share one label can still be told apart in the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from noisylabels.metrics.by_class import Float64, as_directions
from noisylabels.metrics.evaluation import Evaluation, Floats, Labels
from noisylabels.metrics.metric import Metric, Undefined

Members = NDArray[np.int64]

STARTS = 16
MOST_STEPS = 100


@dataclass(frozen=True)
class MergedPurity:
    """How purely merged classes fall apart into the identities they were made of.

    Attributes:
        purity: in (0, 1]; higher is purer.
        chance: what one gets by not splitting at all: the share of each class's largest identity, weighted likewise.
            1/g where g identities of equal size are merged; the purity is never below it.
        classes: how many labels carry two identities or more.
        images: of those classes.
    """

    purity: float
    chance: float
    classes: int
    images: int


def merged_purity(embeddings: Floats, identities: Labels, labels: Labels) -> MergedPurity:
    """Purity of g-means within every label that g >= 2 identities carry, by true identity.

        (1/M) sum_c sum_k max_i n_cki

    with n_cki the images of identity i in cluster k of merged class c, and M the images of all merged classes: an
    image weighs the same in whatever class. Clusters come from :func:`spherical_means` with as many centres as the
    class has identities; two for a merge of pairs. A network that has learnt only the merged label, and spread its
    images by pose and light, scores hardly above :attr:`MergedPurity.chance`; one that saw through the merge scores 1.

    Each cluster goes to whoever has most of it, so a split by the toss of a coin scores a little above ``chance``, in a
    class of n images by the order of 1 / sqrt(n): compare classes of like size.

    Args:
        embeddings: ``(M, D)``, L2-normalised here.
        identities: true identities, ``(M,)``.
        labels: what they carry, ``(M,)``: ``carrying_class[identities]``, say.

    Raises:
        ValueError: shapes that do not fit.
        Undefined: no label is carried by two identities, or an embedding of a merged class has length zero or is not
            finite.

    Reference: purity: Manning, Raghavan & Schuetze, Introduction to Information Retrieval, 2008, section 16.3; its
    use on merged identities is our own.
    """
    if not embeddings.shape[:1] == identities.shape == labels.shape:
        raise ValueError(
            f"embeddings, identities and labels must have one length; got {embeddings.shape}, {identities.shape}"
            f" and {labels.shape}"
        )
    pure = largest = images = classes = 0
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        names, identity, sizes = np.unique(identities[rows], return_inverse=True, return_counts=True)
        if len(names) < 2:
            continue
        cluster = spherical_means(as_directions(embeddings[rows]), len(names))
        pure += int(_confusion(cluster, identity, len(names)).max(axis=1).sum())
        largest += int(sizes.max())
        images += len(rows)
        classes += 1
    if not classes:
        raise Undefined("no label is carried by two identities")
    return MergedPurity(pure / images, largest / images, classes, images)


@dataclass(frozen=True)
class PurityWithinMerged(Metric):
    """Purity of clean-test embeddings within merged classes, by true identity: :func:`merged_purity`.

    1 where everybody absorbed still has a place of their own, about 1/g where g identities of equal size have become
    one; n counts the test images of merged identities. Undefined where no identities are merged.
    """

    kind: ClassVar[str] = "merged_purity"
    unit: ClassVar[str] = "share"
    higher_is_better: ClassVar[bool] = True
    lower: ClassVar[float] = 0.0
    upper: ClassVar[float] = 1.0

    def compute(self, evaluation: Evaluation) -> float:
        rows, labels = _merged(evaluation)
        return merged_purity(evaluation.test_embeddings[rows], evaluation.test_true[rows], labels).purity

    def count(self, evaluation: Evaluation) -> int:
        return len(_merged(evaluation)[0])


def _merged(evaluation: Evaluation) -> tuple[Members, Labels]:
    """Test images of labels that two or more identities among them carry, and those labels."""
    carried = evaluation.carrying_class[evaluation.test_true]
    present = np.unique(evaluation.test_true)
    sharers = np.bincount(evaluation.carrying_class[present] + 1, minlength=evaluation.num_classes + 1)
    rows = np.flatnonzero((carried >= 0) & (sharers[carried + 1] > 1))
    return rows, carried[rows]


def spherical_means(directions: Float64, count: int) -> Members:
    """Clusters of unit vectors by k-means with cosines, the best of 16 fixed starts.

        maximise  sum_i x_i . m_{k(i)},    |m_k| = 1

    Each start takes a first point, from the one farthest from the mean direction to the one nearest to it, and adds,
    time after time, the point farthest from all taken so far; Lloyd's steps follow until nothing moves, 100 at most.
    Nothing is drawn by chance. Ties go to the lower row, and only in ties does the order of rows matter. A local
    optimum, as any k-means.

    Args:
        directions: unit vectors, ``(M, D)``.
        count: clusters, 1 to M.

    Returns:
        The cluster of each, ``(M,)`` in [0, count). Fewer are used where fewer points differ.

    Raises:
        ValueError: a count out of range.

    Reference: Dhillon & Modha, Machine Learning 42, 2001; start after Gonzalez, Theoretical Computer Science 38, 1985.
    """
    if not 1 <= count <= len(directions):
        raise ValueError(f"clusters must be in [1, {len(directions)}]; got {count}")
    by_typicality = np.argsort(directions @ directions.mean(axis=0), kind="stable")
    firsts = np.unique(np.linspace(0, len(directions) - 1, STARTS).round().astype(np.int64))
    runs = [_lloyd(directions, _far_apart(directions, int(first), count)) for first in by_typicality[firsts]]
    objectives = [objective for _, objective in runs]
    return runs[int(np.argmax(objectives))][0]


def _far_apart(directions: Float64, first: int, count: int) -> Float64:
    """Gonzalez's points, the first one given, ``(count, D)``."""
    taken = [first]
    nearest = directions @ directions[first]
    while len(taken) < count:
        taken.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, directions @ directions[taken[-1]])
    return directions[taken]


def _lloyd(directions: Float64, centres: Float64) -> tuple[Members, float]:
    """Clusters and objective after Lloyd's steps from these centres."""
    cluster = np.full(len(directions), -1)
    for _ in range(MOST_STEPS):
        cosines = directions @ centres.T
        moved = cosines.argmax(axis=1)
        if np.array_equal(moved, cluster):
            break
        cluster = moved
        sums = np.eye(len(centres))[cluster].T @ directions
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), centres)
    return cluster, float(np.sum(directions * centres[cluster]))


def _confusion(cluster: Members, identity: Members, count: int) -> NDArray[np.int64]:
    return np.bincount(cluster * count + identity, minlength=count * count).reshape(count, count)
