"""What ``corrupt`` reads and writes: labels of a data set in, record, tables and pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions import CorruptedLabels, Examples
from corruptions.files import JSON_NAME, noise_files
from corruptions.npy import npy_header
from noisylabels.atomic import write_atomically
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet
from noisylabels.problem import pose
from noisylabels.report.contact_sheet import contact_sheet
from noisylabels.report.noise_pictures import class_bars, transition_heat_map
from noisylabels.spec import RunSpec

MATRIX_CLASSES = 200


def corrupted(spec: RunSpec, root: Path, features: Path | None, *, download: bool) -> tuple[ImageSet, CorruptedLabels]:
    """The training images of a data set and their corrupted labels.

    Raises:
        MissingDataError, UsageError: the data set, the features or the corruption cannot be had.
    """
    if features is None:
        problem = pose(spec, root, download=download)
        return problem.splits.train, problem.noisy_train
    images = spec.plugin("dataset").prepare(root, download=download).train
    try:
        examples = with_features(images, features)
        return images, spec.plugin("corruption").apply_to(examples, seed=spec.noise_seed)
    except ValueError as error:
        raise UsageError(f"{error} (in {spec.short('corruption')!r} on {spec.short('dataset')!r})") from error


def with_features(images: ImageSet, path: Path) -> Examples:
    """The images' labels with embeddings from a file.

    Args:
        images: their ids are rows of the file.
        path: a ``.npy`` array of shape (rows, F); never unpickled.

    Raises:
        UsageError: not such a file, or it has no row for some image.
    """
    rows = _mapped(path)
    if rows.ndim < 2:
        raise UsageError(f"{path} must hold one array of shape (rows, F); got {rows.shape}")
    if len(rows) <= images.ids.max():
        raise UsageError(f"{path} must have a row for every image id, up to {images.ids.max()}; got {len(rows)} rows")
    return Examples.of(images.labels, images.num_classes, example_ids=images.ids, features=rows[images.ids])


def _mapped(path: Path) -> NDArray[Any]:
    """A ``.npy`` array as a read-only map of its file: a header that claims more than there is maps nothing."""
    try:
        if not path.is_file():
            raise UsageError(f"cannot read {path}: {'it is no file' if path.exists() else 'No such file or directory'}")
        with path.open("rb") as file:
            shape, fortran, dtype = npy_header(file)
            start = file.tell()
        return np.memmap(path, dtype, "r", start, shape, order="F" if fortran else "C")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is not a .npy array of numbers: {str(error).splitlines()[0]}") from None


def counted(labels: CorruptedLabels) -> str:
    """``192 of 959 training labels are wrong, 20.02%``, and how many are left out where some are."""
    record = labels.record
    left_out = f", {record.num_dropped} are left out" if record.num_dropped else ""
    kept = record.num_examples - record.num_dropped
    return f"{record.num_flipped} of {kept} training labels are wrong, {record.realised_rate:.2%}{left_out}"


def write_all(out: Path, images: ImageSet, labels: CorruptedLabels) -> list[str]:
    """Write record, tables and pictures to a folder, each whole or not at all; their names.

    What an earlier call left there is removed first, and ``noise.json`` comes last: with it, all is there.
    """
    files = {
        "labels.csv": _labels_csv(labels),
        "contact_sheet.png": contact_sheet(images, labels),
        "transition_matrix.png": transition_heat_map(labels, images.class_names),
        "wrong_by_class.png": class_bars(labels, images.class_names),
    }
    if labels.record.num_given_classes <= MATRIX_CLASSES:
        files["transition_matrix.csv"] = _matrix_csv(labels.transition_matrix())
    files |= noise_files(labels)
    if out.is_dir():
        for name in (JSON_NAME, "transition_matrix.csv", *files):
            (out / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_atomically(out / name, content)
    return list(files)


def _labels_csv(labels: CorruptedLabels) -> bytes:
    """One line an example; given label -1 and is_kept 0 where it is left out."""
    columns = (labels.ids, labels.true, labels.given, labels.is_flipped.astype(int), labels.is_kept.astype(int))
    lines = [",".join(map(str, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return "\n".join(["id,true_label,given_label,is_flipped,is_kept", *lines, ""]).encode()


def _matrix_csv(matrix: NDArray[np.float64]) -> bytes:
    """Rows are true classes, columns given labels; by number, since a class may be named like a formula."""
    head = ",".join(["true_label", *(str(k) for k in range(matrix.shape[1]))])
    lines = [",".join([str(k), *(f"{share:.6f}" for share in row)]) for k, row in enumerate(matrix)]
    return "\n".join([head, *lines, ""]).encode()
