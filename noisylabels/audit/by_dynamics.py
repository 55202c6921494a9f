"""Detectors that read what training showed: all of them in sample, as the model was told these very labels."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from noisylabels.audit.detector import Detector, Observed
from noisylabels.audit.dynamics import UNSEEN, Dynamics
from noisylabels.audit.evidence import Evidence
from noisylabels.strategies.mixture import fit_gaussians


@dataclass(frozen=True)
class _ByDynamics(Detector):
    """Suggests the class that was predicted in most epochs among those other than the given label."""

    needs = "dynamics"

    def judge(self, observed: Observed) -> Evidence:
        dynamics = _present(observed)
        suggested = most_predicted_other(dynamics.predicted, observed.given)
        return Evidence(self.kind, self.scores(dynamics, observed.given), True, suggested)

    @abstractmethod
    def scores(self, dynamics: Dynamics, given: NDArray[np.int64]) -> NDArray[np.float64]:
        """Suspicion, float64 ``(N,)``."""


@dataclass(frozen=True)
class AreaUnderMargin(_ByDynamics):
    """``-AUM``, ``AUM_i = mean over epochs of (z_y - max_{k != y} z_k)``: another class was ahead for most of training.

    Logits of the training steps themselves, without a head's margin (not probabilities, which are bounded). Over
    several trainings the mean is over all epochs of all that saw the example. The paper's threshold samples, which say
    where to cut, are left out: this is a ranking.

    Reference: Pleiss et al., Identifying mislabeled data using the area under the margin ranking, NeurIPS 2020,
    equation 1. Tag: exact.
    """

    kind: ClassVar[str] = "area_under_margin"

    def scores(self, dynamics: Dynamics, given: NDArray[np.int64]) -> NDArray[np.float64]:
        return -mean_seen(dynamics.margins)


@dataclass(frozen=True)
class SmallLoss(_ByDynamics):
    """Mean loss over all epochs, nats: wrong labels are fitted late.

    Reference: Arpit et al., A closer look at memorization in deep networks, ICML 2017; Han et al., Co-teaching,
    NeurIPS 2018, for the criterion. Tag: exact.
    """

    kind: ClassVar[str] = "small_loss"

    def scores(self, dynamics: Dynamics, given: NDArray[np.int64]) -> NDArray[np.float64]:
        return mean_seen(dynamics.losses)


@dataclass(frozen=True)
class LossMixture(_ByDynamics):
    """Posterior of the larger of two normal components of the mean losses, in [0, 1].

    Beyond the mean of that component the posterior may fall again, as the smaller component may be the wider one: it is
    held at its maximum from there on, so that a larger loss is never less suspicious.

    Reference: Li et al., DivideMix, ICLR 2020, section 3.1, on the losses of one epoch; here on their mean over epochs.
    Tag: reconstruction.
    """

    kind: ClassVar[str] = "loss_mixture"

    def scores(self, dynamics: Dynamics, given: NDArray[np.int64]) -> NDArray[np.float64]:
        return rising_posterior(mean_seen(dynamics.losses))


@dataclass(frozen=True)
class Forgetting(_ByDynamics):
    """How often the label was lost: predicted right in one epoch and wrong in the next that showed the example.

    An example that a training never predicted right counts as forgotten E times by it, more than can be. The mean is
    over the trainings that saw the example. It separates mislabelled from hard examples less well than the others do.

    Reference: Toneva et al., An empirical study of example forgetting, ICLR 2019, definition in section 3. Tag: exact;
    the mean over trainings is our own.
    """

    kind: ClassVar[str] = "forgetting"

    def scores(self, dynamics: Dynamics, given: NDArray[np.int64]) -> NDArray[np.float64]:
        events = [forgetting_events(predicted, given) for predicted in dynamics.predicted]
        return mean_seen(np.array(events)[:, None])


def mean_seen(records: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over trainings and epochs ``(R, E, N)`` of what was seen, float64 ``(N,)``."""
    return np.asarray(np.nanmean(records.reshape(-1, records.shape[-1]), axis=0, dtype=np.float64))


def forgetting_events(predicted: NDArray[np.int64], given: NDArray[np.int64]) -> NDArray[np.float64]:
    """Forgetting events of one training ``(E, N)``, float64 ``(N,)``; E where never right, NaN where never seen."""
    right, ever, seen = (np.zeros(len(given), dtype=np.bool_) for _ in range(3))
    events = np.zeros(len(given))
    for shown in predicted:
        is_shown = shown != UNSEEN
        is_right = shown == given
        events += is_shown & right & ~is_right
        right = np.where(is_shown, is_right, right)
        ever, seen = ever | is_right, seen | is_shown
    return np.where(seen, np.where(ever, events, len(predicted)), np.nan)


def rising_posterior(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Posterior of the component of larger mean in a mixture of two normals, made monotone from its ends inwards."""
    tensor = torch.from_numpy(values)
    mixture = fit_gaussians(tensor)
    posterior = mixture.posteriors(tensor)[:, 1].numpy()
    order = np.argsort(values, kind="stable")
    rising = posterior[order].copy()
    low, high = (float(mean) for mean in mixture.means)
    below, above = values[order] <= low, values[order] >= high
    rising[above] = np.maximum.accumulate(rising[above])
    rising[below] = np.minimum.accumulate(rising[below][::-1])[::-1]
    placed = np.empty_like(rising)
    placed[order] = np.maximum.accumulate(rising)
    return placed


def most_predicted_other(predicted: NDArray[np.int64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class other than the given that was predicted most often, int64 ``(N,)``; -1 where none ever was."""
    return most_predicted(np.where(predicted == given, UNSEEN, predicted))


def most_predicted(predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class predicted in most of the epochs ``(R, E, N)``, the lowest of equals, int64 ``(N,)``; -1 where none."""
    told = np.sort(predicted.reshape(-1, predicted.shape[-1]), axis=0)
    best, longest = np.full(told.shape[1], UNSEEN), np.zeros(told.shape[1], dtype=np.int64)
    run = np.zeros(told.shape[1], dtype=np.int64)
    for place, classes in enumerate(told):  # equal predictions stand together: no (N, K) table of counts
        run = np.where(classes == told[max(place - 1, 0)], run + 1, 1)
        better = (classes != UNSEEN) & (run > longest)
        best, longest = np.where(better, classes, best), np.where(better, run, longest)
    return best


def _present(observed: Observed) -> Dynamics:
    if observed.dynamics is None:
        raise ValueError("a detector on training dynamics needs them; got none")
    return observed.dynamics
