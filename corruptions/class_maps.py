"""Class maps of the literature by name: which true class is mistaken for which other one."""

from __future__ import annotations

from collections.abc import Callable

from corruptions.cifar100 import SUPERCLASS_IDS

Pairs = tuple[tuple[int, int], ...]
"""(source, target) class ids; each source once, never its own target."""

CIFAR10: Pairs = ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3))


def cifar10(num_classes: int) -> Pairs:
    """truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog; the other five classes keep their labels.

    Raises:
        ValueError: K is not 10.

    Reference: Patrini et al., Making deep neural networks robust to label noise, CVPR 2017, section 5.
    """
    _require("cifar10", 10, num_classes)
    return CIFAR10


def cifar100_superclass(num_classes: int) -> Pairs:
    """Each fine class -> the next one of its *true* superclass, the last -> the first.

    Raises:
        ValueError: K is not 100.

    Reference: the circular shift of Patrini et al., CVPR 2017, over the coarse labels of the data set, as in the code
    of DRPL (arXiv 1912.08741).
    """
    _require("cifar100_superclass", 100, num_classes)
    return tuple(sorted(pair for fine in SUPERCLASS_IDS for pair in zip(fine, fine[1:] + fine[:1], strict=True)))


def pair(num_classes: int) -> Pairs:
    """i -> (i + 1) mod K.

    Reference: "pair flipping" of Han et al., Co-teaching, NeurIPS 2018.

    >>> pair(3)
    ((0, 1), (1, 2), (2, 0))
    """
    return tuple((source, (source + 1) % num_classes) for source in range(num_classes))


CLASS_MAPS: dict[str, Callable[[int], Pairs]] = {
    "cifar10": cifar10,
    "cifar100_superclass": cifar100_superclass,
    "pair": pair,
}


def _require(name: str, needed: int, num_classes: int) -> None:
    if num_classes != needed:
        raise ValueError(f"map {name!r} needs num_classes {needed}; got {num_classes}")
