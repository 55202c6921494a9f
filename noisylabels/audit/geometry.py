"""What a few classes' embeddings say of each label, for models that were not trained on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.centre_margin import centre_margin
from noisylabels.audit.evidence import Evidence
from noisylabels.audit.given_classes import GivenClasses
from noisylabels.audit.neighbours import nearest_images, neighbour_evidence
from noisylabels.metrics.search import unit_rows

MOST_IMAGES = 20_000
"""Up to so many images all pairs are compared; beyond, only images and class centres are."""


def geometry(embeddings: NDArray[np.float32], given: NDArray[np.int64]) -> list[Evidence]:
    """``centre_margin``, and up to 20,000 images ``neighbour_disagreement``, of embeddings ``(N, D)``.

    Called out of sample: ``out_of_fold`` keeps of it what is about images that the model was not trained on. Nothing
    where the labels are of one class, or an embedding has no direction.
    """
    classes = GivenClasses.of(given)
    usable = np.isfinite(embeddings).all() and (np.abs(embeddings).max(axis=1, initial=0) > 0).all()
    if len(classes) < 2 or not usable:
        return []
    found = [centre_margin(embeddings, classes, np.ones(len(given), dtype=np.bool_), in_sample=False)]
    if len(given) <= MOST_IMAGES:
        nearest = nearest_images(unit_rows(embeddings), classes, None)
        found.append(neighbour_evidence(nearest, classes, in_sample=False))
    return found
