"""Images of training examples, looked up in the data folder for a picture; the last data set is kept open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.images import ImageSet
from noisylabels.spec import RunSpec


class TrainingImages:
    """Finds images by id; says None, once and for all of a data set, where it cannot be loaded.

    Args:
        root: the data folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._dataset = ""
        self._images: ImageSet | None = None

    def __call__(self, spec: RunSpec, ids: NDArray[np.int64]) -> tuple[NDArray[np.uint8], tuple[str, ...]] | None:
        """Images ``(n, C, H, W)`` and class names."""
        if spec.dataset != self._dataset:
            self._dataset, self._images = spec.dataset, self._loaded(spec)
        if self._images is None:
            return None
        order = np.argsort(self._images.ids)
        places = np.searchsorted(self._images.ids, ids, sorter=order)
        if (places >= len(order)).any() or not np.array_equal(self._images.ids[order[places]], ids):
            return None
        rows = order[places]
        return np.stack([np.asarray(self._images.images[row]) for row in rows]), self._images.class_names

    def _loaded(self, spec: RunSpec) -> ImageSet | None:
        try:
            train: ImageSet = spec.plugin("dataset").prepare(self.root).train
        except Exception:  # whatever it is, the run has met it, or the data have gone since: no picture, no harm
            return None
        return train
