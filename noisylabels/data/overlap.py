"""What two sources of images share: people by name, the same files, the same pictures, nearly the same pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisylabels.data.compared import Compared
from noisylabels.data.errors import DataError
from noisylabels.data.near_duplicates import DETAIL_SIDE, SIDE, best_matches

SIMILARITY = 0.93
"""Of near duplicates, at least. Of 13,233 aligned faces of LFW the pairs of different names that reach it are the three
photographs which LFW holds twice under two names; the next pair has 0.915."""

DEFAULT_SIDE = 112


@dataclass(frozen=True)
class Match:
    """An image of the first source and one of the second.

    Attributes:
        first, second: rows of the sources.
        score: their similarity; 1 where they are the same.
    """

    first: int
    second: int
    score: float = 1.0


@dataclass(frozen=True)
class Overlap:
    """What two sources share. Of each image of the first source the best match counts, so there are at most N matches.

    Attributes:
        side, grey: how pixels were compared.
        people: names that both have, sorted, compared as they are written.
        same_files: images whose files are equal byte for byte.
        same_pixels: images with equal pixels whose files differ, or that have no file.
        near: images that are neither and have a near duplicate, best first.
        unreadable: how many images of either source could not be decoded, and were not compared.
    """

    side: int
    grey: bool
    people: tuple[str, ...]
    same_files: tuple[Match, ...]
    same_pixels: tuple[Match, ...]
    near: tuple[Match, ...]
    unreadable: tuple[int, int]


def overlap(
    first: Compared, second: Compared, *, side: int | None = None, similarity: float = SIMILARITY, cuts: bool = False
) -> Overlap:
    """Compare two sources.

    Args:
        first, second: the sources.
        side: at which pixels are compared; None for that of the source which has a fixed one, the smaller of two such,
            or 112. Pictures of two sources that were scaled differently before cannot be equal: then nearness tells.
        similarity: that near duplicates have at least, as ``best_matches``.
        cuts: whether to look for cut-outs, too.

    Raises:
        UsageError: ``similarity`` is out of its range.
        DataError: none of a source's images could be decoded.
    """
    fixed = [source.side for source in (first, second) if source.side is not None]
    side = side or min(fixed, default=DEFAULT_SIDE)
    grey = first.grey or second.grey
    ours, theirs = (_looked_at(s, side, grey, DETAIL_SIDE if cuts else SIDE) for s in (first, second))
    files = _equal(ours.files, theirs.files)
    pixels = {row: other for row, other in _equal(ours.pixels, theirs.pixels).items() if row not in files}
    left = np.array([row for row in range(len(first)) if row not in files and row not in pixels and ours.pixels[row]])
    near: list[Match] = []
    if left.size:
        there = np.array([row for row, digest in enumerate(theirs.pixels) if digest])
        found = best_matches(ours.thumbnails[left], theirs.thumbnails[there], threshold=similarity, cuts=cuts)
        hits = np.flatnonzero(found.rows >= 0)
        near = [Match(int(left[h]), int(there[found.rows[h]]), round(float(found.scores[h]), 4)) for h in hits]
    return Overlap(
        side,
        grey,
        tuple(sorted(set(first.names) & set(second.names))),
        tuple(Match(row, other) for row, other in files.items()),
        tuple(Match(row, other) for row, other in pixels.items()),
        tuple(sorted(near, key=lambda match: (-match.score, match.first))),
        (ours.pixels.count(b""), theirs.pixels.count(b"")),
    )


@dataclass(frozen=True, eq=False)
class _Looked:
    """Of each image: hashes of file and pixels, empty where there are none, and a grey thumbnail."""

    files: list[bytes]
    pixels: list[bytes]
    thumbnails: NDArray[np.uint8]


def _looked_at(source: Compared, side: int, grey: bool, thumbnail: int) -> _Looked:
    files, pixels = [], []
    thumbnails = np.zeros((len(source), thumbnail, thumbnail), dtype=np.uint8)
    for row, (image, digest) in enumerate(source.look(side, grey)):
        files.append(digest or b"")
        pixels.append(b"" if image is None else hashlib.sha256(image.data).digest())
        if image is not None:
            picture = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).convert("L")
            thumbnails[row] = np.asarray(picture.resize((thumbnail, thumbnail), Image.Resampling.BOX))
    if not any(pixels):
        raise DataError(f"{source.text}: none of its {len(source)} images can be decoded")
    return _Looked(files, pixels, thumbnails)


def _equal(first: list[bytes], second: list[bytes]) -> dict[int, int]:
    """Rows of the first with an equal hash in the second, and the first row there."""
    row_of: dict[bytes, int] = {}
    for row, digest in enumerate(second):
        row_of.setdefault(digest, row)
    return {row: row_of[digest] for row, digest in enumerate(first) if digest and digest in row_of}
