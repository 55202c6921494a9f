"""Which people and which of their images a run is about, chosen by draws that hang on each name alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws
from corruptions.quota import smallest
from noisylabels.data.errors import DataError
from noisylabels.data.face_source import FaceSource, text_keys
from noisylabels.data.selection import smallest_draws

CHOICE_SEED = 0
"""Seed of every choice of people: no parameter moves it, so runs that differ in training are about the same people."""


@dataclass(frozen=True, eq=False)
class ChosenFaces:
    """n images of K people.

    Attributes:
        rows: int64[n], ascending rows of the source.
        labels: int64[n] in [0, K).
        names: of the K people: first those to tell apart, then those outside, each in the order of the source.
        num_inside: how many are to be told apart.
        held_out: int64, rows of the source: all images of the people held out for verification.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    num_inside: int
    held_out: NDArray[np.int64]


def choose_faces(
    source: FaceSource,
    *,
    min_images: int,
    identities: int | None,
    max_images: int | None,
    outside: int = 0,
    held_out: int = 0,
    excluded: frozenset[str] = frozenset(),
) -> ChosenFaces:
    """Choose people, then images of each.

    A choice of fewer people or images is part of a choice of more. People held out are chosen first, then those to tell
    apart, then those outside from whoever is left.

    Args:
        source: all images.
        min_images: people with fewer are left out, except for those outside.
        identities: how many people to tell apart; ``None`` for all.
        max_images: at most so many images of each of the K people; ``None`` for all.
        outside: how many further people to add as classes of their own, with at least one image.
        held_out: how many people to keep for verification.
        excluded: names of people who are left out whatever they have.

    Raises:
        DataError: there are not so many people, or fewer than two to tell apart.
    """
    sizes = np.bincount(source.people, minlength=len(source.names))
    sizes[[name in excluded for name in source.names]] = 0
    keys = text_keys(source.names)
    eligible = np.flatnonzero(sizes >= max(min_images, 1))
    verified = _drawn("held_out", held_out, eligible, keys, f" with at least {min_images} images")
    eligible = np.setdiff1d(eligible, verified)
    wanted = len(eligible) if identities is None else identities
    inside = _drawn("identities", wanted, eligible, keys, f" with at least {min_images} images")
    if len(inside) < 2:
        raise DataError(f"there must be at least 2 people with at least {min_images} images; got {len(inside)}")
    left = np.setdiff1d(np.flatnonzero(sizes), np.concatenate([inside, verified]))
    order = np.concatenate([inside, _drawn("outside", outside, left, keys, " left")])
    label_of = np.full(len(source.names), -1)
    label_of[order] = np.arange(len(order))
    rows = np.flatnonzero(label_of[source.people] >= 0)
    labels = label_of[source.people[rows]]
    if max_images is not None:
        counts = np.full(len(order), max_images)
        kept = smallest_draws(labels, source.keys[rows], counts, seed=CHOICE_SEED, purpose="max_images")
        rows, labels = rows[kept], labels[kept]
    names = tuple(source.names[person] for person in order.tolist())
    return ChosenFaces(rows, labels, names, len(inside), np.flatnonzero(np.isin(source.people, verified)))


def _drawn(
    parameter: str, count: int, people: NDArray[np.int64], keys: NDArray[np.int64], of_whom: str
) -> NDArray[np.int64]:
    """``count`` of some people, by the smallest draws of their names, in the order they had."""
    if count > len(people):
        raise DataError(f"{parameter} must be at most {len(people)}, the people{of_whom}; got {count}")
    return people[smallest(example_draws(CHOICE_SEED, parameter, keys[people]), count)]
