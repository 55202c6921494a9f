"""``.npy`` arrays from files nobody vouches for: nothing is unpickled, and no more is read than the file has."""

from __future__ import annotations

import io
import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is in Fortran order, and dtype; the stream is left at the first byte of the numbers.

    Raises:
        ValueError: not a whole header of version 1 or 2, or of numbers that are no numbers.
    """
    try:
        shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception:  # whatever a broken header brings up in NumPy's parser, of Python literals only
        raise ValueError("a .npy array must be of version 1 or 2 with a whole header; got another one") from None
    if dtype.kind not in "iuf" or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"a .npy array must hold integers or floats; got {dtype} of shape {shape}")
    return shape, fortran, dtype


def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """The bytes of a member, never more than it says, which is never more than the limit.

    Raises:
        ValueError: larger than the limit or than it says, encrypted, or packed in another way than deflated.
        zlib.error, EOFError, zipfile.BadZipFile: damaged.
    """
    if member.file_size > max_bytes:
        raise ValueError(f"a member must unpack to at most {max_bytes:,} bytes; got {member.file_size:,}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise ValueError("members must be stored or deflated and not encrypted; got another one")
    with archive.open(member) as file:
        content = file.read(member.file_size)
    if len(content) != member.file_size:
        raise ValueError(f"a member must have the {member.file_size} bytes it says; got {len(content)}")
    return content


def array_like(content: bytes, wanted: NDArray[Any]) -> NDArray[Any]:
    """The array of a ``.npy`` member that must have the shape and dtype of another one, without a second copy.

    Raises:
        ValueError: another shape, dtype or length.
    """
    stream = io.BytesIO(content)
    shape, fortran, dtype = npy_header(stream)
    if shape != wanted.shape or dtype != wanted.dtype or (fortran and len(shape) > 1):
        raise ValueError(f"it must be {wanted.dtype} of shape {wanted.shape}; got {dtype} of shape {shape}")
    numbers = content[stream.tell() :]
    if len(numbers) != wanted.nbytes:
        raise ValueError(f"it must have {wanted.nbytes} bytes of numbers; got {len(numbers)}")
    return np.frombuffer(numbers, dtype=dtype).reshape(shape)
