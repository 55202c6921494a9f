"""Losses of accuracy in units of the clean accuracy, as the literature on noise filters reports them."""

from __future__ import annotations

from noisylabels.bounds import check_above, check_within


def relative_loss_of_accuracy(clean: float, noisy: float) -> float:
    """Share of the clean accuracy that noise took.

        RLA = (A_0 - A_x) / A_0

    with A_0 the accuracy without noise and A_x at rate x. No unit; at most 1, negative where noise helped, lower is
    better. It flatters a weak method: who has little to lose loses little. See :func:`equalised_loss_of_accuracy`.

    Args:
        clean: A_0, a share in (0, 1].
        noisy: A_x, a share in [0, 1].

    Raises:
        ValueError: a share out of range.

    Reference: Saez, Luengo and Herrera, Fuzzy rule based classification systems versus crisp robust learners trained
    in presence of class noise's effects, ISDA 2011.

    >>> relative_loss_of_accuracy(0.75, 0.5)
    0.3333333333333333
    """
    _check(clean, noisy)
    return (clean - noisy) / clean


def equalised_loss_of_accuracy(clean: float, noisy: float) -> float:
    """Error under noise over clean accuracy: what was lost to noise plus what was never there.

        ELA = (100 - A_x) / A_0 = RLA + (100 - A_0) / A_0

    in per cent, the same in shares. No unit; at least 0, lower is better. Of two methods that lose nothing the more
    accurate one has the lower value.

    Args:
        clean: A_0, a share in (0, 1].
        noisy: A_x, a share in [0, 1].

    Raises:
        ValueError: a share out of range.

    Reference: Saez, Luengo and Herrera, Evaluating the classifier behavior with noisy data considering performance and
    robustness: the Equalized Loss of Accuracy measure, Neurocomputing 176, 2016.

    >>> equalised_loss_of_accuracy(0.75, 0.5)
    0.6666666666666666
    """
    _check(clean, noisy)
    return (1 - noisy) / clean


def _check(clean: float, noisy: float) -> None:
    check_within(0, 1, clean=clean, noisy=noisy)
    check_above(0, clean=clean)
