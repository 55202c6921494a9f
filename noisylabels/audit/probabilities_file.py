"""Numbers of the user's, a row an image: ``.npy`` or ``.npz``, never unpickled."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.npy import npy_header, unpacked
from noisylabels.catalog import UsageError

MAX_UNPACKED = 1 << 36
"""Bytes that a ``.npz`` may unpack to."""


def rows_of(path: Path, ids: NDArray[np.int64], *, columns: int | None = None) -> NDArray[Any]:
    """The row of each image, ``(N, columns)``, of the file's own type; mapped, not read, where it is a ``.npy``.

    A file of exactly N rows has them in the order of the images; one of more rows has that of an image at its id.

    Args:
        path: a ``.npy`` array, or a ``.npz`` with one.
        ids: of the N images, ascending.
        columns: how many there must be; any number where None.

    Raises:
        UsageError: no such file, not an array of numbers in two dimensions, another number of columns, or no row for
            some image.
    """
    array = _array(path)
    if array.ndim != 2 or columns not in (None, array.shape[1]):
        wanted = "columns" if columns is None else f"{columns}"
        raise UsageError(f"{path} must hold one array of shape (rows, {wanted}); got {array.shape}")
    if len(array) == len(ids):
        return array
    if len(array) <= ids.max():
        raise UsageError(
            f"{path} must have {len(ids)} rows, one an image, or one for every image id up to {ids.max()}; "
            f"got {len(array)}"
        )
    return np.asarray(array[ids])


def _array(path: Path) -> NDArray[Any]:
    try:
        if not path.is_file():
            raise UsageError(f"cannot read {path}: {'it is no file' if path.exists() else 'No such file or directory'}")
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                return _zipped(path)
            file.seek(0)
            shape, fortran, dtype = npy_header(file)
            start = file.tell()
        return np.memmap(path, dtype, "r", start, shape, order="F" if fortran else "C")
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, OverflowError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UsageError(f"{path} is not an array of numbers (nothing in it was executed): {_line(error)}") from None


def _zipped(path: Path) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1 or not members[0].filename.endswith(".npy"):
            raise ValueError(f"a .npz must have one .npy array; got {len(members)} members")
        stream = io.BytesIO(unpacked(archive, members[0], MAX_UNPACKED))
    shape, fortran, dtype = npy_header(stream)
    numbers = stream.read()
    if len(numbers) != dtype.itemsize * int(np.prod(shape, dtype=object)):
        raise ValueError(f"it must have as many numbers as its shape {shape} says")
    return np.frombuffer(numbers, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
