"""Many image files, or images that lie inside other files, to one array."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from noisylabels.data.decoding import UndecodableError, decode
from noisylabels.data.errors import DataError, and_more


class InMemory(io.BytesIO):
    """Bytes that answer the two questions ``decode`` asks of a path: how long they are, and what they are."""

    def stat(self) -> os.stat_result:
        return os.stat_result((0, 0, 0, 0, 0, 0, len(self.getbuffer()), 0, 0, 0))


def decode_all(
    sources: Iterable[tuple[str, Path | bytes]], count: int, *, size: int, grey: bool, where: str
) -> NDArray[np.uint8]:
    """Decode images one after another into one read-only array, each as ``decoding.decode`` does.

    Args:
        sources: what to call each image in a message, and its file or its encoded bytes.
        count: how many there are.
        size: side of the square images, pixels.
        grey: one channel rather than three.
        where: the folder or file they are in, for the message.

    Returns:
        uint8[count, C, size, size], C = 1 if ``grey`` else 3.

    Raises:
        DataError: images that cannot be decoded: the first by name and reason, the others by their number.
    """
    images = np.empty((count, 1 if grey else 3, size, size), dtype=np.uint8)
    failures: list[str] = []
    for row, (name, source) in enumerate(sources):
        readable = cast(Path, InMemory(source)) if isinstance(source, bytes) else source
        try:
            images[row] = decode(readable, size=size, grey=grey)
        except UndecodableError as error:
            failures.append(f"{name!r}: {error}")
    if failures:
        raise DataError(f"cannot use {failures[0]}{and_more(len(failures) - 1)} (in {where})")
    images.flags.writeable = False
    return images
