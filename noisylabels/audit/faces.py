"""The audit of a data set of identities by its embeddings alone: every finding and every score, at any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.centre_margin import centre_margin
from noisylabels.audit.class_search import MEMORY_BYTES
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.face_sentences import copies, flips_and_outliers, merged, split
from noisylabels.audit.finding import Finding
from noisylabels.audit.given_classes import Flags, GivenClasses
from noisylabels.audit.identity_margin import (
    IdentityMargins,
    identity_evidence,
    identity_margins,
    untrimmed,
)
from noisylabels.audit.identity_model import IdentityModel, fit
from noisylabels.audit.merged_identities import ClassIdentities, class_identities
from noisylabels.audit.near_copies import near_copies
from noisylabels.audit.neighbours import NearestImages, nearest_images, neighbour_evidence
from noisylabels.audit.split_identities import Group, OnePerson, one_person_pairs
from noisylabels.metrics.evaluation import Floats, Labels

MERGED_ODDS = float(np.log(19))
"""Log odds against two identities before anything is seen: one class in twenty is expected to be merged."""

Float32 = NDArray[np.float32]

ALL_CLASSES = 20_000
"""Up to so many images every class is searched for neighbours; beyond, those that suit an image best."""

CANDIDATE_CLASSES = 8


@dataclass(frozen=True, eq=False)
class FaceGeometry:
    """All that embeddings say of a data set, before anything is held to be a finding.

    Attributes:
        classes: the given labels.
        model: fitted to the kept images.
        points: of all images in the model, float32 ``(N, d)``.
        kept: ``(N,)``, images that make up the centres.
        margins: of each image, with its eight best other classes.
        nearest: images to each image; among all of them, or among those of these classes in a large data set.
        identities: of each class, one or two.
        groups: each class without its strays, and both identities of a class that is likelier two people.
        pairs: groups that are each other's best match, the best first, likely or not.
    """

    classes: GivenClasses
    model: IdentityModel
    points: Float32
    kept: Flags
    margins: IdentityMargins
    nearest: NearestImages
    identities: tuple[ClassIdentities, ...]
    groups: tuple[Group, ...]
    pairs: tuple[OnePerson, ...]

    @property
    def merged(self) -> tuple[ClassIdentities, ...]:
        """Classes of which two identities are likelier than one, the prior counted."""
        return tuple(one for one in self.identities if one.gain > MERGED_ODDS)

    @property
    def split(self) -> tuple[OnePerson, ...]:
        """Pairs that are likelier one person than two."""
        return tuple(pair for pair in self.pairs if pair.evidence > 0)


def face_geometry(embeddings: Floats, given: Labels, *, memory_bytes: int = MEMORY_BYTES) -> FaceGeometry:
    """Fit the model, leave out of it the images that suit another class better, fit it again, and ask everything.

    Nothing is drawn by chance. No array of N x C or C x C is made; memory is that of N x d float32 a few times over
    (d at most 128) beside ``memory_bytes``; the embeddings may be memory-mapped. Time O(N C D).

    Args:
        embeddings: ``(N, D)``; only directions count.
        given: integers of at least 0, ``(N,)``.
        memory_bytes: of working memory for searches, at least 1 MiB.

    Raises:
        ValueError: embeddings and labels that do not fit, or fewer than two labels.
        Undefined: an embedding of length zero or not finite, no label with two images, or embeddings that do not tell
            the classes apart.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(given):
        raise ValueError(f"embeddings must be (N, D) for N given labels; got {embeddings.shape} and {given.shape}")
    classes = GivenClasses.of(given)
    everybody = np.ones(len(embeddings), dtype=np.bool_)
    model = fit(embeddings, classes, everybody)
    first = identity_margins(model, model.points(embeddings), classes, everybody, memory_bytes=memory_bytes)
    kept = untrimmed(first.margin, classes)
    model = fit(embeddings, classes, kept)
    points = model.points(embeddings)
    margins = identity_margins(model, points, classes, kept, count=CANDIDATE_CLASSES, memory_bytes=memory_bytes)
    candidates = None if len(points) <= ALL_CLASSES else margins.rivals
    nearest = nearest_images(_directions(model, points), classes, candidates, memory_bytes=memory_bytes)
    identities = tuple(class_identities(model, points, classes, place) for place in range(len(classes)))
    groups = _groups(identities)
    pairs = tuple(one_person_pairs(model, points, groups, memory_bytes=memory_bytes))
    return FaceGeometry(classes, model, points, kept, margins, nearest, identities, groups, pairs)


def face_findings(
    embeddings: Floats, given: Labels, *, in_sample: bool = True, memory_bytes: int = MEMORY_BYTES
) -> tuple[list[Finding], list[Evidence]]:
    """Everything that looks wrong in a data set of identities, and how suspicious each label is to each detector.

    Single wrong labels and strangers (``identity_margin``), two persons under one label (``merged_identities``), one
    person under two (``split_identities``, among classes and the parts of merged ones), one photograph under two labels
    (``near_copies``). What is reported is likelier than its opposite under a prior of one label in ten wrong and one
    class in twenty merged. A pair of classes needs no prior beyond being each other's best match: embeddings trained on
    the labels have been taught to hold the two halves of a person apart, which costs more evidence than a prior would.

    Args:
        embeddings: ``(N, D)``; only directions count.
        given: integers of at least 0, ``(N,)``.
        in_sample: whether the embeddings were trained on these labels, and may have memorised the wrong ones.
        memory_bytes: of working memory for searches, at least 1 MiB.

    Returns:
        Findings, kind by kind (merged, split, flip, outlier, near_duplicate), the most suspicious first; and the
        evidence ``identity_odds``, ``centre_margin`` and ``neighbour_disagreement``.

    Raises:
        ValueError, Undefined: as :func:`face_geometry`, which also says what time and memory are needed.
    """
    geometry = face_geometry(embeddings, given, memory_bytes=memory_bytes)
    classes, margins = geometry.classes, geometry.margins
    evidence = [
        identity_evidence(margins, classes, in_sample=in_sample),
        centre_margin(embeddings, classes, geometry.kept, in_sample=in_sample, memory_bytes=memory_bytes),
        neighbour_evidence(geometry.nearest, classes, in_sample=in_sample),
    ]
    explained = np.zeros(len(given), dtype=np.bool_)
    for one in geometry.merged:
        explained[one.second] = True
    findings = [
        *merged(geometry.merged, geometry.groups, geometry.split, classes),
        *split(geometry.split, geometry.groups, classes),
        *flips_and_outliers(evidence[0], margins, classes, explained),
        *copies(near_copies(embeddings, geometry.nearest, classes), classes),
    ]
    return findings, evidence


def _directions(model: IdentityModel, points: Float32) -> Float32:
    """Unit vectors in the metric in which identities differ most: each direction by its share of identity."""
    directions: Float32 = points * np.sqrt(model.between / (1 + model.between)).astype(np.float32)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    directions /= np.where(lengths > 0, lengths, 1)
    return directions


def _groups(identities: tuple[ClassIdentities, ...]) -> tuple[Group, ...]:
    groups = []
    for one in identities:
        groups.append(Group(one.place, one.single, whole=True))
        if one.gain > MERGED_ODDS:
            groups += [Group(one.place, part, whole=False) for part in (one.first, one.second)]
    return tuple(groups)
