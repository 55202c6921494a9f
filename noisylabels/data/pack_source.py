"""What can be packed: a folder tree of images, or RecordIO, listed once and read one encoded image at a time."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from noisylabels.data.decoding import UndecodableError
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.face_records import list_faces
from noisylabels.data.face_source import FileFaces, RecordFaces
from noisylabels.data.tree import read_tree

MAX_FILE_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class PackSource:
    """N encoded images and whose they are.

    Attributes:
        faces: names, people, ids and keys of the images, as the data sets ``folder`` and ``casia`` give them.
    """

    faces: FileFaces | RecordFaces

    def __len__(self) -> int:
        return len(self.faces.ids)

    @property
    def kind(self) -> str:
        """``files`` or ``records``."""
        return "files" if isinstance(self.faces, FileFaces) else "records"

    @cached_property
    def image_names(self) -> tuple[str, ...]:
        """What each image is called: its path below the folder, or its record's key."""
        if isinstance(self.faces, FileFaces):
            return tuple(file.name for file in self.faces.files)
        return tuple(f"record {key}" for key in self.faces.ids.tolist())

    def holds(self, path: Path) -> bool:
        """Whether a place lies among the images, where a store would become part of its own source."""
        return isinstance(self.faces, FileFaces) and Path(os.path.realpath(path)).is_relative_to(self.faces.root)

    def listing(self) -> str:
        """SHA-256 of the names, sizes and times of change: another one, and a pack cannot be gone on with."""
        digest = hashlib.sha256()
        if isinstance(self.faces, FileFaces):
            for file in self.faces.files:
                digest.update(f"{len(file.name.encode())}:{file.name}{file.stamp}".encode())
        else:
            records = self.faces.records
            state = records.path.stat()
            digest.update(f"{state.st_size} {state.st_mtime_ns}".encode())
            for array in (records.keys, records.labels, records.offsets):
                digest.update(array.tobytes())
        return digest.hexdigest()

    def encoded(self, row: int) -> bytes:
        """The bytes of an image.

        Raises:
            UndecodableError: it cannot be read, or is larger than 256 MiB.
        """
        try:
            if isinstance(self.faces, RecordFaces):
                return next(iter(self.faces.records.images([row])))
            with (self.faces.root / self.faces.files[row].name).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UndecodableError(f"cannot be read: {error.strerror or error}") from None
        except DataError as error:
            raise UndecodableError(str(error)) from None
        if len(content) > MAX_FILE_BYTES:
            raise UndecodableError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        return content


def pack_source(path: Path) -> PackSource:
    """List a source: ``<path>/<identity>/<image>``, ``<path>/train.rec``, or a ``.rec`` file itself.

    Raises:
        MissingDataError: there is no such thing.
        DataError: as ``read_tree`` and ``list_faces``; also where the folder divides itself into train and test, which
            one store cannot say.
    """
    records = path if path.suffix == ".rec" else path / "train.rec"
    if records.is_file():
        return PackSource(RecordFaces(list_faces(Path(os.path.realpath(records)))))
    if not path.is_dir():
        raise MissingDataError(f"nothing to pack at {path} (looked for <identity>/<image>, train.rec and a .rec file)")
    tree = read_tree(path)
    if tree.test is not None:
        raise DataError(f"{path} holds train/ and test/: pack each by itself, such as {path / 'train'}")
    return PackSource(FileFaces(tree.root, tree.class_names, tree.train))
