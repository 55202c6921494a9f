"""Image sources: labelled uint8 images in memory, cut into training, validation and test split without chance.

Importing this package imports neither torch, torchvision nor scikit-learn.
"""

from __future__ import annotations

from noisylabels.data.casia import Casia
from noisylabels.data.cifar import Cifar10, Cifar100
from noisylabels.data.dataset import Dataset, Splits, data_root
from noisylabels.data.digits import Digits
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.folder import Folder
from noisylabels.data.images import ImageSet
from noisylabels.data.lfw import Lfw, lfw_view2
from noisylabels.data.packed import Packed
from noisylabels.data.pairs import VerificationPairs
from noisylabels.data.synthetic_identities import SyntheticIdentities
from noisylabels.data.verification import VerificationSet, shared_people
from noisylabels.data.verification_bin import bin_verification
from noisylabels.data.ytf import ytf_verification

DATASETS: dict[str, type[Dataset]] = {
    "digits": Digits,
    "cifar10": Cifar10,
    "cifar100": Cifar100,
    "folder": Folder,
    "lfw": Lfw,
    "casia": Casia,
    "packed": Packed,
    "synthetic_identities": SyntheticIdentities,
}
"""Printed name to class."""

__all__ = [
    "DATASETS",
    "Casia",
    "Cifar10",
    "Cifar100",
    "DataError",
    "Dataset",
    "Digits",
    "Folder",
    "ImageSet",
    "Lfw",
    "MissingDataError",
    "Packed",
    "Splits",
    "SyntheticIdentities",
    "VerificationPairs",
    "VerificationSet",
    "bin_verification",
    "data_root",
    "lfw_view2",
    "shared_people",
    "ytf_verification",
]
