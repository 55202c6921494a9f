"""The images under a folder, by split and class: names only, nothing decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noisylabels.data.decoding import SUFFIXES
from noisylabels.data.errors import DataError, MissingDataError, and_more

_LAYOUT = "<class>/<image>, or train/<class>/<image> and test/<class>/<image>"


@dataclass(frozen=True)
class ImageFile:
    """One image: its POSIX path below the folder, and its class."""

    name: str
    class_name: str


@dataclass(frozen=True)
class ImageTree:
    """A folder's images in sorted order of their names.

    Attributes:
        root: the folder, symlinks resolved.
        class_names: sorted, verbatim folder names.
        train: all images, or those under ``train/``.
        test: the images under ``test/``; ``None`` where the folder does not divide them.
    """

    root: Path
    class_names: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...] | None

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """Every image, training images first."""
        return self.train + (self.test or ())

    def fingerprint(self) -> str:
        """SHA-256 of the images' relative names and bytes, 64 hex digits; the same wherever the folder stands."""
        digest = hashlib.sha256()
        for file in sorted(self.files, key=lambda file: file.name):
            name = file.name.encode()
            with (self.root / file.name).open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
            digest.update(len(name).to_bytes(8, "little") + name + content)
        return digest.hexdigest()


def read_tree(folder: Path) -> ImageTree:
    """List a folder's images. Hidden entries and files of other types are passed over.

    Raises:
        MissingDataError: no such folder.
        DataError: no classes, fewer than two, a class without images, a test class that training lacks, splits that
            cannot be told from classes, a symlink that leaves the folder, or a name that is not UTF-8.
    """
    if not folder.is_dir():
        raise MissingDataError(
            f"no image folder at {folder} (looked for {_LAYOUT}); "
            "give root as an absolute path or one below the data folder"
        )
    root = Path(os.path.realpath(folder))
    top = [path.name for path in _subfolders(root, root)]
    if not {"train", "test"} <= set(top):
        train = _images(root, root)
        return ImageTree(root, _class_names(root, train), train, None)
    if len(top) > 2:
        others = sorted(set(top) - {"train", "test"})
        more = and_more(len(others) - 1)
        raise DataError(f"{folder} must hold train/ and test/ alone, or classes alone; got also {others[0]!r}{more}")
    train, test = _images(root, root / "train"), _images(root, root / "test")
    names = _class_names(root / "train", train)
    extra = sorted({file.class_name for file in test} - set(names))
    if extra:
        raise DataError(f"every test class must have training images; {extra[0]!r} has none{and_more(len(extra) - 1)}")
    return ImageTree(root, names, train, test)


def _class_names(folder: Path, files: tuple[ImageFile, ...]) -> tuple[str, ...]:
    names = tuple(sorted({file.class_name for file in files}))
    if len(names) < 2:
        raise DataError(f"{folder} must hold at least 2 class folders; got {len(names)} (looked for {_LAYOUT})")
    return names


def _images(root: Path, folder: Path) -> tuple[ImageFile, ...]:
    files: list[ImageFile] = []
    for class_folder in _subfolders(root, folder):
        images = [path for path in _visible(root, class_folder) if path.suffix.lower() in SUFFIXES]
        if not images:
            raise DataError(f"class folder {str(class_folder)!r} holds no images (looked for {_LAYOUT})")
        for path in images:
            if not path.is_file():
                raise DataError(f"images must be regular files; {str(path)!r} is not")
        files += [ImageFile(path.relative_to(root).as_posix(), class_folder.name) for path in images]
    return tuple(sorted(files, key=lambda file: file.name))


def _subfolders(root: Path, folder: Path) -> list[Path]:
    return [path for path in _visible(root, folder) if path.is_dir()]


def _visible(root: Path, folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            raise DataError(f"symlinks must stay inside {str(root)!r}; {str(path)!r} leaves it")
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"file names must be UTF-8; got {os.fsencode(path)!r}") from error
        yield path
