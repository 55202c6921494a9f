"""Errors under corruption in units of a reference method's, after the ImageNet-C benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from noisylabels.bounds import check_within

ByRate = Mapping[float, float]
"""One error, a share, for each asked rate; the clean run's at 0."""


@dataclass(frozen=True)
class MeanCorruptionError:
    """A mean over kinds of noise and what it was taken over.

    Attributes:
        mean: of ``by_kind``, no unit, 1 is the reference, lower is better; None where a kind has no number.
        by_kind: (kind, its corruption error or None, number of noisy rates) in the order asked.
    """

    mean: float | None
    by_kind: tuple[tuple[str, float | None, int], ...]


def corruption_error(errors: ByRate, reference: ByRate) -> float | None:
    """Errors summed over the noisy rates of one kind of noise, over the reference method's.

        CE = sum_{r > 0} E_r / sum_{r > 0} E'_r

    No unit; at least 0, 1 is the reference method, lower is better. None where the reference makes no error at all.

    Args:
        errors: E_r, shares in [0, 1] by rate; rate 0 is not used.
        reference: E'_r, at the same noisy rates.

    Raises:
        ValueError: a share out of range, no noisy rate, or noisy rates that differ.

    Reference: Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions and perturbations,
    ICLR 2019, section 4, with rates of wrong labels in the place of severities.

    >>> corruption_error({0.0: 0.1, 0.2: 0.25, 0.4: 0.5}, {0.2: 0.5, 0.4: 1.0})
    0.5
    """
    rates = _rates(errors, reference)
    return _ratio(sum(errors[rate] for rate in rates), sum(reference[rate] for rate in rates))


def relative_corruption_error(errors: ByRate, reference: ByRate) -> float | None:
    """The same of what noise added to the clean error.

        relative CE = sum_{r > 0} (E_r - E_0) / sum_{r > 0} (E'_r - E'_0)

    No unit; 1 is the reference method, lower is better, negative where noise helped. None where the reference lost
    nothing: the ratio has then no direction.

    Args:
        errors, reference: shares in [0, 1] by rate, the clean error at rate 0 and the same noisy rates.

    Raises:
        ValueError: as :func:`corruption_error`, or no clean error.

    Reference: Hendrycks and Dietterich, ICLR 2019, section 4.

    >>> relative_corruption_error({0.0: 0.25, 0.4: 0.5}, {0.0: 0.0, 0.4: 1.0})
    0.25
    """
    rates = _rates(errors, reference)
    if 0 not in errors or 0 not in reference:
        raise ValueError(
            f"the clean errors must be given at rate 0; got rates {sorted(errors)} and {sorted(reference)}"
        )
    added = sum(errors[rate] - errors[0] for rate in rates)
    return _ratio(added, sum(reference[rate] - reference[0] for rate in rates))


def mean_corruption_error(
    errors: Mapping[str, ByRate], reference: Mapping[str, ByRate], kinds: Sequence[str], *, relative: bool = False
) -> MeanCorruptionError:
    """Corruption errors averaged over the kinds of noise named, each with equal weight.

        mCE = 1 / |kinds| sum_{kind} CE_kind

    Args:
        errors, reference: for each kind its errors by rate.
        kinds: which to average, each once; kinds that are not named play no part.
        relative: average :func:`relative_corruption_error` instead.

    Raises:
        ValueError: no kind, a kind named twice or missing, or what the errors of a kind raise.

    Reference: Hendrycks and Dietterich, ICLR 2019, section 4.
    """
    if not kinds or isinstance(kinds, str) or len(set(kinds)) < len(kinds):
        raise ValueError(f"a mean over kinds needs a list that names each once; got {kinds!r}")
    absent = [kind for kind in kinds if kind not in errors or kind not in reference]
    if absent:
        raise ValueError(
            f"method and reference must have each kind; {absent} not in {sorted(errors.keys() & reference)}"
        )
    one = relative_corruption_error if relative else corruption_error
    by_kind = tuple((kind, one(errors[kind], reference[kind]), len(_noisy(errors[kind]))) for kind in kinds)
    found = [value for _, value, _ in by_kind if value is not None]
    return MeanCorruptionError(sum(found) / len(found) if len(found) == len(kinds) else None, by_kind)


def _noisy(errors: ByRate) -> list[float]:
    return sorted(rate for rate in errors if rate > 0)


def _rates(errors: ByRate, reference: ByRate) -> list[float]:
    rates = _noisy(errors)
    if not rates or rates != _noisy(reference):
        raise ValueError(f"method and reference must have the same noisy rates; got {rates} and {_noisy(reference)}")
    for values in (errors, reference):
        for rate, value in values.items():
            check_within(0, 1, **{f"error at rate {rate:g}": value})
    return rates


def _ratio(value: float, reference: float) -> float | None:
    return value / reference if reference > 0 else None
