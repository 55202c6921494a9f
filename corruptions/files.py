"""A noise record on disk: ``noise.json`` (what was asked, what came of it) beside ``noise.npz`` (every label)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.corrupted import CorruptedLabels
from corruptions.record import NoiseRecord
from corruptions.transitions import MAX_DENSE_CLASSES

JSON_NAME, NPZ_NAME = "noise.json", "noise.npz"
MAX_JSON_BYTES = 1 << 28
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
    cells = noise.transitions()
    arrays: dict[str, NDArray[np.generic]] = {name: getattr(noise, field) for name, field in _LABELS.items()}
    arrays |= {f"transitions_{name}": getattr(cells, name) for name in ("true", "given", "count")}
    for name in ("absorbed_into", "split_from"):
        if name in noise.record.details:
            arrays[name] = np.array(noise.record.details[name], dtype=np.int64).reshape(-1, 2)
    if noise.record.num_given_classes <= MAX_DENSE_CLASSES:
        arrays["transition_matrix"] = noise.transition_matrix()
    text = json.dumps(noise.record.to_json(), indent=1)
    return {JSON_NAME: text.encode(), NPZ_NAME: _npz(arrays)}


def read_noise(path: Path) -> CorruptedLabels:
    """Labels and record from ``noise.json``, from its folder, or from ``noise.npz``; nothing in them is executed.

    Every count and hash of the record is checked against the labels.

    Raises:
        RecordFileError: a file is missing, is not what it should be, or the two do not belong together.
    """
    if not path.exists():
        raise RecordFileError(f"{path} does not exist; a noise record is {JSON_NAME}, or the folder with it")
    folder = path if path.is_dir() else path.parent
    record = _record(folder / JSON_NAME)
    arrays = _labels(folder / NPZ_NAME, record.num_examples)
    try:
        noise = CorruptedLabels(**arrays, record=record)
        noise.verify()
    except ValueError as error:
        raise RecordFileError(f"{folder / NPZ_NAME} and {JSON_NAME} do not belong together: {error}") from None
    return noise


def _npz(arrays: dict[str, NDArray[np.generic]]) -> bytes:
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
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise RecordFileError(f"{path} must be at most {MAX_JSON_BYTES} bytes; got {size}")
        return NoiseRecord.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise RecordFileError(f"{path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise RecordFileError(f"{path} is not a noise record: it is nested too deeply") from None
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, RecordFileError):
            raise
        raise RecordFileError(f"{path} is not a noise record: {str(error).splitlines()[0]}") from None


def _labels(path: Path, num_examples: int) -> dict[str, NDArray[np.int64]]:
    """The three label arrays; a file that claims to hold more than the record says is not unpacked."""
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name, field in _LABELS.items():
                member = archive.getinfo(f"{name}.npy")
                if member.file_size > 8 * num_examples + _HEADER_BYTES:
                    raise RecordFileError(
                        f"{path}: {name} must hold {num_examples} labels; got {member.file_size} bytes"
                    )
                with archive.open(member) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                if array.shape != (num_examples,) or array.dtype != np.int64:
                    got = f"{array.dtype} of shape {array.shape}"
                    raise RecordFileError(f"{path}: {name} must be int64 of shape ({num_examples},); got {got}")
                arrays[field] = array
    except OSError as error:
        raise RecordFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError) as error:
        if isinstance(error, RecordFileError):
            raise
        raise RecordFileError(f"{path} is not a file of labels: {str(error).splitlines()[0]}") from None
    return arrays
