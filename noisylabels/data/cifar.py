"""CIFAR-10 and CIFAR-100, read and verified by torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from corruptions.label_file import read_annotations
from noisylabels.data.dataset import Dataset
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.images import ImageSet
from noisylabels.torchvision_shim import import_torchvision


@dataclass(frozen=True, kw_only=True)
class _Cifar(Dataset):
    """What the two sets share; ids count the official training images in file order, then the test images.

    The official files are pickles, and a pickle can run code. torchvision compares each file with its published MD5
    before unpickling it, and to make another file with a given MD5 is beyond anybody: only the authors' are unpickled.
    """

    _title: ClassVar[str]
    _reader_name: ClassVar[str]

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        try:
            reader = getattr(import_torchvision().datasets, self._reader_name)
        except ModuleNotFoundError as error:
            raise MissingDataError(f"{self._title} is read through torchvision: pip install torchvision") from error
        try:
            train, test = (reader(str(root), train=train, download=download) for train in (True, False))
        except (OSError, RuntimeError) as error:
            advice = f" (downloading {reader.url} failed: {error})" if download else ", or pass --download"
            _explain(reader, self._title, root / reader.base_folder, advice=advice)
            raise DataError(f"cannot read {self._title} at {root / reader.base_folder}: {error}") from error
        return _image_set(train, first_id=0), _image_set(test, first_id=len(train.targets))

    def annotations(self, root: Path) -> dict[str, NDArray[np.int64]]:
        path = root / "labels" / f"{self._title}_human.pt"
        if not path.is_file():
            raise MissingDataError(f"no human labels at {path}: put {path.name} of CIFAR-N (noisylabels.com) there")
        try:
            return read_annotations(path)
        except ValueError as error:
            raise DataError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Cifar10(_Cifar):
    """CIFAR-10: 60,000 photographs of 10 kinds of things, 32x32 RGB; 50,000 to train, 10,000 to test.

    Read from ``<root>/cifar-10-batches-py``. Ids 0..49,999 are the official training order (so CIFAR-10N's labels are
    indexed by id), 50,000..59,999 the official test order.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; no licence is stated.
    """

    kind: ClassVar[str] = "cifar10"
    _title: ClassVar[str] = "CIFAR-10"
    _reader_name: ClassVar[str] = "CIFAR10"


@dataclass(frozen=True, kw_only=True)
class Cifar100(_Cifar):
    """CIFAR-100: 60,000 photographs of 100 kinds of things (the fine labels), 32x32 RGB; 50,000 train, 10,000 test.

    Read from ``<root>/cifar-100-python``; ids as in CIFAR-10.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; no licence is stated.
    """

    kind: ClassVar[str] = "cifar100"
    _title: ClassVar[str] = "CIFAR-100"
    _reader_name: ClassVar[str] = "CIFAR100"


def _image_set(part: Any, *, first_id: int) -> ImageSet:
    labels = np.array(part.targets, dtype=np.int64)
    images = np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))  # torchvision keeps (N, H, W, C)
    images.flags.writeable = False
    return ImageSet(images, labels, np.arange(first_id, first_id + labels.size), tuple(part.classes))


def _explain(reader: Any, title: str, folder: Path, *, advice: str) -> None:
    """Raise the error that names the first official file which is missing, else the first which is not official."""
    from torchvision.datasets.utils import calculate_md5

    meta = (reader.meta["filename"], reader.meta["md5"])
    expected = dict([*reader.train_list, *reader.test_list, meta])
    missing = [name for name in expected if not (folder / name).is_file()]
    if missing:
        raise MissingDataError(
            f"no {title} at {folder} (looked for {', '.join(missing)}); "
            f"put the official files there, set NOISYLABELS_DATA{advice}"
        )
    for name, md5 in expected.items():
        if (got := calculate_md5(folder / name)) != md5:
            raise DataError(f"{folder / name} must have MD5 {md5}; got {got}: replace it by the official file{advice}")
