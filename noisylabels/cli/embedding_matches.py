"""Images of two sources whose embeddings are close: what a model takes for the same face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.catalog import UsageError
from noisylabels.data.compared import Compared
from noisylabels.data.overlap import Match
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.search import nearest_in_gallery


def embedding_matches(sources: tuple[Compared, Compared], paths: tuple[Path, Path], threshold: float) -> list[Match]:
    """Of every image of the first source the image of the second with the highest cosine, where that is high enough.

    Args:
        sources: whose images the rows of the files are, in that order.
        paths: two ``.npy`` files, float (N, D) and (M, D), never unpickled.
        threshold: cosine, in [-1, 1].

    Returns:
        Matches, the highest cosine first.

    Raises:
        UsageError: a file is not such an array, or the threshold is out of its range.
    """
    if not -1 <= threshold <= 1:
        raise UsageError(f"--threshold must be a cosine in [-1, 1]; got {threshold}")
    probes, gallery = (_embeddings(path, source) for path, source in zip(paths, sources, strict=True))
    try:
        nearest = nearest_in_gallery(gallery, probes, 1)
    except (ValueError, Undefined) as error:
        raise UsageError(f"{paths[0]} and {paths[1]} cannot be compared: {error}") from None
    scores = nearest.scores[:, 0]
    hits = np.flatnonzero(scores >= threshold)
    order = hits[np.lexsort((hits, -scores[hits]))]
    return [Match(int(row), int(nearest.rows[row, 0]), round(float(scores[row]), 4)) for row in order]


def _embeddings(path: Path, source: Compared) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise UsageError(f"{path} is not a .npy array of numbers: {str(error).splitlines()[0]}") from None
    shape = getattr(array, "shape", None)
    if shape is None or array.dtype.kind != "f" or len(shape) != 2 or shape[0] != len(source):
        got = f"{array.dtype} of shape {shape}" if shape is not None else type(array).__name__
        raise UsageError(f"{path} must hold floats (N, D) with a row for each of {len(source)} images; got {got}")
    found: NDArray[Any] = array
    return found
