"""insightface's ``.bin`` verification sets, such as ``lfw.bin`` and ``cfp_fp.bin``, read without a pickle's powers.

A file is a pickle of (list of 2N encoded images, list of N truth values): pair i is of the images 2i and 2i + 1.

Source: insightface ``lfw2pack.py`` and ``verification.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.bin_pickle import read_lists
from noisylabels.data.encoded import decode_all
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.pairs import VerificationPairs, contiguous_folds
from noisylabels.data.verification import VerificationSet

MAX_BYTES = 4 * 2**30
"""The largest published file has 0.2 GiB."""


def read_bin(path: Path) -> tuple[tuple[bytes, ...], NDArray[np.bool_]]:
    """The 2N encoded images and the N truth values of a ``.bin`` file. Nothing in it is executed.

    Raises:
        MissingDataError: no such file.
        DataError: the file holds anything else than those, and be it only a call that Python's own reader would make.
    """
    if not path.is_file():
        raise MissingDataError(f"no verification set at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: must have at most {MAX_BYTES:,} bytes; got {path.stat().st_size:,}")
    try:
        return _checked(read_lists(path.read_bytes()))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def write_bin(path: Path, images: Sequence[bytes], is_same: Sequence[bool]) -> None:
    """Write a ``.bin`` file that insightface reads: protocol 3, with bytes and booleans only.

    Raises:
        DataError: not two images a truth value, no pair, or an empty image.
    """
    _checked((list(images), list(is_same)))
    with path.open("wb") as stream:
        stream.write(b"\x80\x03](")
        for image in images:
            stream.write(b"B" + struct.pack("<I", len(image)) + image)
        stream.write(b"e](" + b"".join(b"\x88" if same else b"\x89" for same in is_same) + b"e\x86.")


def bin_verification(path: Path, *, size: int = 112, grey: bool = False, folds: int = 10) -> VerificationSet:
    """A ``.bin`` file, decoded: images in pair order, ``contiguous_folds``, and nothing on whom they show.

    Args:
        path: the file.
        size: side of the square images, pixels.
        grey: one channel rather than three.
        folds: of the pairs.

    Raises:
        MissingDataError, DataError: as ``read_bin``; also for an image that cannot be decoded.
    """
    images, is_same = read_bin(path)
    sources = ((f"image {number}", image) for number, image in enumerate(images))
    rows = np.arange(len(images))
    pairs = VerificationPairs(rows[::2], rows[1::2], is_same, contiguous_folds(len(is_same), folds))
    decoded = decode_all(sources, len(images), size=size, grey=grey, where=str(path))
    return VerificationSet(decoded, rows, None, (), pairs, published=len(pairs))


def _checked(value: object) -> tuple[tuple[bytes, ...], NDArray[np.bool_]]:
    if not (isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], tuple | list)):
        raise DataError("must be a pair of a list of images and a list of truth values; got something else")
    images = tuple(_image(number, image) for number, image in enumerate(value[0]))
    is_same = _truth_values(value[1])
    if len(images) != 2 * len(is_same) or not images:
        raise DataError(
            f"must have two images for each truth value, one pair at least; got {len(images)} and {len(is_same)}"
        )
    return images, is_same


def _image(number: int, image: object) -> bytes:
    content = image.tobytes() if isinstance(image, np.ndarray) and image.dtype == np.uint8 else image
    if not isinstance(content, bytes) or not content:
        raise DataError(f"image {number} must be encoded bytes; got {type(content).__name__ if content else 'none'}")
    return content


def _truth_values(values: object) -> NDArray[np.bool_]:
    if isinstance(values, np.ndarray):
        if values.dtype != np.bool_:
            raise DataError(f"truth values must be booleans; got {values.dtype}")
        return values
    if not isinstance(values, list | tuple):
        raise DataError(f"truth values must be a list; got {type(values).__name__}")
    for number, value in enumerate(values):
        if not isinstance(value, bool | np.bool_) and not (isinstance(value, int) and value in (0, 1)):
            raise DataError(f"truth value {number} must be true or false; got {type(value).__name__}")
    return np.array(values, dtype=np.bool_)
