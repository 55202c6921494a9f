"""Open-set identification among the people whom a data set has held out: who is enrolled, and how probes fare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.data import ImageSet, VerificationSet
from noisylabels.data.verification import shared_people
from noisylabels.metrics import Undefined
from noisylabels.metrics.gallery_probes import GalleryProbes
from noisylabels.metrics.identification import match_true_identities
from noisylabels.metrics.search import nearest_in_gallery

SEED = 0
"""Of the one draw of gallery and probes: who is enrolled is part of the protocol, not of a run."""

FEWEST_ENROLLED = 10


def gallery_of(verification: VerificationSet) -> GalleryProbes | None:
    """The frozen protocol: half of the held-out people with two items or more are enrolled, with one item each.

    Their other items are mated probes; all items of everybody else are non-mated ones. It hangs on the people's names
    and the numbers of their items alone; an item is called ``<name>/<n>``, the n-th of that person from 1.

    Returns:
        The manifest; None where it is not known who items show, or too few people have two items.
    """
    if verification.people is None:
        return None
    people = [verification.names[person] for person in verification.people.tolist()]
    several = int(np.count_nonzero(np.bincount(verification.people) > 1))
    if several // 2 < FEWEST_ENROLLED:
        return None
    return GalleryProbes.draw(item_names(verification), people, people, enrolled=several // 2, seed=SEED)


def facts_of(verification: VerificationSet, trained: ImageSet) -> dict[str, Any]:
    """What a reader must know of a verification set: its pairs, its gallery, and what it shares with the training.

    ``shared_people`` counts by name as it is written, ``identical_images`` by the pixels of the decoded images; either
    makes figures of new people untrue. Near-duplicates are searched by ``noisylabels data overlap``.
    """
    protocol = gallery_of(verification)
    known = {image.tobytes() for image in trained.images}
    return {
        "pairs": len(verification.pairs),
        "published_pairs": verification.published,
        "shared_people": len(shared_people(trained.class_names, verification)),
        "identical_images": sum(image.tobytes() in known for image in verification.images),
        "gallery_probes_sha256": None if protocol is None else protocol.sha256,
        "gallery_probes": None
        if protocol is None
        else [len(protocol.gallery), len(protocol.mated), len(protocol.non_mated)],
    }


def item_names(verification: VerificationSet) -> list[str]:
    """``<name>/<n>`` of each item."""
    assert verification.people is not None
    seen: dict[int, int] = {}
    names = []
    for person in verification.people.tolist():
        seen[person] = seen.get(person, 0) + 1
        names.append(f"{verification.names[person]}/{seen[person]}")
    return names


def search_results(embeddings: NDArray[np.floating[Any]], verification: VerificationSet) -> dict[str, NDArray[Any]]:
    """Ranks and scores of the probes of :func:`gallery_of`, as an ``Evaluation`` takes them; nothing without one.

    Args:
        embeddings: of the items, ``(I, D)``; where one has no direction all scores are NaN and all ranks last.
        verification: whose items they are.
    """
    protocol = gallery_of(verification)
    if protocol is None:
        return {}
    placed = protocol.placed(item_names(verification))
    gallery, mated, strangers = (placed[part] for part in ("gallery", "mated", "non_mated"))
    try:
        found = match_true_identities(
            embeddings[gallery.rows], gallery.identities, embeddings[mated.rows], mated.identities
        )
        non_mated = nearest_in_gallery(embeddings[gallery.rows], embeddings[strangers.rows]).scores[:, 0]
    except Undefined:
        return {
            "mated_ranks": np.full(len(mated.rows), len(gallery.rows)),
            "mated_scores": np.full(len(mated.rows), np.nan),
            "non_mated_scores": np.full(len(strangers.rows), np.nan),
        }
    return {"mated_ranks": found.ranks, "mated_scores": found.scores, "non_mated_scores": non_mated}
