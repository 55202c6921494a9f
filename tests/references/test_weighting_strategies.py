"""P-DIFF, NoiseFace, BoundaryFace, sub-centre cleaning and maxout against slow loops, and wrong twins of each."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.memory import memory_of, recall
from noisylabels.strategies import (
    Learning,
    Look,
    Outcome,
    Scored,
    Step,
    Strategy,
    StrategyContext,
    boundaryface,
    noiseface,
    p_diff,
    probability_guided_maxout,
    subcenter_cleaning,
)
from noisylabels.strategies.boundaryface import BoundaryFace
from noisylabels.strategies.noiseface import NoiseFace, NoiseFaceLearning, Shape, example_weights, filtered, shape_of
from noisylabels.strategies.p_diff import PDiff, PDiffLearning
from noisylabels.strategies.probability_guided_maxout import MaxoutLearning, ProbabilityGuidedMaxout
from noisylabels.strategies.standard import Standard
from noisylabels.strategies.subcenter_cleaning import SubcenterCleaning, SubcenterCleaningLearning
from tests.laws.test_strategy_laws import LAWS, B, D, K, N, begin, gradients, look_at, networks, scored, step_of


@dataclass(frozen=True)
class Warmed(Strategy):
    """A strategy that has begun an epoch and taken two steps, so that it is past its waiting."""

    inner: Strategy

    def begin(self, context: StrategyContext) -> Learning:
        learning = self.inner.begin(context)
        learning.begin_epoch(3, 5, look_at(networks()))
        for seed in (2, 3):
            learning.take(step_of(networks(), seed=seed))
        return learning


AT_WORK: dict[str, Strategy] = {
    "p_diff": PDiff(rate=0.4, window=2),
    "p_diff unknown": PDiff(mode="unknown", window=2, ramp=1.0),
    "noiseface": NoiseFace(window=2),
    "boundaryface": BoundaryFace(start=0.0, margin=0.2),
    "subcenter_cleaning": SubcenterCleaning(start=0.0, every=1),
    "probability_guided_maxout": ProbabilityGuidedMaxout(),
}
"""Settings with which every strategy does what it is for on the laws' small batches."""

FRESH: dict[str, Strategy] = {
    "p_diff": PDiff(),
    "noiseface": NoiseFace(),
    "boundaryface": BoundaryFace(),
    "subcenter_cleaning": SubcenterCleaning(),
    "probability_guided_maxout": ProbabilityGuidedMaxout(),
}

SETTINGS = {f"{name}, fresh": spec for name, spec in FRESH.items()}
SETTINGS |= {f"{name}, at work": Warmed(spec) for name, spec in AT_WORK.items()}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("law", LAWS)
def test_strategy_law(law: Callable[[Strategy], None], setting: str) -> None:
    law(SETTINGS[setting])


@pytest.mark.parametrize("name", AT_WORK)
def test_at_work_it_is_not_the_standard_strategy(name: str) -> None:
    nets = networks()
    assert begin(Warmed(AT_WORK[name])).take(step_of(nets)).objective != standard_objective(step_of(nets))


def standard_objective(step: Step) -> Tensor:
    return begin(Standard()).take(step).objective


