"""Image sources: labelled uint8 images in memory, cut into training, validation and test split without chance.

Importing this package imports neither torch, torchvision nor scikit-learn.
"""

from __future__ import annotations

from noisylabels.data.cifar import Cifar10, Cifar100
from noisylabels.data.dataset import Dataset, Splits, data_root
from noisylabels.data.digits import Digits
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.folder import Folder
from noisylabels.data.images import ImageSet

DATASETS: dict[str, type[Dataset]] = {
    "digits": Digits,
    "cifar10": Cifar10,
    "cifar100": Cifar100,
    "folder": Folder,
}
"""Printed name to class."""

__all__ = [
    "DATASETS",
    "Cifar10",
    "Cifar100",
    "DataError",
    "Dataset",
    "Digits",
    "Folder",
    "ImageSet",
    "MissingDataError",
    "Splits",
    "data_root",
]
