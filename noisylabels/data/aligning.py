"""Align a folder of photographs by landmarks that somebody has found on them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from noisylabels.atomic import write_atomically
from noisylabels.data.alignment import INSIGHTFACE, SPHEREFACE, Aligner, Template
from noisylabels.data.decoding import UndecodableError, open_image
from noisylabels.data.errors import DataError
from noisylabels.data.tree import read_tree

TEMPLATES: dict[str, Template] = {"112x112": INSIGHTFACE, "112x96": SPHEREFACE}
"""Height x width of the crop to its template."""

ERRORS = "errors.jsonl"


@dataclass(frozen=True)
class Aligned:
    """How many photographs were aligned, were there already, and could not be."""

    done: int
    already: int
    failed: int


def align_folder(
    source: Path, out: Path, aligner: Aligner, *, on_photograph: Callable[[int, int], None] = lambda done, of: None
) -> Aligned:
    """Write an aligned crop of each photograph of ``source`` to ``out``, under the same name as a PNG file.

    Crops that are there already are left alone, so an interrupted call goes on. Photographs that cannot be aligned are
    listed with the reason in ``errors.jsonl``.

    Args:
        source: ``<identity>/<photograph>``.
        out: another folder.
        aligner: is told each photograph's path below ``source``.
        on_photograph: told how many are done, of how many.

    Raises:
        DataError: ``out`` is ``source`` or lies in it, or the source has no photograph.
        OSError: a crop cannot be written.
    """
    if out.resolve().is_relative_to(source.resolve()):
        raise DataError(f"crops must go to another folder than {source}; got {out}")
    tree = read_tree(source)
    done, already, failed = 0, 0, []
    for number, file in enumerate(tree.files, start=1):
        crop = out / Path(file.name).with_suffix(".png")
        if crop.exists():
            already += 1
        else:
            try:
                _write(crop, aligner.align(file.name, open_image(Path(tree.root) / file.name)))
                done += 1
            except (DataError, UndecodableError) as error:
                failed.append({"image": file.name, "reason": str(error)})
        on_photograph(number, len(tree.files))
    if failed:
        write_atomically(out / ERRORS, "".join(json.dumps(one) + "\n" for one in failed).encode())
    return Aligned(done, already, len(failed))


def _write(path: Path, image: Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_atomically(path, buffer.getvalue())
