"""Files of human labels (CIFAR-10N, CIFAR-100N), read without executing anything in them."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.label_pickle import PickledArray, integers, read_pickle
from corruptions.npy import npy_header, unpacked

MAX_BYTES = 1 << 27
"""Of the file, and of what it unpacks to. The published files have 2.4 MB."""

MAX_LABELS = 10_000_000
"""Over all label sets of a file."""

_MAX_MEMBERS = 1_000
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_VERSION = 1001


class LabelFileError(ValueError):
    """A file that is not the label file it should be; one sentence with the file's name."""


def read_annotations(path: Path | str) -> dict[str, NDArray[np.int64]]:
    """Label sets by the names they have in the file, each int64, shape (A,), indexed by the official image order.

    Reads what ``torch.save`` makes of a dict of NumPy arrays, as a zip file or in the older form without, and ``.npz``
    files. A pickle can run any code when it is loaded, so none ever is: its opcodes are walked by a small machine that
    knows dicts and arrays of integers, and refuses all else.

    Args:
        path: ``CIFAR-10_human.pt`` has ``clean_label``, ``aggre_label``, ``random_label1`` to ``3`` and
            ``worse_label``; ``CIFAR-100_human.pt`` has ``clean_label`` and ``noisy_label``, and coarse ones.

    Raises:
        LabelFileError: the file is missing, too large, cut short, holds anything but one-dimensional integer arrays, or
            its label sets are not equally long.

    Reference: Wei et al., Learning with noisy labels revisited, ICLR 2022; files from noisylabels.com.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/labels.npz", clean_label=[0, 1, 1], worse_label=[0, 1, 0])
    ...     read_annotations(f"{folder}/labels.npz")["worse_label"].tolist()
    [0, 1, 0]
    """
    path = Path(path)
    try:
        content = _content(path)
        sets = _zipped(content) if content.startswith(b"PK") else _unzipped(content)
        return _checked(sets)
    except OSError as error:
        raise LabelFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as error:
        # what zipfile raises of a damaged file; NotImplementedError is its word for a zip version it does not read
        raise LabelFileError(f"{path} is not a label file: it must be a whole zip file; {_one_line(error)}") from None
    except ValueError as error:
        raise LabelFileError(f"{path} is not a label file: {_one_line(error)}") from None


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError("it must be a file; got something else")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise ValueError(f"it must have 1 to {MAX_BYTES:,} bytes; got {size:,}")
    return path.read_bytes()


def _unzipped(content: bytes) -> dict[str, NDArray[np.integer]]:
    """The older form of ``torch.save``: five pickles in a row, the fourth is the value, the fifth lists tensors."""
    stream = io.BytesIO(content)
    for name, expected in (("magic number", _TORCH_MAGIC), ("version", _TORCH_VERSION)):
        got = read_pickle(stream, max_bytes=MAX_BYTES)
        if type(got) is not int or got != expected:
            raise ValueError(f"it must be a zip file or begin with the {name} of torch.save; got neither")
    read_pickle(stream, max_bytes=MAX_BYTES)  # sizes of numbers on the machine that wrote it
    value = read_pickle(stream, max_bytes=MAX_BYTES)
    tensors = read_pickle(stream, max_bytes=MAX_BYTES)
    if tensors != [] or stream.tell() != len(content):
        raise ValueError("it must end after its pickles, without tensors; got more")
    return _arrays(value)


def _zipped(content: bytes) -> dict[str, NDArray[np.integer]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise ValueError(f"it must have at most {_MAX_MEMBERS:,} members; got {len(members):,}")
        pickles = [member for member in members if member.filename.split("/")[-1] == "data.pkl"]
        if len(pickles) == 1:
            stream = io.BytesIO(unpacked(archive, pickles[0], MAX_BYTES))
            value = read_pickle(stream, max_bytes=MAX_BYTES)
            if stream.read(1):
                raise ValueError("data.pkl must end after its pickle; got more")
            return _arrays(value)
        names = [member.filename.removesuffix(".npy") for member in members]
        if pickles or not all(member.filename.endswith(".npy") for member in members) or len(set(names)) < len(names):
            raise ValueError(
                f"it must have one data.pkl, or .npy members of different names; got {len(pickles)} data.pkl"
            )
        if sum(member.file_size for member in members) > MAX_BYTES:
            raise ValueError(f"it must unpack to at most {MAX_BYTES:,} bytes; got more")
        return {name: _npy(unpacked(archive, member, MAX_BYTES)) for name, member in zip(names, members, strict=True)}


def _npy(content: bytes) -> NDArray[np.integer]:
    stream = io.BytesIO(content)
    shape, _, dtype = npy_header(stream)
    return integers(content[stream.tell() :], dtype, shape)


def _arrays(value: object) -> dict[str, NDArray[np.integer]]:
    if not isinstance(value, dict):
        raise ValueError("it must hold a dict of arrays; got another value")
    unfit = [key for key, item in value.items() if not isinstance(item, PickledArray) or item.values is None]
    if unfit:
        raise ValueError(f"its values must all be arrays; got something else at {str(unfit[0])[:60]!r}")
    return {key: item.values for key, item in value.items()}


def _checked(sets: dict[str, NDArray[np.integer]]) -> dict[str, NDArray[np.int64]]:
    sizes = sorted({len(labels) for labels in sets.values()})
    if len(sizes) != 1:
        raise ValueError(f"its label sets must be equally long, at least one set; got lengths {sizes[:5]}")
    if len(sets) * sizes[0] > MAX_LABELS:
        raise ValueError(f"it must hold at most {MAX_LABELS:,} labels; got {len(sets) * sizes[0]:,}")
    for name, labels in sets.items():
        if labels.dtype.kind == "u" and labels.max() > np.iinfo(np.int64).max:
            raise ValueError(f"labels must be below 2^63; got {labels.max()} in {name[:60]!r}")
    return {name: labels.astype(np.int64) for name, labels in sets.items()}


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
