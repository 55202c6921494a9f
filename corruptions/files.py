"""A noise record on disk: ``noise.json`` (what was asked, what came of it) beside ``noise.npz`` (every label)."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.checks import checked_ids
from corruptions.corrupted import CorruptedLabels
from corruptions.npy import array_like, unpacked
from corruptions.record import NoiseRecord
from corruptions.transitions import MAX_DENSE_CLASSES

JSON_NAME, NPZ_NAME = "noise.json", "noise.npz"
MAX_JSON_BYTES = 1 << 26
MAX_EXAMPLES = 50_000_000
"""A record of more is not read: what it unpacks to is bounded by what it says."""

_HEADER_BYTES = 4096
_LABELS = {"ids": "ids", "true_labels": "true", "given_labels": "given"}
"""Name of an array in the file to the attribute it is read back to."""


class RecordFileError(ValueError):
    """A file that is not the noise record it should be; one sentence with the file's name."""


def noise_files(noise: CorruptedLabels) -> dict[str, bytes]:
    """Name to content of the two files.

    ``noise.json`` is ``NoiseRecord.to_json``. ``noise.npz`` has, per example, ``ids``, ``true_labels`` and
    ``given_labels`` (int64; -1 is left out); the flip counts by cell ``transitions_true``, ``transitions_given``,
    ``transitions_count``; the identity maps ``absorbed_into`` (absorbed, absorber) and ``split_from`` (new label,
    identity), shape (n, 2); and, up to 1,000 classes, ``transition_matrix``, float64 (K, K'). The same labels give the
    same bytes.
    """
    text = json.dumps(noise.record.to_json(), indent=1)
    return {NPZ_NAME: _npz(_labels_of(noise) | _counted_from(noise)), JSON_NAME: text.encode()}


def read_noise(path: Path) -> CorruptedLabels:
    """Labels and record from ``noise.json``, from its folder, or from ``noise.npz``; nothing in them is executed.

    Counts and hashes of the labels, and every array that follows from them, are made again and compared. What the
    labels do not tell (the request, the features' hash, the records of the steps, most details) is taken as it stands:
    ``noisylabels corrupt verify`` follows the recipe for that.

    Raises:
        RecordFileError: a file is missing, is not what it should be, or the two do not belong together.
    """
    if not path.exists():
        raise RecordFileError(f"{path} does not exist; a noise record is {JSON_NAME}, or the folder with it")
    folder = path if path.is_dir() else path.parent
    record = _record(folder / JSON_NAME)
    try:
        return _verified(_file(folder / NPZ_NAME, 64 * record.num_examples + MAX_JSON_BYTES), record)
    except OSError as error:
        raise RecordFileError(f"{folder / NPZ_NAME} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as error:
        # what zipfile raises of a damaged file; NotImplementedError is its word for a zip version it does not read
        raise RecordFileError(f"{folder / NPZ_NAME} is not a file of labels: {_one_line(error)}") from None
    except ValueError as error:
        raise RecordFileError(
            f"{folder / NPZ_NAME} and {JSON_NAME} do not belong together: {_one_line(error)}"
        ) from None


def _labels_of(noise: CorruptedLabels) -> dict[str, NDArray[Any]]:
    return {name: getattr(noise, field) for name, field in _LABELS.items()}


def _counted_from(noise: CorruptedLabels) -> dict[str, NDArray[Any]]:
    """The arrays that follow from labels and record."""
    cells = noise.transitions()
    arrays: dict[str, NDArray[Any]] = {
        f"transitions_{name}": getattr(cells, name) for name in ("true", "given", "count")
    }
    for name in ("absorbed_into", "split_from"):
        if name in noise.record.details:
            arrays[name] = np.array(noise.record.details[name], dtype=np.int64).reshape(-1, 2)
    if noise.record.num_given_classes <= MAX_DENSE_CLASSES:
        arrays["transition_matrix"] = noise.transition_matrix()
    return arrays


def _npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    """``np.savez_compressed`` without the time of day, so that equal arrays are equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(member, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def _record(path: Path) -> NoiseRecord:
    try:
        return NoiseRecord.from_json(json.loads(_file(path, MAX_JSON_BYTES)))
    except OSError as error:
        raise RecordFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except RecursionError:
        raise RecordFileError(f"{path} is not a noise record: it is nested too deeply") from None
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise RecordFileError(f"{path} is not a noise record: {_one_line(error)}") from None


def _file(path: Path, max_bytes: int) -> bytes:
    """Its content; a device or a pipe, whose end never comes, is no file."""
    if path.exists() and not path.is_file():
        raise ValueError("it must be a file; got something else")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it must have at most {max_bytes:,} bytes; got more")
    return content


def _verified(content: bytes, record: NoiseRecord) -> CorruptedLabels:
    """Labels from the content of an ``.npz``; a file that holds more than the record says is not unpacked."""
    if record.num_examples > MAX_EXAMPLES:
        raise ValueError(f"a record must have at most {MAX_EXAMPLES:,} examples; got {record.num_examples:,}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}

        def array(name: str, wanted: NDArray[Any]) -> NDArray[Any]:
            if (member := members.get(f"{name}.npy")) is None:
                raise ValueError(f"{name} is missing")
            try:
                return array_like(unpacked(archive, member, wanted.nbytes + _HEADER_BYTES), wanted)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

        wanted = np.broadcast_to(np.int64(0), record.num_examples)
        noise = CorruptedLabels(**{field: array(name, wanted) for name, field in _LABELS.items()}, record=record)
        checked_ids(noise.ids, record.num_examples)
        noise.verify()
        for name, expected in _counted_from(noise).items():
            if not np.array_equal(array(name, expected), expected):
                raise ValueError(f"{name} does not follow from the labels")
    return noise


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
