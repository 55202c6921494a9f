"""The end of a pack: the array cut to what it holds, every image compared, and the index written last."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from noisylabels.atomic import write_atomically
from noisylabels.data.errors import DataError, and_more
from noisylabels.data.pack_journal import PackingError, PackProgress, Remark, write_at
from noisylabels.data.pack_source import PackSource
from noisylabels.data.packed_files import ARRAYS, ERRORS, FORMAT, IMAGES, INDEX, VERSION, PackedIndex


def finish(
    out: Path, progress: PackProgress, source: PackSource, shape: tuple[int, int, int], *, skip: bool
) -> dict[str, Any]:
    """Write what makes a folder of images a store; the content of ``index.json``. Doing it again changes nothing.

    Args:
        out: the folder, with all images of ``progress`` in ``images.npy``.
        progress: the whole source, looked at.
        source: what was packed.
        shape: C, H and W.
        skip: whether images that cannot be used are left out, or fail the pack.

    Raises:
        DataError: there are such images and they are not to be left out, or there are no others.
        PackingError: an image on the disk is not the one that was written.
    """
    remarks = _lines(progress.remarks, source.image_names)
    skipped = [remark for remark in progress.remarks if remark.skipped]
    if skipped and not (skip and progress.source_rows):
        write_atomically(out / ERRORS, remarks)
        first = f"{source.image_names[skipped[0].source_row]!r}: {skipped[0].text}"
        advice = "--errors skip --resume leaves them out" if progress.source_rows else "there is no other image"
        raise DataError(f"cannot use {first}{and_more(len(skipped) - 1)}; all are in {out / ERRORS}; {advice}")
    digest = _cut_and_hash(out / IMAGES, progress, len(source), shape)
    arrays = _index(progress, source).to_npz()
    about = {
        "format": FORMAT,
        "version": VERSION,
        "count": len(progress.source_rows),
        "shape": list(shape),
        "classes": len(source.faces.names),
        "source": source.kind,
        "skipped": len(skipped),
        "converted": len({remark.source_row for remark in progress.remarks if not remark.skipped}),
        "images_sha256": digest,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
        "errors_sha256": hashlib.sha256(remarks).hexdigest(),
    }
    write_atomically(out / ERRORS, remarks)
    write_atomically(out / ARRAYS, arrays)
    write_atomically(out / INDEX, json.dumps(about, indent=1).encode() + b"\n")
    return about


def header(count: int, shape: tuple[int, int, int]) -> bytes:
    """What ``np.save`` begins such an array with: as long whatever the count, as NumPy leaves it room to grow."""
    stream = io.BytesIO()
    values = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(stream, values)
    return stream.getvalue()


def _lines(remarks: list[Remark], names: tuple[str, ...]) -> bytes:
    lines = ({"image": names[r.source_row], "skipped": r.skipped, "reason": r.text} for r in remarks)
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _cut_and_hash(path: Path, progress: PackProgress, room: int, shape: tuple[int, int, int]) -> str:
    """Give the array the shape of what it holds, and read it once: SHA-256 of the file, each image compared."""
    count, offset, image_bytes = len(progress.source_rows), len(header(room, shape)), int(np.prod(shape))
    with path.open("r+b") as file:
        write_at(file.fileno(), header(count, shape), 0, path)
        os.ftruncate(file.fileno(), offset + count * image_bytes)
        os.fsync(file.fileno())
        digest = hashlib.sha256(file.read(offset))
        for row, wanted in enumerate(progress.pixel_sha256):
            image = file.read(image_bytes)
            if hashlib.sha256(image).hexdigest() != wanted:
                raise PackingError(f"{path}: row {row} is not what was written; remove the folder and pack anew")
            digest.update(image)
    return digest.hexdigest()


def _index(progress: PackProgress, source: PackSource) -> PackedIndex:
    rows = np.array(progress.source_rows, dtype=np.int64)
    pixels, files = (
        np.frombuffer(bytes.fromhex("".join(digests)), dtype=np.uint8).reshape(-1, 32)
        for digests in (progress.pixel_sha256, progress.file_sha256)
    )
    names = tuple(source.image_names[row] for row in progress.source_rows)
    faces = source.faces
    return PackedIndex(faces.people[rows], faces.ids[rows], faces.keys[rows], pixels, files, faces.names, names)