NEUTRAL: dict[str, tuple[Strategy, float]] = {
    "p_diff that drops nothing": (PDiff(rate=0.0, window=2), 1e-12),
    "p_diff whose window is not full": (PDiff(rate=0.4, window=4), 0.0),
    "noiseface whose window is not full": (NoiseFace(window=4), 0.0),
    "boundaryface that never starts": (BoundaryFace(start=1.0), 0.0),
    "boundaryface whose margin is too large": (BoundaryFace(start=0.0, margin=1.5, weight=0.0), 1e-12),
    "cleaning at 180 degrees": (SubcenterCleaning(start=0.0, angle_deg=180.0, every=1), 1e-12),
    "cleaning that never starts": (SubcenterCleaning(start=1.0), 1e-12),
    "maxout that drops nothing": (ProbabilityGuidedMaxout(drop=0.0), 1e-12),
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_setting_is_the_standard_strategy(name: str) -> None:
    spec, tolerance = NEUTRAL[name]
    ours, standard = networks(), networks()
    outcome = begin(Warmed(spec)).take(step_of(ours))
    expected = begin(Standard()).take(step_of(standard))
    assert outcome.objective.item() == pytest.approx(expected.objective.item(), rel=tolerance, abs=0)
    for slope, other in zip(gradients(ours, outcome), gradients(standard, expected), strict=True):
        assert torch.allclose(slope, other, rtol=1e-9, atol=1e-12)


def with_penalty(net: nn.Linear, embeddings: Tensor, labels: Tensor) -> Scored:
    """As ``scored``, with a penalty that depends on what is scored."""
    plain = scored(net, embeddings, labels)
    penalty = (embeddings.square().sum(1) * (labels + 1)).mean()
    return replace(plain, penalty=penalty, again=lambda others, labels, rows: with_penalty(net, others, labels))


@pytest.mark.parametrize("name", AT_WORK)
def test_penalty_of_what_is_scored_is_added_once(name: str) -> None:
    net, penalties = networks()[0], []

    def penalised(images: Tensor, labels: Tensor, rows: Tensor, network: int) -> Scored:
        result = with_penalty(net, images, labels)

        def again(others: Tensor, labels: Tensor, rows: Tensor) -> Scored:
            rescored = with_penalty(net, others, labels)
            penalties.append(rescored.penalty)
            return rescored

        penalties.append(result.penalty)
        return replace(result, again=again)

    step = step_of(networks())
    with_it = begin(Warmed(AT_WORK[name])).take(replace(step, score=penalised)).objective
    without = begin(Warmed(AT_WORK[name])).take(step).objective
    assert penalties[-1] is not None
    assert with_it.item() - without.item() == pytest.approx(penalties[-1].item())


@pytest.mark.parametrize("name", AT_WORK)
def test_resumed_learning_goes_on_as_if_nothing_had_happened(name: str) -> None:
    """What ``remembers`` names, saved and put into a fresh one, is all that the next epochs depend on."""

    def epoch(learning: Learning, number: int) -> list[Tensor]:
        learning.begin_epoch(number, 5, look_at(networks(number)))
        seeds = (10 * number, 10 * number + 1)
        return [learning.take(step_of(networks(number), seed=seed, epoch=number)).objective for seed in seeds]

    undisturbed, resumed = begin(AT_WORK[name]), begin(AT_WORK[name])
    for number in (1, 2):
        epoch(undisturbed, number)
    for parameter in undisturbed.parameters():
        parameter.data.fill_(1.25)
    file = io.BytesIO()
    torch.save((memory_of(undisturbed), [p.detach() for p in undisturbed.parameters()]), file)
    file.seek(0)
    memory, parameters = torch.load(file, weights_only=True)
    recall(resumed, memory)
    for parameter, value in zip(resumed.parameters(), parameters, strict=True):
        parameter.data.copy_(value)
    for number in (3, 4):
        assert torch.equal(torch.stack(epoch(undisturbed, number)), torch.stack(epoch(resumed, number)))
        assert undisturbed.state() == resumed.state()


@pytest.mark.parametrize("name", AT_WORK)
def test_a_network_that_has_diverged_breaks_nothing(name: str) -> None:
    nets = networks()
    learning = begin(Warmed(AT_WORK[name]))
    nets[0].weight.data.fill_(math.nan)
    learning.begin_epoch(4, 5, look_at(nets))
    assert learning.take(step_of(nets)).objective.shape == ()
    assert len(learning.state()) > 0


# P-DIFF


def step_of_differences(deltas: list[float], losses: list[float], progress: float) -> Step:
    """Two classes, label 0, whose probabilities differ by so much."""
    delta = torch.tensor(deltas, dtype=torch.float64)
    logits = torch.stack([(1 + delta) / 2, (1 - delta) / 2], 1).log()
    result = Scored(
        embeddings=logits,
        logits=logits,
        losses=torch.tensor(losses, dtype=torch.float64, requires_grad=True),
        penalty=None,
        plain=lambda: logits,
        cosines=lambda: torch.stack([delta, -delta], 1),
        again=lambda *_: result,
    )
    labels = torch.zeros(len(deltas), dtype=torch.int64)
    return replace(step_of(networks(), progress=progress), labels=labels, score=lambda *_: result)


def test_p_diff_by_hand() -> None:
    """Ten differences in two batches; in order: -.905 -.705 -.505 -.305 .105 .305 .505 .705 .805 .905.

    Half of the ramp is past and the rate is 0.6, so that R = 0.3. cdf is 0.1, 0.2, 0.3 at the first three, not above
    R, and 0.4 at the fourth: the threshold is the bin [-0.31, -0.30), and of the second batch only -0.705 is dropped.
    """
    learning = PDiff(rate=0.6, ramp=0.2, window=2).begin(StrategyContext(2, torch.zeros(5)))
    first = learning.take(step_of_differences([-0.905, -0.505, 0.105, 0.505, 0.905], [1, 2, 3, 4, 5], 0.1))
    assert first.objective.item() == pytest.approx(3)  # the window is not full
    step = step_of_differences([0.305, -0.705, 0.705, -0.305, 0.805], [1, 20, 3, 4, 5], 0.1)
    outcome = learning.take(step)
    assert outcome.objective.item() == pytest.approx((1 + 3 + 4 + 5) / 4)
    (slope,) = torch.autograd.grad(outcome.objective, step.scored().losses)
    assert torch.allclose(slope, torch.tensor([0.25, 0, 0.25, 0.25, 0.25], dtype=torch.float64))
    assert learning.state() == {"kept": pytest.approx(0.8), "dropping": 0.3, "threshold": pytest.approx(-0.31)}


def test_p_diff_looks_for_an_unknown_rate_by_hand() -> None:
    """As above; at a quarter of the ramp the threshold is -0.75: cdf there is 0.1, which drops -0.905 only.

    zeta = (.905 + .705 + .505 + .305 + .105 + .305 + .505 + .705 + .805 + .905) / 10 = 0.575 after the ramp, where the
    threshold is 0 and 0.4 is dropped; a saturation below 0.575 leaves R where it was.
    """
    batches = [-0.905, -0.505, 0.105, 0.505, 0.905], [0.305, -0.705, 0.705, -0.305, 0.805]
    ones = [1.0] * 5
    for saturation, settled in ((0.57, 0.1), (0.58, 0.4)):
        learning = PDiff(mode="unknown", ramp=0.4, window=2, saturation=saturation).begin(
            StrategyContext(2, torch.zeros(5))
        )
        for deltas in batches:
            learning.take(step_of_differences(deltas, ones, 0.1))
        assert learning.state()["dropping"] == pytest.approx(0.1)
        assert learning.state()["kept"] == 1.0
        learning.take(step_of_differences(batches[0], ones, 0.4))  # the ramp's last moment: the two batches, swapped
        assert learning.state()["dropping"] == pytest.approx(0.4)
        learning = PDiff(mode="unknown", ramp=0.4, window=2, saturation=saturation).begin(
            StrategyContext(2, torch.zeros(5))
        )
        for deltas in batches:
            learning.take(step_of_differences(deltas, ones, 0.1))
        learning.take(step_of_differences(batches[0], ones, 0.5))
        assert learning.state()["dropping"] == pytest.approx(settled)


def p_diff_by_a_slow_loop(spec: PDiff, rate: float | None, steps: list[Step]) -> list[float]:
    """Each step's objective and R, number by number (Hu et al., ICPR 2020; fistyee/P-DIFF)."""
    window: list[list[int]] = []
    numbers, dropping = [], 0.0
    for step in steps:
        result = step.scored()
        bins = []
        for p, y in zip(result.logits.softmax(1).tolist(), step.labels.tolist(), strict=True):
            delta = p[y] - max(q for j, q in enumerate(p) if j != y)
            bins.append(min(int((delta + 1) * 100), 199))
        window = [*window, bins][-spec.window :]
        losses, kept = result.losses.tolist(), [True] * len(bins)
        if len(window) == spec.window:
            everything = [b for batch in window for b in batch]
            done = min(1.0, step.progress / spec.ramp)
            zeta = sum(abs((b + 0.5) / 100 - 1) for b in everything) / len(everything)
            if rate is not None:
                dropping = rate * done
            elif step.progress <= spec.ramp or zeta < spec.saturation:
                dropping = sum(b <= int((done - 1.0 + 1) * 100) for b in everything) / len(everything)
            lowest = 0
            while lowest < 200 and sum(b <= lowest for b in everything) / len(everything) <= dropping:
                lowest += 1
            kept = [b >= lowest for b in bins]
        numbers += [sum(x for x, k in zip(losses, kept, strict=True) if k) / max(sum(kept), 1), dropping]
    return numbers


def check_p_diff() -> None:
    for spec, rate in (
        (PDiff(rate=0.4, window=3), 0.4),
        (PDiff(mode="unknown", window=3, ramp=0.9), None),
        (PDiff(mode="unknown", window=3, ramp=0.2, saturation=0.16), None),
    ):
        steps = [step_of(networks(), seed=seed, progress=0.1 * seed) for seed in range(8)]
        learning = begin(spec)
        ours = []
        for step in steps:
            ours += [learning.take(step).objective.item(), learning.state()["dropping"]]
        assert ours == pytest.approx(p_diff_by_a_slow_loop(spec, rate, steps))
        assert ours[-2] != pytest.approx(standard_objective(steps[-1]).item())


def test_p_diff_by_a_slow_loop() -> None:
    check_p_diff()


def probability_only(probabilities: Tensor, labels: Tensor) -> Tensor:
    return 2 * probabilities.gather(1, labels.unsqueeze(1)).squeeze(1) - 1


def over_all_classes(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The maximum with the label itself in it: never above 0."""
    return probabilities.gather(1, labels.unsqueeze(1)).squeeze(1) - probabilities.amax(1)


def never_forgets(window: Tensor | None, bins: Tensor, batches: int) -> Tensor:
    latest = bins.to(torch.int16).unsqueeze(0)
    return latest if window is None else torch.cat([window[-batches + 1 :], window[:1]])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("probability_difference", probability_only),
        ("probability_difference", over_all_classes),
        ("slid", never_forgets),
        ("saturation", lambda counts: 0.0),
        ("cumulative", lambda counts: (counts.cumsum(0) - counts) / counts.sum()),
    ],
)
def test_wrong_p_diff_is_rejected(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[..., Tensor | float]
) -> None:
    monkeypatch.setattr(p_diff, name, wrong)
    with pytest.raises(AssertionError):
        check_p_diff()


def test_p_diff_that_drops_a_whole_batch_descends_nothing() -> None:
    learning = PDiff(rate=0.5, window=2).begin(StrategyContext(2, torch.zeros(2)))
    learning.take(step_of_differences([0.505, 0.705], [1, 1], 0.5))
    outcome = learning.take(step_of_differences([-0.505, -0.705], [1, 1], 0.5))
    assert outcome.objective == 0
    assert learning.state()["kept"] == 0


def test_p_diff_says_what_it_is_told() -> None:
    assert PDiff().oracle_knowledge == "the true noise rate"
    assert PDiff(rate=0.4).oracle_knowledge == PDiff(mode="unknown").oracle_knowledge == ""
    learning = begin(PDiff())
    assert isinstance(learning, PDiffLearning)
    assert learning.rate == 0.4
    with pytest.raises(ValueError, match="the true noise rate was asked for"):
        PDiff().begin(StrategyContext(K, torch.zeros(N)))
    assert PDiff(mode="unknown").begin(StrategyContext(K, torch.zeros(N))).state()["dropping"] == 0


# NoiseFace


def hill(centre: int, height: int, slope: int) -> list[int]:
    return [max(0, height - slope * abs(b - centre)) for b in range(200)]


PEAKS: dict[str, tuple[list[int], list[int], tuple[int, int]]] = {
    # two hills, then (left peak, right peak); the middle of what they span lies between them
    "the left one higher": (hill(70, 90, 5), hill(140, 60, 4), (70, 140)),
    "the right one higher": (hill(70, 60, 5), hill(140, 90, 4), (70, 140)),
}


@pytest.mark.parametrize("name", PEAKS)
def test_two_peaks_are_found_where_they_are(name: str) -> None:
    first, second, expected = PEAKS[name]
    shape = shape_of(filtered(torch.tensor(first).double() + torch.tensor(second)))
    assert shape is not None
    assert (shape.left_peak, shape.right_peak) == expected


def test_a_single_peak_has_the_middle_for_its_partner() -> None:
    """Alone, a hill's end points are symmetric about it: the middle is the peak. A flat tail moves the middle off."""
    tail = [4 if 100 <= b < 160 else 0 for b in range(200)]
    shape = shape_of(filtered(torch.tensor(hill(60, 80, 4)).double() + torch.tensor(tail)))
    assert shape is not None
    assert shape.left_peak == 60
    assert shape.right_peak == (shape.left_end + shape.right_end) // 2 > 90
    mirrored = shape_of(filtered((torch.tensor(hill(60, 80, 4)).double() + torch.tensor(tail)).flip(0)))
    assert mirrored is not None
    assert mirrored.right_peak == 139
    assert mirrored.left_peak == (mirrored.left_end + mirrored.right_end) // 2 < 110


def test_end_points_cut_half_a_per_cent_from_each_end() -> None:
    """1,000 examples in each of bins 50 to 149, before the filter: 0.5 % of 100,000 are 500, half a bin."""
    counts = torch.zeros(200, dtype=torch.float64)
    counts[50:150] = 1_000
    shape = shape_of(filtered(counts))
    # The filter spreads an edge over four bins, as 200, 400, 600, 800: 500 are reached at 49, and 600 are right of 149.
    assert shape is not None
    assert (shape.left_end, shape.right_end) == (49, 149)


def test_nothing_to_follow_where_the_filter_sees_one_bin() -> None:
    counts = torch.zeros(200, dtype=torch.float64)
    assert shape_of(filtered(counts)) is None
    counts[0] = 64  # of all filtered bins, only bin 2 reaches it
    assert shape_of(filtered(counts)) is None
    learning = NoiseFace(window=1).begin(StrategyContext(2, torch.zeros(5)))
    assert learning.take(step_of_differences([-1 + 1e-9] * 5, [1, 2, 3, 4, 5], 0.1)).objective.item() == 3
    assert learning.state() == {"noise_rate": 0.0, "mean_weight": 1.0}


WEIGHTS: list[tuple[Shape, dict[int, float]]] = [
    # alpha = 0.2, beta = 2 - sigmoid(-1) - sigmoid(11) = 0.731075: w2(90) = ln 2 / softplus(10) = 0.069314, w2(120) = 1
    (Shape(80, 120, 90, 110), {90: 0.731075 + 0.268925 * 0.069314, 120: 1.0}),
    # alpha = 0.5, beta = 2 - 2 sigmoid(5) = 0.013386: neither w1 nor w3
    (Shape(50, 150, 90, 110), {90: 0.986614 * 0.069314, 150: 0.986614}),
    # alpha = 0.8, beta = 0.731075: w2(160) = softplus(7.5) / softplus(10) = 0.750052, w3(160) = 1;
    # w2(120) = softplus(2.5) / softplus(10) = 0.257888, left of rt a = 80 / 2.576 = 31.0559: w3(120) = 0.436280;
    # w2(170) = softplus(8.75) / softplus(10) = 0.875012, right of rt a = 20 / 2.576 = 7.76398: w3(170) = 0.436280
    (
        Shape(80, 180, 100, 160),
        {
            160: 0.268925 * 0.750052 + 0.731075,
            120: 0.268925 * 0.257888 + 0.731075 * 0.436280,
            170: 0.268925 * 0.875012 + 0.731075 * 0.436280,
        },
    ),
]


def check_weights() -> None:
    for shape, points in WEIGHTS:
        weights = noiseface.example_weights(torch.tensor(list(points)), shape).tolist()
        assert weights == pytest.approx(list(points.values()), abs=2e-6)


def test_weights_at_points_worked_by_hand() -> None:
    check_weights()


def weights_about_the_wrong_peak(bins: Tensor, shape: Shape) -> Tensor:
    return example_weights(bins, Shape(shape.left_end, shape.right_end, shape.right_peak, shape.left_peak))


def weights_of_a_symmetric_peak(bins: Tensor, shape: Shape) -> Tensor:
    mirrored = 2 * shape.right_peak - bins
    return example_weights(torch.where(bins < shape.right_peak, mirrored, bins), shape)


def one_step(own: int, there: int) -> int:
    return own + (there > own) - (there < own)


def noiseface_by_a_slow_loop(window: int, cosines: list[list[float]], losses: list[list[float]]) -> list[float]:
    """Objectives of the steps (Hu et al., CVPR 2019; huangyangyu/NoiseFace), bin by bin."""
    seen: list[list[int]] = []
    objectives: list[float] = []
    tracked: list[int] = []
    for step, batch_losses in zip(cosines, losses, strict=True):
        bins = [min(int((c + 1) * 100), 199) for c in step]
        seen = [*seen, bins][-window:]
        weights = [1.0] * len(bins)
        if len(seen) == window:
            counts = Counter(b for batch in seen for b in batch)
            h = [sum(counts[b + k] for k in range(-2, 3)) / 5 if 2 <= b <= 197 else 0.0 for b in range(200)]
            cdf = [sum(h[: b + 1]) / sum(h) for b in range(200)]
            left = next(b for b in range(200) if cdf[b] >= 0.005)
            right = next(b for b in reversed(range(200)) if cdf[b] <= 0.995)
            half = (left + right) // 2
            top = h.index(max(h))
            peaks: list[int] = []
            for b in range(max(left, 5), min(right, 194) + 1):
                clear = (h[b] > max(h[b - d], h[b + d]) + rise for d, rise in ((2, 0), (3, 1), (4, 2), (5, 3)))
                if h[b] >= max(h[b - 1], h[b + 1]) and all(clear) and (not peaks or b - peaks[-1] > 5):
                    peaks.append(b)
            peaks = peaks or [top]
            lt, rt = (top, max(peaks[-1], half)) if top < half else (min(peaks[0], half), top)
            now = [left, right, lt, rt]
            tracked = [one_step(*pair) for pair in zip(tracked, now, strict=True)] if tracked else now
            weights = [one_weight(b, *tracked) for b in bins]
        objectives.append(sum(w * x for w, x in zip(weights, batch_losses, strict=True)) / len(bins))
    return objectives


def one_weight(x: int, left: int, right: int, lt: int, rt: int) -> float:
    w2 = math.log(1 + math.exp(10 * (x - lt) / (right - lt))) / math.log(1 + math.exp(10))
    a = (right - rt) / 2.576 if x > rt else (rt - left) / 2.576
    w3 = math.exp(-((x - rt) ** 2) / (2 * a**2))
    alpha = min(max(2 * right / 200 - 1, 0), 1)
    beta = 2 - 1 / (1 + math.exp(5 - 20 * alpha)) - 1 / (1 + math.exp(20 * alpha - 15))
    return beta * (alpha < 0.5) + (1 - beta) * min(w2, 1) + beta * (alpha > 0.5) * w3


def bimodal_cosines(steps: int) -> list[list[float]]:
    """Two hills that wander apart as training goes on."""
    draws = torch.Generator().manual_seed(5)
    batches = []
    for number in range(steps):
        centre = torch.where(torch.rand(400, generator=draws) < 0.4, 0.05, 0.3 + 0.07 * number)
        batches.append((centre + 0.08 * torch.randn(400, generator=draws)).clamp(-0.99, 0.99).double().tolist())
    return batches


def check_noiseface() -> None:
    cosines = bimodal_cosines(9)
    losses = [[1.0 + (7 * i) % 11 for i in range(400)]] * 9
    learning = NoiseFace(window=3).begin(StrategyContext(2, torch.zeros(400)))
    ours = []
    for batch, batch_losses in zip(cosines, losses, strict=True):
        ours.append(learning.take(step_of_differences(batch, batch_losses, 0.5)).objective.item())
    expected = noiseface_by_a_slow_loop(3, cosines, losses)
    assert ours == pytest.approx(expected)
    assert len(set(expected)) > 5


def test_noiseface_by_a_slow_loop() -> None:
    check_noiseface()


WRONG_NOISEFACE: dict[str, tuple[str, Callable[..., object], Callable[[], None]]] = {
    "the wrong peak": ("example_weights", weights_about_the_wrong_peak, check_weights),
    "one width for both sides": ("example_weights", weights_of_a_symmetric_peak, check_weights),
    "the wrong peak, in training": ("example_weights", weights_about_the_wrong_peak, check_noiseface),
    "no filter": ("filtered", lambda counts: counts, check_noiseface),
    "peaks wherever": ("local_peaks", lambda heights, left, right: [left, right], check_noiseface),
    "a middle of all bins": ("middle", lambda left, right: 100, check_noiseface),
}


@pytest.mark.parametrize("twin", WRONG_NOISEFACE)
def test_wrong_noiseface_is_rejected(monkeypatch: pytest.MonkeyPatch, twin: str) -> None:
    name, wrong, check = WRONG_NOISEFACE[twin]
    monkeypatch.setattr(noiseface, name, wrong)
    with pytest.raises(AssertionError):
        check()


def test_peaks_that_jump_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shape, "towards", lambda self, other: other)
    with pytest.raises(AssertionError):
        check_noiseface()


def test_noise_rate_is_twice_what_is_left_of_the_left_peak() -> None:
    """400 of 1,000 cosines in a triangle about bin 100, the others about bin 170: 0.4, up to half the peak's bin."""
    low = [(100.5 + k) / 100 - 1 for k in range(-4, 5) for _ in range(16 * (5 - abs(k)))]
    high = [(170.5 + k) / 100 - 1 for k in range(-4, 5) for _ in range(24 * (5 - abs(k)))]
    learning = NoiseFace(window=2).begin(StrategyContext(2, torch.zeros(1_000)))
    step = step_of_differences([*low, *high], [1.0] * 1_000, 0.5)
    learning.take(step)
    assert learning.state()["noise_rate"] == 0
    learning.take(step)
    assert isinstance(learning, NoiseFaceLearning)
    assert learning.shape_bins is not None
    assert learning.shape_bins[2:] == [100, 170]
    # Filtered, the peak's bin holds 16 (3 + 4 + 5 + 4 + 3) / 5 = 60.8; left of it are (400 - 60.8) / 2.
    assert learning.state()["noise_rate"] == pytest.approx(2 * (400 + 60.8) / 2 / 1_000)


# BoundaryFace


def angle(x: Tensor, w: Tensor) -> float:
    cosine = sum(a * b for a, b in zip(x.tolist(), w.tolist(), strict=True))
    norms = math.sqrt(sum(a * a for a in x.tolist()) * sum(b * b for b in w.tolist()))
    return math.acos(max(-1.0, min(1.0, cosine / norms)))


def shifted(theta: float, margin: float) -> float:
    return math.cos(theta + margin) if theta + margin <= math.pi else math.cos(theta) - margin * math.sin(margin)


def boundaryface_by_a_slow_loop(net: nn.Linear, step: Step, margin: float, weight: float) -> tuple[float, float]:
    """Objective and share relabelled, example by example (Wu & Gong, ECCV 2022)."""
    total, relabelled = 0.0, 0
    for x, given in zip(step.images, step.labels.tolist(), strict=True):
        thetas = [angle(x, w) for w in net.weight.detach()]
        y = given
        rivals = {j: shifted(theta, margin) for j, theta in enumerate(thetas) if j != given}
        best = max(rivals, key=rivals.__getitem__)
        if rivals[best] > math.cos(thetas[given]):
            y, relabelled = best, relabelled + 1
        nats = -float(net(x).detach().log_softmax(0)[y])
        hinge = max(math.cos(theta) for j, theta in enumerate(thetas) if j != y) - shifted(thetas[y], margin)
        total += nats + weight * max(0.0, hinge)
    return total / len(step.labels), relabelled / len(step.labels)


def check_boundaryface() -> None:
    net = networks()[0]
    for margin, weight in ((0.2, math.pi), (0.5, math.pi), (0.5, 0.0), (0.0, 1.0)):
        step = step_of(networks(), progress=0.3)
        learning = begin(BoundaryFace(start=0.3, margin=margin, weight=weight))
        objective, relabelled = boundaryface_by_a_slow_loop(net, step, margin, weight)
        assert 0 < relabelled < 1
        assert learning.take(step).objective.item() == pytest.approx(objective)
        assert learning.state() == {"relabelled": pytest.approx(relabelled)}


def test_boundaryface_by_a_slow_loop() -> None:
    check_boundaryface()


def without_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    return cosines.argmax(1)


def margin_on_the_label(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Relabelled where the head's own training logits are larger elsewhere: what most code near it does."""
    own = labels.unsqueeze(1)
    return cosines.scatter(1, own, boundaryface.cosine_with_margin(cosines.gather(1, own), margin)).argmax(1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("corrected_labels", without_margin),
        ("corrected_labels", margin_on_the_label),
        ("corrected_labels", lambda cosines, labels, margin: labels),
        ("cosine_with_margin", lambda cosines, margin: cosines - margin),
    ],
)
def test_wrong_boundaryface_is_rejected(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[..., Tensor]
) -> None:
    monkeypatch.setattr(boundaryface, name, wrong)
    with pytest.raises(AssertionError):
        check_boundaryface()


def test_boundaryface_trusts_labels_before_its_start() -> None:
    before, after = step_of(networks(), progress=0.299), step_of(networks(), progress=0.3)
    learning = begin(BoundaryFace(start=0.3, margin=0.2))
    assert torch.equal(learning.take(before).objective, standard_objective(before))
    assert learning.take(after).objective != standard_objective(after)


def test_boundaryface_has_a_gradient_at_an_embedding_on_its_class_weight() -> None:
    """The slope of the angle in its cosine is infinite there."""
    cosines = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(boundaryface.overlap(cosines, torch.tensor([0, 0]), 0.5).sum(), cosines)
    assert slope.isfinite().all()


# Sub-centre cleaning

S = 3


def look_at_subcenters(seed: int = 0, asked: list[str] | None = None) -> Look:
    """Random embeddings of the N examples, and S sub-centres for each of the K classes."""
    draws = torch.Generator().manual_seed(seed)
    centers = torch.randn(K, S, D, generator=draws)
    chosen = (torch.rand(N, generator=draws) ** 2 * S).long()
    embeddings = centers[torch.arange(N) % K, chosen] + 0.8 * torch.randn(N, D, generator=draws)

    def embeddings_of(network: int) -> Tensor:
        if asked is not None:
            asked.append("embeddings")
        return 3 * embeddings

    return Look(
        probabilities=lambda network: pytest.fail("cleaning asks for no probabilities"),
        embeddings=embeddings_of,
        class_weights=lambda network: 2 * centers.reshape(K * S, D),
    )


def kept_by_a_slow_loop(look: Look, labels: list[int], degrees: float) -> list[bool]:
    embeddings, weights = look.embeddings(0), look.class_weights(0)
    dominant = []
    for j in range(K):
        votes = [0] * S
        for x, y in zip(embeddings, labels, strict=True):
            if y == j:
                angles = [angle(x, weights[j * S + i]) for i in range(S)]
                votes[angles.index(min(angles))] += 1
        dominant.append(weights[j * S + votes.index(max(votes))])
    return [math.degrees(angle(x, dominant[y])) <= degrees for x, y in zip(embeddings, labels, strict=True)]


def check_cleaning() -> None:
    labels = (torch.arange(N) % K).tolist()
    for seed in range(4):
        for degrees in (45.0, 75.0):
            learning = SubcenterCleaning(start=0.4, angle_deg=degrees).begin(StrategyContext(K, torch.tensor(labels)))
            look = look_at_subcenters(seed)
            kept = kept_by_a_slow_loop(look, labels, degrees)
            assert 0 < sum(kept) < N
            learning.begin_epoch(3, 5, look)
            step = step_of(networks())
            losses = step.scored().losses.tolist()
            chosen = [loss for loss, row in zip(losses, step.rows.tolist(), strict=True) if kept[row]]
            assert learning.take(step).objective.item() == pytest.approx(sum(chosen) / len(chosen))
            assert learning.state() == {"kept": pytest.approx(sum(kept) / N)}


def test_cleaning_by_a_slow_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    check_cleaning()
    monkeypatch.setattr(subcenter_cleaning, "CHUNK", 7)
    check_cleaning()


def dominant_of_all_classes(cosines: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    return torch.bincount(cosines.argmax(1), minlength=cosines.shape[1]).argmax().repeat(num_classes)


def dominant_by_mean_cosine(cosines: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    return torch.stack([cosines[labels == j].mean(0).argmax() for j in range(num_classes)])


def centres_first(embeddings: Tensor, weights: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Rows read as ``i * K + j``."""
    centers = weights.reshape(-1, num_classes, weights.shape[1]).transpose(0, 1)
    return F.cosine_similarity(embeddings.unsqueeze(1), centers[labels], dim=2)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("dominant_subcenters", dominant_of_all_classes),
        ("dominant_subcenters", dominant_by_mean_cosine),
        ("own_subcenter_cosines", centres_first),
    ],
)
def test_wrong_cleaning_is_rejected(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[..., Tensor]) -> None:
    monkeypatch.setattr(subcenter_cleaning, name, wrong)
    with pytest.raises(AssertionError):
        check_cleaning()


def test_cleaning_by_the_nearest_subcenter_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """An example at a sub-centre of wrong labels is near to it: it must not be measured there."""
    own = subcenter_cleaning.own_subcenter_cosines
    monkeypatch.setattr(
        subcenter_cleaning, "own_subcenter_cosines", lambda *args: own(*args).amax(1, keepdim=True).expand(-1, S)
    )
    with pytest.raises(AssertionError):
        check_cleaning()


def test_most_equal_subcentres_are_decided_by_order() -> None:
    cosines = torch.tensor([[0.1, 0.9, 0.9], [0.2, 0.1, 0.8], [0.5, 0.5, 0.5]])
    dominant = subcenter_cleaning.dominant_subcenters(cosines, torch.tensor([0, 0, 1]), 3)
    assert torch.equal(dominant, torch.tensor([1, 0, 0]))


@pytest.mark.parametrize(
    ("start", "every", "expected"),
    [(0.5, 0, [4]), (0.5, 2, [4, 6]), (0.5, 1, [4, 5, 6]), (0.0, 4, [1, 5]), (0.34, 0, [4]), (1.0, 1, [])],
)
def test_when_it_cleans(start: float, every: int, expected: list[int]) -> None:
    learning = begin(SubcenterCleaning(start=start, every=every))
    cleaned = []
    for epoch in range(1, 7):
        asked: list[str] = []
        learning.begin_epoch(epoch, 6, look_at_subcenters(epoch, asked))
        cleaned += [epoch] if asked else []
    assert cleaned == expected


def test_a_dropped_batch_descends_nothing() -> None:
    learning = begin(SubcenterCleaning())
    assert isinstance(learning, SubcenterCleaningLearning)
    learning.kept = torch.zeros(N, dtype=torch.bool)
    assert learning.take(step_of(networks())).objective == 0


# Maxout


def maxout_by_a_slow_loop(net: nn.Linear, step: Step, drop: float, scale: float) -> list[list[float]]:
    """What is left of every example's units (Ferrari et al., ICPR 2020), unit by unit."""
    rows = []
    for x, y in zip(step.images.tolist(), step.labels.tolist(), strict=True):
        share = 1 - drop * float(net(torch.tensor(x, dtype=torch.float64)).detach().softmax(0)[y])
        by_activity = sorted(range(D), key=lambda unit: (abs(x[unit]), unit))
        kept = by_activity[: round(D * share)]
        rows.append([value * scale / share if unit in kept else 0.0 for unit, value in enumerate(x)])
    return rows


def check_maxout() -> None:
    net = networks()[0]
    with torch.no_grad():
        net.weight *= 8  # sure enough for several units to go
    for drop, scale in ((0.5, 1.0), (0.99, 1.3)):
        step = step_of([net])
        learning = begin(ProbabilityGuidedMaxout(drop=drop))
        learning.parameters()[0].data.fill_(scale)
        rows = maxout_by_a_slow_loop(net, step, drop, scale)
        gone = [row.count(0.0) for row in rows]
        assert len(set(gone)) > 2
        left = torch.tensor(rows, dtype=torch.float64)
        nats = F.cross_entropy(net(left), step.labels)
        outcome = learning.take(step)
        assert outcome.objective.item() == pytest.approx(nats.item())
        # q* is a constant: the gradient is that of a network fed with what is left.
        expected = torch.autograd.grad(nats, [net.weight, net.bias])
        slopes = torch.autograd.grad(outcome.objective, [net.weight, net.bias, *learning.parameters()])
        assert torch.allclose(slopes[0], expected[0])
        assert torch.allclose(slopes[1], expected[1])
        further = F.cross_entropy(net(left * (scale + 1e-5) / scale), step.labels)
        assert slopes[2].item() == pytest.approx((further - nats).item() / 1e-5, rel=1e-3)
        assert learning.state() == {
            "dropped": pytest.approx(sum(gone) / (B * D)),
            "scale": pytest.approx(scale),
        }


def test_maxout_by_a_slow_loop() -> None:
    check_maxout()


def most_active(units: Tensor, share: Tensor) -> Tensor:
    return units.abs().argsort(dim=1, descending=True, stable=True).argsort(dim=1) < (units.shape[1] * share).round()


def by_value(units: Tensor, share: Tensor) -> Tensor:
    return units.argsort(dim=1, stable=True).argsort(dim=1) < (units.shape[1] * share).round()


@pytest.mark.parametrize("wrong", [most_active, by_value, lambda units, share: torch.ones_like(units) > 0])
def test_wrong_maxout_is_rejected(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Tensor, Tensor], Tensor]) -> None:
    monkeypatch.setattr(probability_guided_maxout, "least_active", wrong)
    with pytest.raises(AssertionError):
        check_maxout()


def test_equally_active_units_go_from_the_last() -> None:
    units = torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.0, 2.0, 0.0, 2.0]])
    kept = probability_guided_maxout.least_active(units, torch.tensor([[0.5], [0.75]]))
    assert torch.equal(kept, torch.tensor([[True, True, False, False], [True, True, True, False]]))


