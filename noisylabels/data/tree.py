"""The images under a folder, by split and class: names only, nothing decoded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from noisylabels.data.decoding import SUFFIXES
from noisylabels.data.errors import DataError, MissingDataError, and_more

_LAYOUT = "<class>/<image>, or train/<class>/<image> and test/<class>/<image>"


@dataclass(frozen=True)
class ImageFile:
    """One image.

    Attributes:
        name: POSIX path below the tree's root.
        class_name: the folder it lies in.
        stamp: size in bytes and time of change in ns, by which an edited file is noticed.
    """

    name: str
    class_name: str
    stamp: tuple[int, int]


@dataclass(frozen=True)
class ImageTree:
    """A folder's images, sorted by name.

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
        """SHA-256 of the images' relative names and bytes, 64 hex digits; the same wherever the folder stands.

        Reads every byte once, and again only after a file's stamp has changed.
        """
        return _digest(self.root, self.files)


@lru_cache(maxsize=4)
def _digest(root: Path, files: tuple[ImageFile, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with (root / file.name).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        name = file.name.encode()
        digest.update(len(name).to_bytes(8, "little") + name + content)
    return digest.hexdigest()


def read_tree(folder: Path) -> ImageTree:
    """List a folder's images. Hidden entries and files of other types are passed over.

    Raises:
        MissingDataError: no such folder.
        DataError: fewer than two classes, a class without images, a test class that training lacks, splits that cannot
            be told from classes, a symlink that leaves the folder, an image that is no regular file, or a name that is
            not UTF-8.
    """
    if not folder.is_dir():
        raise MissingDataError(
            f"no image folder at {folder} (looked for {_LAYOUT}); "
            "give root as an absolute path or one below the data folder"
        )
    root = Path(os.path.realpath(folder))
    top = {entry.name for entry in _entries(root, root) if entry.is_dir()}
    if not {"train", "test"} <= top:
        train = _images(root, "")
        return ImageTree(root, _class_names(root, train), train, None)
    if others := sorted(top - {"train", "test"}):
        more = and_more(len(others) - 1)
        raise DataError(f"{folder} must hold train/ and test/ alone, or classes alone; got also {others[0]!r}{more}")
    train, test = _images(root, "train/"), _images(root, "test/")
    names = _class_names(root / "train", train)
    if extra := sorted({file.class_name for file in test} - set(names)):
        raise DataError(f"every test class must have training images; {extra[0]!r} has none{and_more(len(extra) - 1)}")
    return ImageTree(root, names, train, test)


def _class_names(folder: Path, files: tuple[ImageFile, ...]) -> tuple[str, ...]:
    names = tuple(sorted({file.class_name for file in files}))
    if len(names) < 2:
        raise DataError(f"{folder} must hold at least 2 class folders; got {len(names)} (looked for {_LAYOUT})")
    return names


def _images(root: Path, below: str) -> tuple[ImageFile, ...]:
    """The images of every class folder under ``root/below``; ``below`` is empty or ends in a slash."""
    files: list[ImageFile] = []
    for folder in _entries(root, root / below):
        if not folder.is_dir():
            continue
        images = [entry for entry in _entries(root, folder.path) if entry.name.lower().endswith(SUFFIXES)]
        if not images:
            raise DataError(f"class folder {folder.path!r} holds no images (looked for {_LAYOUT})")
        files += [_image_file(entry, f"{below}{folder.name}/{entry.name}", folder.name) for entry in images]
    return tuple(sorted(files, key=lambda file: file.name))


def _image_file(entry: os.DirEntry[str], name: str, class_name: str) -> ImageFile:
    if not entry.is_file():
        raise DataError(f"images must be regular files; {entry.path!r} is not")
    state = entry.stat()
    return ImageFile(name, class_name, (state.st_size, state.st_mtime_ns))


def _entries(root: Path, folder: Path | str) -> list[os.DirEntry[str]]:
    """What is visible in a folder, once its names and symlinks have been found harmless."""
    with os.scandir(folder) as scan:
        entries = [entry for entry in scan if not entry.name.startswith(".")]
    for entry in entries:
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
            raise DataError(f"symlinks must stay inside {str(root)!r}; {entry.path!r} leaves it")
        try:
            entry.name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"file names must be UTF-8; got {os.fsencode(entry.path)!r}") from error
    return entries
