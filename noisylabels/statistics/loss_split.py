"""What wrong labels cost beyond the loss of the images that carry them."""

from __future__ import annotations

from dataclasses import dataclass

from noisylabels.statistics.degradation import drops
from noisylabels.statistics.interval import Interval, t_interval
from noisylabels.statistics.paired import BySeed


@dataclass(frozen=True)
class LossSplit:
    """A drop in two parts, each a mean over the same seeds with its t interval; the means of the parts add up.

    Attributes:
        total: clean minus noisy, in the metric's good direction.
        lost_images: clean minus control: fewer images, all rightly labelled. No method can avoid it by ignoring labels.
        wrong_labels: control minus noisy: what learning from wrong labels did. Negative where a noisy run beats its
            control, that is where it made use of images whose labels were wrong.
    """

    total: Interval
    lost_images: Interval
    wrong_labels: Interval


def split_loss(
    clean: BySeed, control: BySeed, noisy: BySeed, *, higher_is_better: bool, level: float = 0.95
) -> LossSplit | None:
    """The drop of noisy runs split by their clean-subset controls, seed by seed.

        (clean - noisy)_s = (clean - control)_s + (control - noisy)_s

    with signs turned where lower is better; positive is worse. A control is trained on the rightly labelled images of
    the noisy run of its seed, and on no other. In the unit of the metric.

    Args:
        clean, control, noisy: one value a seed; seeds that one of them lacks are left out.
        higher_is_better: direction of the metric.
        level: of the intervals, in (0, 1).

    Returns:
        The parts; None where no seed has all three runs.

    Reference: the control is that of Hu et al., Noise-tolerant paradigm for training face recognition CNNs, CVPR 2019.

    >>> split_loss({0: 0.75}, {0: 0.625}, {0: 0.25}, higher_is_better=True).wrong_labels.mean
    0.375
    """
    seeds = clean.keys() & control.keys() & noisy.keys()
    if not seeds:
        return None

    def part(before: BySeed, after: BySeed) -> Interval:
        lost = drops(before, after, higher_is_better=higher_is_better)
        return t_interval((lost[seed] for seed in sorted(seeds)), level)

    return LossSplit(part(clean, noisy), part(clean, control), part(control, noisy))