def check_predictions_are_undisturbed(make: Callable[[list[nn.Linear]], Learning]) -> None:
    nets, (step, probe) = networks(), (step_of(networks()), torch.randn(4, D, dtype=torch.float64))
    before = nets[0](probe)
    outcome = make(nets).take(step_of(nets))
    assert torch.equal(nets[0](probe), before)
    assert torch.equal(outcome.training_logits, step.scored().logits)


def test_nothing_is_dropped_at_inference() -> None:
    check_predictions_are_undisturbed(lambda nets: begin(ProbabilityGuidedMaxout()))


def test_maxout_that_stays_on_is_rejected() -> None:
    """As a layer that forgets to ask whether it trains."""

    class StaysOn(MaxoutLearning):
        def __init__(self, net: nn.Linear) -> None:
            super().__init__(0.5, torch.device("cpu"))
            self.net = net

        def take(self, step: Step) -> Outcome:
            outcome = super().take(step)
            self.net.register_forward_pre_hook(lambda _, x: (x[0] * (x[0] < x[0].amax(1, keepdim=True)),))
            return outcome

    with pytest.raises(AssertionError):
        check_predictions_are_undisturbed(lambda nets: StaysOn(nets[0]))


REFUSED: list[tuple[Callable[[], Strategy], str]] = [
    (lambda: PDiff(mode="guessed"), r"mode must be known or unknown; got 'guessed'"),
    (lambda: PDiff(mode="unknown", rate=0.3), r"rate is for mode=known; got rate=0.3 with mode=unknown"),
    (lambda: PDiff(rate=1.0), r"rate must be in \[0, 1\]; got 1.0"),
    (lambda: PDiff(ramp=0.0), r"ramp must be in"),
    (lambda: PDiff(window=0), r"window must be at least 1; got 0"),
    (lambda: PDiff(saturation=1.5), r"saturation must be in \[0, 1\]; got 1.5"),
    (lambda: NoiseFace(window=0), r"window must be at least 1; got 0"),
    (lambda: BoundaryFace(start=-0.1), r"start must be in \[0, 1\]; got -0.1"),
    (lambda: BoundaryFace(margin=2.0), r"margin must be in \[0, 1.5708\]; got 2.0"),
    (lambda: BoundaryFace(weight=-1.0), r"weight must be at least 0; got -1.0"),
    (lambda: SubcenterCleaning(start=1.1), r"start must be in \[0, 1\]; got 1.1"),
    (lambda: SubcenterCleaning(angle_deg=181.0), r"angle_deg must be in \[0, 180\]; got 181.0"),
    (lambda: SubcenterCleaning(every=-1), r"every must be at least 0; got -1"),
    (lambda: ProbabilityGuidedMaxout(drop=1.0), r"drop must be in \[0, 0.99\]; got 1.0"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_parameters_out_of_range_are_refused(make: Callable[[], Strategy], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_heads_they_need() -> None:
    needs = {name: (spec.needs_cosines, spec.needs_subcenters) for name, spec in FRESH.items()}
    assert needs == {
        "p_diff": (False, False),
        "noiseface": (True, False),
        "boundaryface": (True, False),
        "subcenter_cleaning": (True, True),
        "probability_guided_maxout": (False, False),
    }
    assert all(spec.kind == name and spec.networks == 1 for name, spec in FRESH.items())
