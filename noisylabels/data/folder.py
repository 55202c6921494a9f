"""Any labelled images of the user's: one folder a class."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from noisylabels.catalog import UsageError, parameters_of
from noisylabels.data.dataset import TEST_SEED, Dataset, data_root
from noisylabels.data.decoding import UndecodableError, decode
from noisylabels.data.errors import DataError, and_more
from noisylabels.data.images import ImageSet
from noisylabels.data.selection import share_of, smallest_draws
from noisylabels.data.tree import ImageFile, ImageTree, read_tree


@dataclass(frozen=True, kw_only=True)
class Folder(Dataset):
    """Your own images: <root>/<class>/<image>, or <root>/train/... and <root>/test/... where the split is yours.

    Folder names are the class names, verbatim and sorted. An image's id is its place in the sorted relative paths,
    training images first. All images are decoded into memory: N * C * size^2 bytes.

    Attributes:
        root: the folder; a relative path starts at the data folder.
        content: the first 16 hex digits of the SHA-256 over all relative names and file bytes. A run's spec always has
            it, filled in when the spec is made: run ids hold it in place of the path, and a folder that has changed
            since is refused.
        size: side of the square images, pixels.
        grey: one channel (luma) rather than RGB.
        test: share of each class kept for testing where the folder itself has no ``test/``; rounded as ``validation``
            is. The choice hangs on each image's relative path alone, so adding images does not reshuffle it.
    """

    kind: ClassVar[str] = "folder"

    root: str
    content: str = ""
    size: int = 32
    grey: bool = False
    test: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.size <= 1024:
            raise UsageError(f"size must be in [1, 1024]; got {self.size}")
        if not 0 < self.test < 1:
            raise UsageError(f"test must be in (0, 1); got {self.test}")

    def pinned(self) -> Self:
        """With ``content`` filled in from the folder under ``data_root()``: reads every byte, once.

        Raises:
            MissingDataError, DataError: as ``read_tree``.
        """
        return self if self.content else replace(self, content=_content(read_tree(self._folder(data_root()))))

    def identity(self) -> dict[str, Any]:
        """As ``Dataset.identity``, with the content in place of the path."""
        parameters = {"kind": self.kind, **parameters_of(self.pinned())}
        del parameters["root"]
        return parameters

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        tree = read_tree(self._folder(root))
        if self.content and self.content != (now := _content(tree)):
            raise DataError(f"{tree.root} has changed: its content must be {self.content}; got {now}")
        everything = self._decode(tree)
        if tree.test is not None:
            is_test = np.arange(len(everything)) >= len(tree.train)
        else:
            counts = share_of(everything.class_sizes(), self.test)
            if not counts.any():
                largest = everything.class_sizes().max()
                raise DataError(f"some class must have a test image; got test={self.test} of at most {largest} images")
            is_test = smallest_draws(everything.labels, _keys(tree.files), counts, seed=TEST_SEED, purpose="test")
        return everything.take(~is_test), everything.take(is_test)

    def _folder(self, root: Path) -> Path:
        return root / Path(self.root).expanduser()

    def _decode(self, tree: ImageTree) -> ImageSet:
        files = tree.files
        images = np.empty((len(files), 1 if self.grey else 3, self.size, self.size), dtype=np.uint8)
        failures: list[str] = []
        for row, file in enumerate(files):
            try:
                images[row] = decode(tree.root / file.name, size=self.size, grey=self.grey)
            except UndecodableError as error:
                failures.append(f"{file.name!r}: {error}")
        if failures:
            raise DataError(f"cannot use {failures[0]}{and_more(len(failures) - 1)} (under {tree.root})")
        images.flags.writeable = False
        label_of = {name: label for label, name in enumerate(tree.class_names)}
        labels = np.array([label_of[file.class_name] for file in files], dtype=np.int64)
        return ImageSet(images, labels, np.arange(len(files)), tree.class_names)


def _content(tree: ImageTree) -> str:
    return tree.fingerprint()[:16]


def _keys(files: tuple[ImageFile, ...]) -> NDArray[np.int64]:
    """One number for each relative path, the same whatever other files there are."""
    digests = b"".join(hashlib.sha256(file.name.encode()).digest()[:8] for file in files)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)
