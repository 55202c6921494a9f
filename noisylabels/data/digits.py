"""The data set that needs no download: scikit-learn's handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np

from noisylabels.data.dataset import TEST_SEED, Dataset
from noisylabels.data.images import ImageSet
from noisylabels.data.selection import share_of, smallest_draws

_TEST_SHARE = Fraction(1, 3)
_BRIGHTEST = 16  # the source counts inked pixels in 4x4 blocks


@dataclass(frozen=True, kw_only=True)
class Digits(Dataset):
    """1,797 real handwritten digits, 8x8 grey; comes with scikit-learn, trains in seconds.

    Intensities 0..16 are scaled to uint8 as round(x * 255 / 16); images stay (1, 8, 8). The id is the row in
    scikit-learn's copy. The test set is fixed, a third of each class by smallest draw (stream ``test``), 599 images:

        digit            0    1    2    3    4    5    6    7    8    9    all
        training pool  119  121  118  122  121  121  121  119  116  120   1198
        test            59   61   59   61   60   61   60   60   58   60    599

    The source's own split was by writer, which its published copy no longer shows: writers may be on both sides here.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49, CC BY 4.0; the copy in ``sklearn.datasets.load_digits`` is that repository's test file.
    """

    kind: ClassVar[str] = "digits"

    validation: float = 0.2

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        from sklearn.datasets import load_digits

        source = load_digits()
        pixels = np.round(source.images * (255 / _BRIGHTEST)).astype(np.uint8)
        names = tuple(str(name) for name in source.target_names)
        labels = source.target.astype(np.int64)
        everything = ImageSet(pixels[:, np.newaxis], labels, np.arange(labels.size), names)
        counts = share_of(everything.class_sizes(), _TEST_SHARE)
        is_test = smallest_draws(labels, everything.ids, counts, seed=TEST_SEED, purpose="test")
        return everything.take(~is_test), everything.take(is_test)
