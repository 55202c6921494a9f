"""From the rate a convention is asked for to the share of wrong labels it makes, and back, in expectation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from corruptions.class_maps import CIFAR10

Sizes = Sequence[int]
Effective = Callable[[float, Sizes], float]

SPREAD = 0.1
"""Standard deviation of the rates per image of the instance codes."""


def effective_rate(code: str, nominal: float, num_classes: int, class_sizes: Sequence[int] | None = None) -> float:
    """Expected share of wrong labels, in [0, 1], of a convention that is asked for ``nominal``.

    With r the nominal rate, K classes, n_i examples of class i and N of all:

    ==================================================  ==============================================================
    symmetric, pair, asymmetric:map=cifar100_superclass  r
    symmetric:inclusive=true, random_labels              r (K - 1) / K
    asymmetric:map=cifar10                               r (n_2 + n_3 + n_4 + n_5 + n_9) / N; r / 2 of equal classes
    dividemix_symmetric                                  r (K - 1) / K
    dividemix_asymmetric                                 as asymmetric:map=cifar10
    elr_asymmetric                                       (r (n_2 + n_3 + n_4 + n_5 + n_9) - r^2 n_3) / N;
                                                         (5 r - r^2) / 10 of equal classes: 0.184 at 0.4
    apl_asymmetric_cifar100                              r
    sce_asymmetric_cifar100                              2 r / 5
    cleanlab_cells                                       sum_i (K - 1) floor(r n_i / (K - 1)) / N
    boundaryface_flip                                    sum_i floor(r n_i) / N
    aqua_instance                                        r + 0.1 (phi(0) - phi(1)) / (Phi(1) - Phi(0)); r up to 0.9
    pdn_instance                                         r + 0.1 (phi(a) - phi(b)) / (Phi(b) - Phi(a)),
                                                         a = -10 r, b = 10 (1 - r)
    ==================================================  ==============================================================

    ELR's cascade: r n_3 cats are sent to dog; of the n_5 + r n_3 labelled dog then, a share r is sent to cat, hence
    r n_5 dogs go wrong and r^2 n_3 cats come back. Counts are taken before rounding, but for the two codes that are
    about rounding. At r = 0 the answer is 0 for all: the code is not run.

    Args:
        code: key of ``LEGACY_CODES``, or one of our kinds as in the table.
        nominal: r, in [0, 1].
        num_classes: K.
        class_sizes: n_i, K numbers; equal classes where none are given. The codes that round need them.

    Raises:
        ValueError: an unknown code, a rate outside its range, K or sizes that do not fit.

    Reference: derived here from the codes that ``legacy`` lists.

    >>> [round(effective_rate("elr_asymmetric", rate, 10), 4) for rate in (0.2, 0.4)]
    [0.096, 0.184]
    """
    sizes = _checked(code, num_classes, class_sizes)
    highest = _highest(code)
    if isinstance(nominal, bool) or not 0 <= nominal <= highest:
        raise ValueError(f"nominal rate of {code} must be in [0, {highest}]; got {nominal}")
    return _EFFECTIVE[code](nominal, sizes) if nominal > 0 else 0.0


def nominal_rate(code: str, effective: float, num_classes: int, class_sizes: Sequence[int] | None = None) -> float:
    """What a convention must be asked for so that ``effective`` comes out: the inverse of ``effective_rate``.

    All conventions grow with the rate (ELR's with very many cats up to a peak), so it is found by bisection, to the
    last bit or so. Of several rates with the same outcome (the codes that round) the lowest is given.

    Args:
        code, num_classes, class_sizes: as for ``effective_rate``.
        effective: share of wrong labels, in [0, 1].

    Raises:
        ValueError: no rate makes this share; the message says what can be had. The codes that round must meet it to
            half an example.

    >>> round(nominal_rate("dividemix_symmetric", 0.45, 10), 12)
    0.5
    """
    if isinstance(effective, bool) or not 0 <= effective <= 1:
        raise ValueError(f"effective rate must be in [0, 1]; got {effective}")
    if effective == 0:
        return 0.0

    def at(rate: float) -> float:
        return effective_rate(code, rate, num_classes, class_sizes)

    low, high = 0.0, _highest(code)
    if code == "elr_asymmetric" and class_sizes is not None and class_sizes[3]:
        high = min(high, sum(class_sizes[source] for source, _ in CIFAR10) / (2 * class_sizes[3]))
    lowest = max(at(math.ulp(0.0)), 1e-12)
    if effective < lowest or effective > at(high) + 1e-12:
        raise ValueError(
            f"{code} can make a share in [{round(lowest, 7):g}, {at(high):.6g}] wrong, or none; got {effective}"
        )
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if at(middle) >= effective - 1e-15 else (middle, high)
    half_an_example = 0.5 / sum(class_sizes) if class_sizes is not None and code in _ROUNDING else 1e-12
    if abs(at(high) - effective) > half_an_example:
        raise ValueError(f"{code} can make {at(low):.6g} or {at(high):.6g} wrong of these classes; got {effective}")
    return high


def _checked(code: str, num_classes: int, class_sizes: Sequence[int] | None) -> Sizes:
    if code not in _EFFECTIVE:
        raise ValueError(f"code must be one of {', '.join(_EFFECTIVE)}; got {code!r}")
    needed = _NUM_CLASSES.get(code, num_classes)
    if num_classes != needed or num_classes < 2:
        raise ValueError(f"{code} needs num_classes {needed if needed > 1 else 'of at least 2'}; got {num_classes}")
    if class_sizes is None:
        if code in _ROUNDING:
            raise ValueError(f"{code} rounds per class and needs class_sizes; got none")
        return (1,) * num_classes
    sizes = [int(size) for size in class_sizes]
    if len(sizes) != num_classes or min(sizes) < 0 or sum(sizes) == 0:
        raise ValueError(
            f"class_sizes must be {num_classes} counts, not all 0; got {len(sizes)} that sum to {sum(sizes)}"
        )
    return sizes


def _highest(code: str) -> float:
    return 1 - SPREAD if code == "aqua_instance" else 1.0


def _as_asked(r: float, sizes: Sizes) -> float:
    return r


def _own_class_included(r: float, sizes: Sizes) -> float:
    return r * (len(sizes) - 1) / len(sizes)


def _five_sources(r: float, sizes: Sizes) -> float:
    return r * sum(sizes[source] for source, _ in CIFAR10) / sum(sizes)


def _cascade(r: float, sizes: Sizes) -> float:
    return _five_sources(r, sizes) - r * r * sizes[3] / sum(sizes)


def _two_of_five(r: float, sizes: Sizes) -> float:
    return 2 * r / 5


def _cells(r: float, sizes: Sizes) -> float:
    others = len(sizes) - 1
    total = sum(sizes)
    return sum(others * int(r / others * (size / total) * total) for size in sizes) / total  # cleanlab's own floats


def _floors(r: float, sizes: Sizes) -> float:
    return sum(math.floor(size * r) for size in sizes) / sum(sizes)


def _aqua(r: float, sizes: Sizes) -> float:
    return r + SPREAD * _truncated_mean(0.0, 1.0)


def _pdn(r: float, sizes: Sizes) -> float:
    return r + SPREAD * _truncated_mean(-r / SPREAD, (1 - r) / SPREAD)


def _truncated_mean(a: float, b: float) -> float:
    """``E[Z | a < Z < b]`` of a standard normal Z."""
    density = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (a, b)]
    return (density[0] - density[1]) / (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) * 2


_EFFECTIVE: dict[str, Effective] = {
    "symmetric": _as_asked,
    "symmetric:inclusive=true": _own_class_included,
    "random_labels": _own_class_included,
    "pair": _as_asked,
    "asymmetric:map=cifar10": _five_sources,
    "asymmetric:map=cifar100_superclass": _as_asked,
    "dividemix_symmetric": _own_class_included,
    "dividemix_asymmetric": _five_sources,
    "elr_asymmetric": _cascade,
    "apl_asymmetric_cifar100": _as_asked,
    "sce_asymmetric_cifar100": _two_of_five,
    "cleanlab_cells": _cells,
    "boundaryface_flip": _floors,
    "aqua_instance": _aqua,
    "pdn_instance": _pdn,
}
_ROUNDING = frozenset({"cleanlab_cells", "boundaryface_flip"})
_NUM_CLASSES = {
    **dict.fromkeys(("asymmetric:map=cifar10", "dividemix_asymmetric", "elr_asymmetric"), 10),
    **dict.fromkeys(("asymmetric:map=cifar100_superclass", "apl_asymmetric_cifar100", "sce_asymmetric_cifar100"), 100),
}
