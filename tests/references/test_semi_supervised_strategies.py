"""ELR+, SOP, Co-teaching+, DivideMix and DRPL against slow loops from their papers, and wrong twins of each."""

from __future__ import annotations

import copy
import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture as SklearnMixture
from torch import Tensor, nn

from noisylabels.heads import HEADS
from noisylabels.losses import LOSSES
from noisylabels.models import MODELS
from noisylabels.problem import pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec, TrainSpec
from noisylabels.strategies import STRATEGIES, Learning, Look, Outcome, Step, Strategy, StrategyContext
from noisylabels.strategies.co_teaching_plus import CoTeachingPlus, CoTeachingPlusLearning
from noisylabels.strategies.dividemix import DivideMix, DivideMixLearning
from noisylabels.strategies.drpl import Drpl, DrplLearning
from noisylabels.strategies.elr_plus import ElrPlus, ElrPlusLearning
from noisylabels.strategies.sop import Sop, SopLearning
from noisylabels.training.fit import EpochFit, Told, Training
from noisylabels.training.images import ImageBatches, channel_statistics
from noisylabels.training.model import Model
from noisylabels.training.streams import initialised_by


def laws_of_strategies() -> ModuleType:
    """The module beside this folder: tests are no package."""
    path = Path(__file__).parents[1] / "laws" / "test_strategy_laws.py"
    spec = importlib.util.spec_from_file_location("strategy_laws", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


laws = laws_of_strategies()
N, B, D, K = laws.N, laws.B, laws.D, laws.K
METHODS: dict[str, type[Strategy]] = {
    "elr_plus": ElrPlus,
    "sop": Sop,
    "co_teaching_plus": CoTeachingPlus,
    "dividemix": DivideMix,
    "drpl": Drpl,
}


@pytest.fixture(autouse=True)
def in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cls in METHODS.items():
        monkeypatch.setitem(STRATEGIES, name, cls)


def context() -> StrategyContext:
    return StrategyContext(K, torch.arange(N) % K, noise_rate=0.4)


def stream(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def beta(alpha: float, draws: torch.Generator) -> float:
    """Beta(alpha, alpha) as the ratio of two gammas."""
    one, two = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=draws).tolist()
    return float(one / (one + two))


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(z - top) for z in row]
    return [p / sum(powers) for p in powers]


def probabilities(net: nn.Linear, images: Tensor) -> list[list[float]]:
    return [softmax(row) for row in net(images).tolist()]


def mix(share: float, first: list[float], second: list[float]) -> list[float]:
    return [share * a + (1 - share) * b for a, b in zip(first, second, strict=True)]


def ones_at(label: int) -> list[float]:
    return [float(k == label) for k in range(K)]


def cross_entropy(target: list[float], p: list[float]) -> float:
    return -sum(t * math.log(q) for t, q in zip(target, p, strict=True))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def column_means(rows: list[list[float]]) -> list[float]:
    return [mean(list(column)) for column in zip(*rows, strict=True)]


# --- what all of them must do


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("law", laws.LAWS)
def test_law(law: Callable[[Strategy], None], name: str) -> None:
    law(METHODS[name]())


@pytest.mark.parametrize("name", METHODS)
def test_law_after_a_look(name: str) -> None:
    """The laws take a fresh strategy; here one that has parted the examples."""
    strategy = METHODS[name]()
    nets = laws.networks()
    learning = strategy.begin(context())
    learning.begin_epoch(3, 5, laws.look_at(nets))
    outcome = learning.take(laws.step_of(nets))
    moved = [gradient.abs().sum() > 0 for gradient in laws.gradients(nets, outcome)]
    assert all(moved[: 2 * strategy.networks])
    assert outcome.objective.isfinite()
    assert outcome.losses.shape == (B,)
    assert not outcome.losses.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_it_trains_on_digits_and_is_the_same_run_twice(name: str) -> None:
    spec = RunSpec.checked(
        {
            "dataset": "digits:per_class=20,test_per_class=10",
            "corruption": "symmetric:rate=0.3",
            "model": "small_cnn:width=4",
            "head": "cosface:margin=0.2",
            "strategy": name,
            "train": {"epochs": 3, "batch_size": 32, "learning_rate": 0.05, "crop_padding": 1},
        }
    )
    problem = pose(spec, Path("nowhere"))
    first, second = (execute(spec, problem, device="cpu") for _ in range(2))
    assert first.history == second.history
    assert first.measurements == second.measurements
    assert first.status in ("ok", "collapsed"), first.reason


def training_of(strategy: Strategy) -> Training:
    digits = load_digits()
    images = (digits.images[:96] * 15).astype(np.uint8)[:, None]
    given = torch.tensor(digits.target[:96])
    given[::3] = (given[::3] + 1) % 10
    models = []
    for number in range(strategy.networks):
        with initialised_by(f"init_{number}", 0):
            embedder = MODELS["small_cnn"](width=4).build(1, 8)  # type: ignore[call-arg]
            head = HEADS["softmax"]().build(10, 64)
        models.append(Model(embedder, head, torch.device("cpu"), torch.float32))
    batches = ImageBatches(images, *channel_statistics(images), padding=1, device=torch.device("cpu"))
    told = Told(given, 10, noise_rate=1 / 3)
    train = TrainSpec(epochs=5, batch_size=32, learning_rate=0.05)
    return Training(models, batches, told, LOSSES["ce"](), strategy, train, seed=0)


def epochs_of(training: Training, count: int) -> list[EpochFit]:
    """As a run does it, which looks at the measured network after each epoch."""
    fitted = []
    for _ in range(count):
        fitted.append(training.run_epoch())
        training.model.predictions(training.images)
    return fitted


def is_the_undisturbed_training(strategy: Strategy, forget: tuple[str, ...] = ()) -> None:
    whole = training_of(strategy)
    expected = epochs_of(whole, 5)
    before = training_of(strategy)
    epochs_of(before, 3)
    memory: dict[str, Any] = copy.deepcopy(before.memory())
    after = training_of(strategy)
    for name in forget:
        memory["learning"][name] = getattr(after.learning, name)
    after.recall(memory)
    assert epochs_of(after, 2) == expected[3:]
    for ours, theirs in zip(after.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_training_is_the_undisturbed_one(name: str) -> None:
    is_the_undisturbed_training(METHODS[name]())


@pytest.mark.parametrize("cls", [ElrPlusLearning, SopLearning, DrplLearning])
def test_what_is_remembered_matters(cls: type[Learning]) -> None:
    strategy = {ElrPlusLearning: ElrPlus(), SopLearning: Sop(lr_u=100), DrplLearning: Drpl()}[cls]
    with pytest.raises(AssertionError):
        is_the_undisturbed_training(strategy, forget=cls.remembers)


OUT_OF_RANGE: list[tuple[type[Strategy], dict[str, float], str]] = [
    (ElrPlus, {"beta": 1.1}, r"beta must be in \[0, 1\]; got 1.1"),
    (ElrPlus, {"alpha": 0}, r"alpha must be above 0; got 0"),
    (ElrPlus, {"decay": 1}, r"decay must be in \[0, 1\]; got 1"),
    (Sop, {"lr_u": -1}, r"lr_u must be at least 0; got -1"),
    (CoTeachingPlus, {"rate": 1}, r"rate must be in \[0, 1\]; got 1"),
    (CoTeachingPlus, {"warm_up": 2}, r"warm_up must be in \[0, 1\]; got 2"),
    (DivideMix, {"temperature": 0}, r"temperature must be above 0; got 0"),
    (DivideMix, {"ramp": 0}, r"ramp must be in \[1e-09, 1\]; got 0"),
    (Drpl, {"threshold": 1.5}, r"threshold must be in \[0, 1\]; got 1.5"),
    (Drpl, {"relabel": 0.5, "detect": 0.4}, r"relabel, detect and second must not fall; got 0.5, 0.4 and 0.6"),
]


@pytest.mark.parametrize(("strategy", "parameters", "message"), OUT_OF_RANGE)
def test_what_is_out_of_range_is_refused(strategy: type[Strategy], parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        strategy(**parameters)


# --- ELR+


def elr_plus_by_a_slow_loop(averages: list[nn.Linear], visits: int, *, own_targets: bool = False) -> list[float]:
    """Visits of one batch; the averages of both networks are given. Liu et al., NeurIPS 2020, and its code."""
    nets, step, draws = laws.networks(), laws.step_of(laws.networks()), stream()
    labels = step.labels.tolist()
    targets = [[[0.0] * K for _ in range(B)] for _ in (0, 1)]
    totals = []
    for _ in range(visits):
        total = 0.0
        for network in (0, 1):
            seen = probabilities(averages[network if own_targets else 1 - network], step.images)
            targets[network] = [mix(0.7, t, p) for t, p in zip(targets[network], seen, strict=True)]
            share = beta(1.0, draws)
            share = max(share, 1 - share)
            partner = torch.randperm(B, generator=draws).tolist()
            mixed = share * step.images + (1 - share) * step.images[partner]
            for i, p in enumerate(probabilities(nets[network], mixed)):
                label = mix(share, ones_at(labels[i]), ones_at(labels[partner[i]]))
                held = mix(share, targets[network][i], targets[network][partner[i]])
                clipped = [min(max(q, 1e-4), 1 - 1e-4) for q in p]
                inner = sum(t * q for t, q in zip(held, clipped, strict=True))
                total += (cross_entropy(label, p) + 3.0 * math.log(1 - inner)) / B
        totals.append(total)
    return totals


def elr_plus_objectives(averages: list[nn.Linear], visits: int) -> list[float]:
    learning = ElrPlus().begin(context())
    step = laws.step_of(laws.networks())
    step = replace(step, averaged=lambda images, network: averages[network](images).detach())
    return [learning.take(step).objective.item() for _ in range(visits)]


def test_elr_plus_by_a_slow_loop_over_two_visits() -> None:
    averages = laws.networks(5)
    assert elr_plus_objectives(averages, 2) == pytest.approx(elr_plus_by_a_slow_loop(averages, 2), rel=1e-6)


def test_elr_plus_targets_from_the_own_network_are_rejected() -> None:
    averages = laws.networks(5)
    wrong = elr_plus_by_a_slow_loop(averages, 2, own_targets=True)
    assert elr_plus_objectives(averages, 2) != pytest.approx(wrong, rel=1e-6)


def test_elr_plus_without_its_weight_is_mixup_of_two_networks() -> None:
    step, draws = laws.step_of(laws.networks()), stream()
    total = 0.0
    for net in laws.networks():
        share = beta(1.0, draws)
        share = max(share, 1 - share)
        partner = torch.randperm(B, generator=draws)
        logits = net(share * step.images + (1 - share) * step.images[partner])
        one, other = (nn.functional.cross_entropy(logits, labels) for labels in (step.labels, step.labels[partner]))
        total += (share * one + (1 - share) * other).item()
    assert ElrPlus(weight=0).begin(context()).take(step).objective.item() == pytest.approx(total)


def test_elr_plus_ramp_and_average() -> None:
    assert ElrPlus().averaging == 0.997
    none, some, full = (
        ElrPlus(weight=weight, ramp=ramp).begin(context()).take(laws.step_of(laws.networks(), progress=0.2)).objective
        for weight, ramp in ((0.0, 0.0), (3.0, 0.4), (3.0, 0.0))
    )
    assert ((some - none) / (full - none)).item() == pytest.approx(math.exp(-5 / 4))


def test_elr_plus_keeps_the_targets_of_examples_it_does_not_see() -> None:
    step = laws.step_of(laws.networks())
    learning = ElrPlus().begin(context())
    assert isinstance(learning, ElrPlusLearning)
    learning.take(step)
    seen = torch.zeros(N, dtype=torch.bool).index_fill(0, step.rows, True)
    assert learning.targets[:, seen].gt(0).all()
    assert not learning.targets[:, ~seen].any()


# --- SOP

START = 0.3
"""Noise variables large enough to be seen in a test."""


def sop_learning(strategy: Sop) -> SopLearning:
    learning = strategy.begin(context())
    assert isinstance(learning, SopLearning)
    learning.u = torch.linspace(0.1, 1.2, N)  # some are past where u^2 is clipped
    learning.v = START * torch.ones(N, K)
    return learning


def sop_terms(p: Tensor, predicted: int, label: int, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and square of one example (Liu et al., ICML 2022), V without gradient in the first."""
    corrected, square = [], torch.zeros((), dtype=torch.float64)
    for k in range(K):
        towards = (u**2).clamp(0, 1) if k == label else torch.zeros((), dtype=torch.float64)
        away = (v[k] ** 2).clamp(0, 1) if k != label else torch.zeros((), dtype=torch.float64)
        corrected.append((p[k] + towards - away.detach()).clamp_min(1e-4))
        square = square + (float(k == predicted) + towards - away - float(k == label)) ** 2
    return -(corrected[label] / sum(corrected)).log(), square


def sop_by_a_slow_loop(*, square_moves_v_only: bool = False, u_by_square_only: bool = False) -> dict[str, Any]:
    """Objective of one step, and all noise variables after it at rates 10 and 5."""
    net, step = laws.networks()[0], laws.step_of(laws.networks())
    u, v = torch.linspace(0.1, 1.2, N).double(), START * torch.ones(N, K, dtype=torch.float64)
    total, logits = 0.0, net(step.images).detach()
    for i, row in enumerate(step.rows.tolist()):
        one, some = u[row].clone().requires_grad_(), v[row].clone().requires_grad_()
        predicted = max(range(K), key=logits[i].tolist().__getitem__)
        nats, square = sop_terms(logits[i].softmax(0), predicted, int(step.labels[i]), one, some)
        total += (nats + square).item() / B
        for_u = square if u_by_square_only else nats + (square.detach() if square_moves_v_only else square)
        u[row] -= 10 * torch.autograd.grad(for_u / B, one, retain_graph=True)[0]
        v[row] -= 5 * torch.autograd.grad(square / B, some)[0]
    return {"objective": total, "u": u, "v": v}


def sop_step() -> dict[str, Any]:
    learning = sop_learning(Sop(lr_u=10, lr_v=5))
    objective = learning.take(laws.step_of(laws.networks())).objective.item()
    return {"objective": objective, "u": learning.u, "v": learning.v}


def agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["objective"] == pytest.approx(other["objective"], rel=1e-6)
    np.testing.assert_allclose(one["u"], other["u"], rtol=1e-4)
    np.testing.assert_allclose(one["v"], other["v"], rtol=1e-4)


def test_sop_by_a_slow_loop() -> None:
    agree(sop_step(), sop_by_a_slow_loop())


@pytest.mark.parametrize("wrong", ["square_moves_v_only", "u_by_square_only"])
def test_sop_variables_that_follow_the_wrong_term_are_rejected(wrong: str) -> None:
    with pytest.raises(AssertionError):
        agree(sop_step(), sop_by_a_slow_loop(**{wrong: True}))


def test_sop_whose_cross_entropy_moves_v_is_rejected() -> None:
    """Where no square pulls on v, at the given label's own entry, v stays; so it does where the prediction is right."""
    learning = sop_learning(Sop(lr_v=1.0, lr_u=0.0))
    step = laws.step_of(laws.networks())
    learning.take(step)
    assert learning.v is not None
    assert torch.equal(learning.v[step.rows, step.labels], torch.full((B,), START))
    others = torch.ones(B, K, dtype=torch.bool).scatter(1, step.labels[:, None], False)
    predicted = laws.networks()[0](step.images).argmax(1)
    # d/dv (s - v^2)^2 / B = -4 v (s - v^2) / B, s = 1 at a wrong prediction and 0 elsewhere
    s = torch.zeros(B, K).scatter(1, predicted[:, None], 1.0)
    expected = START + 4 * START * (s - START**2) / B
    np.testing.assert_allclose(learning.v[step.rows][others], expected[others], rtol=1e-5)


def test_sop_at_rate_0_is_cross_entropy_and_a_constant() -> None:
    """The gradients are those of the standard strategy, as far as no probability is clipped."""
    nets, scale = laws.networks(), 0.1
    step = replace(laws.step_of(nets), images=scale * laws.step_of(nets).images)
    sop = Sop(lr_u=0, lr_v=0).begin(context()).take(step)
    standard = STRATEGIES["standard"]().begin(context()).take(step)
    for ours, theirs in zip(laws.gradients(nets, sop), laws.gradients(nets, standard), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    wrong = nets[0](step.images).argmax(1) != step.labels
    assert (sop.objective - standard.objective).item() == pytest.approx(2 * float(wrong.double().mean()), rel=1e-6)


def test_sop_plus_adds_what_it_says() -> None:
    net, step = laws.networks()[0], laws.step_of(laws.networks())
    plain = sop_learning(Sop()).take(laws.step_of(laws.networks())).objective.item()
    both = sop_learning(Sop(consistency=0.9, balance=0.1)).take(laws.step_of(laws.networks())).objective.item()
    p, other = probabilities(net, step.images), probabilities(net, step.view())
    divergence = mean([cross_entropy(a, b) - cross_entropy(a, a) for a, b in zip(p, other, strict=True)])
    corrected = []
    for i, row in enumerate(step.rows.tolist()):
        label, u = int(step.labels[i]), float(torch.linspace(0.1, 1.2, N)[row])
        raw = [p[i][k] + (min(u * u, 1) if k == label else -(START**2)) for k in range(K)]
        raw = [max(x, 1e-4) for x in raw]
        corrected.append([x / sum(raw) for x in raw])
    spread = -mean([math.log(x) for x in column_means(corrected)])
    assert both - plain == pytest.approx(0.9 * divergence + 0.1 * spread, rel=1e-5)


def test_sop_begins_at_noise_from_its_own_stream() -> None:
    learnings = [Sop(lr_u=0, lr_v=0).begin(context()) for _ in range(2)]
    for learning in learnings:
        assert isinstance(learning, SopLearning)
        learning.take(laws.step_of(laws.networks()))
    first, second = (learning.v for learning in learnings if isinstance(learning, SopLearning))
    assert first is not None
    assert second is not None
    assert torch.equal(first, second)
    assert 0.5e-8 < float(first.std()) < 2e-8


def test_sop_finds_a_label_that_is_not_believed() -> None:
    """A label that the network gives little is explained away by u; one that it believes is not."""
    learning = Sop().begin(context())
    assert isinstance(learning, SopLearning)
    nets = laws.networks()
    step = laws.step_of(nets)
    with torch.no_grad():  # half the examples are sure of their label, half of the next
        nets[0].weight.copy_(torch.eye(K, D) * 6)
        nets[0].bias.zero_()
    liked = torch.where(torch.arange(B) < B // 2, step.labels, (step.labels + 1) % K)
    step = replace(step, images=nn.functional.one_hot(liked, D).double())
    for _ in range(40):
        learning.take(step)
    assert learning.u is not None
    explained = learning.u[step.rows].square()
    assert explained[B // 2 :].min() > 0.3
    assert explained[: B // 2].max() < 1e-3


# --- Co-teaching+


def co_teaching_plus_by_a_slow_loop(step: Step, rate: float, *, keep_agreeing: bool = False) -> float:
    """Yu et al., ICML 2019, algorithm 1, past its ramp."""
    losses, predicted = [], []
    for net in laws.networks():
        p = probabilities(net, step.images)
        losses.append([-math.log(row[int(label)]) for row, label in zip(p, step.labels, strict=True)])
        predicted.append([max(range(K), key=row.__getitem__) for row in p])
    among = [i for i in range(B) if predicted[0][i] != predicted[1][i] or keep_agreeing]
    assert keep_agreeing or 1 < len(among) < B
    count = len(among) - int(rate * len(among))
    total = 0.0
    for network in (0, 1):
        easy = sorted(among, key=losses[1 - network].__getitem__)[:count]
        total += mean([losses[network][i] for i in easy])
    return total


def test_co_teaching_plus_by_a_slow_loop() -> None:
    step = laws.step_of(laws.networks())
    objective = CoTeachingPlus(rate=0.4).begin(context()).take(step).objective.item()
    assert objective == pytest.approx(co_teaching_plus_by_a_slow_loop(step, 0.4))


def test_co_teaching_plus_that_keeps_agreeing_examples_is_rejected() -> None:
    step = laws.step_of(laws.networks())
    objective = CoTeachingPlus(rate=0.4).begin(context()).take(step).objective.item()
    assert objective != pytest.approx(co_teaching_plus_by_a_slow_loop(step, 0.4, keep_agreeing=True))


def test_co_teaching_plus_warms_up_as_co_teaching() -> None:
    nets = laws.networks()
    step = laws.step_of(nets, progress=0.02)
    plus, plain = (STRATEGIES[name](rate=0.4) for name in ("co_teaching_plus", "co_teaching"))  # type: ignore[call-arg]
    assert torch.equal(plus.begin(context()).take(step).objective, plain.begin(context()).take(step).objective)
    both = sum(step.scored(n).losses.mean() for n in (0, 1))
    assert torch.allclose(CoTeachingPlus(rate=0.0).begin(context()).take(step).objective, torch.as_tensor(both))


def test_co_teaching_plus_learns_nothing_where_all_agree() -> None:
    nets = laws.networks()
    nets[1].load_state_dict(nets[0].state_dict())
    learning = CoTeachingPlus(rate=0.4).begin(context())
    outcome = learning.take(laws.step_of(nets))
    assert outcome.objective.item() == 0
    assert not any(gradient.any() for gradient in laws.gradients(nets, outcome))
    assert learning.state() == {"disagreement": 0}
    assert isinstance(learning, CoTeachingPlusLearning)
    assert CoTeachingPlus().oracle_knowledge == "the true noise rate"
    assert learning.rate == 0.4


# --- DivideMix


def sharpen(p: list[float], temperature: float) -> list[float]:
    powers = [q ** (1 / temperature) for q in p]
    return [q / sum(powers) for q in powers]


def dividemix_by_a_slow_loop(clean: list[list[float]], lambda_u: float) -> float:
    """Li et al., ICLR 2020, eq. 3 to 12; ``clean[n]`` are the batch's w for network n."""
    nets, step, draws = laws.networks(), laws.step_of(laws.networks()), stream()
    noise = torch.randn(step.images.shape, generator=draws, dtype=torch.float64)
    views = [step.images, step.images + 0.1 * noise]
    guess = [
        [mix(0.5, *pair) for pair in zip(*(probabilities(net, view) for view in views), strict=True)] for net in nets
    ]
    total = 0.0
    for network in (0, 1):
        targets, labelled = [], []
        for i, label in enumerate(step.labels.tolist()):
            w = clean[network][i]
            labelled.append(w > 0.5)
            refined = mix(w, ones_at(label), guess[network][i])
            targets.append(sharpen(refined if w > 0.5 else mix(0.5, guess[0][i], guess[1][i]), 0.5))
        targets, labelled = targets * 2, labelled * 2
        share = beta(4.0, draws)
        share = max(share, 1 - share)
        partner = torch.randperm(2 * B, generator=draws).tolist()
        images = torch.cat(views)
        p = probabilities(nets[network], share * images + (1 - share) * images[partner])
        mixed = [mix(share, targets[i], targets[partner[i]]) for i in range(2 * B)]
        known = [cross_entropy(mixed[i], p[i]) for i in range(2 * B) if labelled[i]]
        unknown = [
            mean([(a - b) ** 2 for a, b in zip(p[i], mixed[i], strict=True)]) for i in range(2 * B) if not labelled[i]
        ]
        penalty = sum(math.log(1 / K / q) / K for q in column_means(p))
        total += (mean(known) if known else 0) + lambda_u * (mean(unknown) if unknown else 0) + penalty
    return total


BELIEFS = {
    "both parts": (0.2, 0.9),
    "nothing unlabelled": (0.6, 1.0),
    "nothing labelled": (0.0, 0.4),
}


@pytest.mark.parametrize("parts", BELIEFS)
def test_dividemix_by_a_slow_loop(parts: str) -> None:
    learning = DivideMix(lambda_u=30).begin(context())
    assert isinstance(learning, DivideMixLearning)
    low, high = BELIEFS[parts]
    learning.clean = torch.stack([torch.linspace(low, high, N), torch.linspace(high, low, N)])
    step = laws.step_of(laws.networks(), progress=0.9)
    expected = dividemix_by_a_slow_loop(learning.clean[:, step.rows].tolist(), 30)
    assert learning.take(step).objective.item() == pytest.approx(expected, rel=1e-6)


WIDTHS = torch.linspace(-0.5, 0.5, N)
LOSSES_OF = [torch.where(torch.arange(N) % 5 < 2, 3.0, 0.8) + 0.6 * WIDTHS, torch.where(WIDTHS > 0.2, 2.5, 1) + WIDTHS]
"""Losses of all examples in two networks that do not suspect the same ones."""


def look_at_losses(losses: list[Tensor]) -> Look:
    """A look at networks whose losses of the given labels are these."""
    given = torch.arange(N)[:, None] % K

    def probabilities_of(network: int) -> Tensor:
        likely = (-losses[network]).exp()[:, None]
        return ((1 - likely) / (K - 1)).repeat(1, K).scatter(1, given, likely).float()

    return Look(probabilities_of, probabilities_of, probabilities_of)


def trusts_the_peer(clean: Tensor) -> None:
    """Row n is the posterior of the smaller mean of the *other* network's scaled losses, by scikit-learn."""
    for network in (0, 1):
        losses = LOSSES_OF[1 - network].double().numpy()
        scaled = ((losses - losses.min()) / (losses.max() - losses.min()))[:, None]
        mixture = SklearnMixture(2, tol=1e-9, max_iter=1000, reg_covar=5e-4, random_state=0).fit(scaled)
        np.testing.assert_allclose(clean[network], mixture.predict_proba(scaled)[:, mixture.means_.argmin()], atol=0.01)


def parted_by_losses() -> DivideMixLearning:
    learning = DivideMix().begin(context())
    assert isinstance(learning, DivideMixLearning)
    learning.begin_epoch(3, 5, look_at_losses(LOSSES_OF))
    return learning


def test_dividemix_parts_by_the_peers_losses() -> None:
    learning = parted_by_losses()
    trusts_the_peer(learning.clean)
    share = float((LOSSES_OF[1] < 2).float().mean())
    assert learning.state() == {"labelled": pytest.approx(share)}
    assert 0.5 < share < 0.9


def test_dividemix_that_parts_by_its_own_losses_or_by_the_larger_mean_is_rejected() -> None:
    clean = parted_by_losses().clean
    for wrong in (clean.flip(0), 1 - clean):
        with pytest.raises(AssertionError):
            trusts_the_peer(wrong)


def test_dividemix_does_not_look_while_it_warms_up() -> None:
    def must_not(network: int) -> Tensor:
        raise AssertionError("nothing is to be asked yet")

    learning = DivideMix(warm_up=0.3).begin(context())
    blind = Look(must_not, must_not, must_not)
    for epoch in (1, 2, 3):
        learning.begin_epoch(epoch, 10, blind)
    with pytest.raises(AssertionError, match="nothing is to be asked yet"):
        learning.begin_epoch(4, 10, blind)


def test_dividemix_warms_up_with_both_losses_and_an_entropy() -> None:
    nets = laws.networks()
    step = replace(laws.step_of(nets, progress=0.0), epoch=1)
    plain = DivideMix().begin(context()).take(step).objective.item()
    assert plain == pytest.approx(sum(step.scored(n).losses.mean().item() for n in (0, 1)))
    entropies = [mean([cross_entropy(p, p) for p in probabilities(net, step.images)]) for net in nets]
    confident = DivideMix(confidence_penalty=0.7).begin(context()).take(step).objective.item()
    assert plain - confident == pytest.approx(0.7 * sum(entropies), rel=1e-6)


@pytest.mark.parametrize(("progress", "expected"), [(0.2, 0.0), (0.3, 0.0), (0.325, 12.5), (0.35, 25.0), (0.99, 25.0)])
def test_dividemix_ramp(progress: float, expected: float) -> None:
    learning = DivideMix(warm_up=0.3, ramp=0.05).begin(context())
    assert isinstance(learning, DivideMixLearning)
    assert learning._weight_of_unlabelled(progress) == pytest.approx(expected)


# --- DRPL


def regularisers(p: list[list[float]]) -> float:
    spread = -mean([math.log(q) for q in column_means(p)])
    return 0.8 * spread + 0.4 * mean([cross_entropy(row, row) for row in p])


def drpl_step(nets: list[nn.Linear], epoch: int, epochs: int = 20) -> Step:
    return replace(laws.step_of(nets), epoch=epoch, epochs=epochs)


def test_drpl_relabels_by_the_mean_of_what_was_seen() -> None:
    """Three visits with the network changing: given labels twice, then their fading mean softmax."""
    spec = Drpl(relabel=0.1, memory=0.1)
    learning = spec.begin(context())
    seen: list[list[list[float]]] = []
    for epoch in (1, 2, 3):
        nets = laws.networks(epoch)
        step = drpl_step(nets, epoch)
        p = probabilities(nets[0], step.images)
        fading = math.exp(-1 / 2)  # 0.1 of 20 epochs
        if epoch < 3:
            targets = [ones_at(label) for label in step.labels.tolist()]
        else:
            newest, older = 1 / (1 + fading), fading / (1 + fading)
            targets = [mix(newest, new, old) for new, old in zip(seen[1], seen[0], strict=True)]
            assert newest + older == pytest.approx(1)
        expected = mean([cross_entropy(t, q) for t, q in zip(targets, p, strict=True)]) + regularisers(p)
        assert learning.take(step).objective.item() == pytest.approx(expected, rel=1e-6)
        seen.append(p)


def drpl_by_a_slow_loop(labelled: list[bool], seen: list[list[float]], uniform: float) -> float:
    """A step of the second stage; ``seen[i]`` is the batch's last softmax."""
    nets, draws = laws.networks(), stream()
    step = drpl_step(nets, 8)
    chance = torch.rand(B, generator=draws).tolist()
    share = beta(1.0, draws)
    partner = torch.randperm(B, generator=draws).tolist()
    targets = []
    for i, label in enumerate(step.labels.tolist()):
        pseudo = [1 / K] * K if chance[i] < uniform else seen[i]
        targets.append(ones_at(label) if labelled[i] else pseudo)
    p = probabilities(nets[0], share * step.images + (1 - share) * step.images[partner])
    losses = [cross_entropy(mix(share, targets[i], targets[partner[i]]), p[i]) for i in range(B)]
    return mean(losses) + regularisers(p)


def test_drpl_pseudo_labels_by_a_slow_loop() -> None:
    learning = Drpl(uniform=0.3).begin(context())
    assert isinstance(learning, DrplLearning)
    learning.labelled = torch.arange(N) % 3 > 0
    earlier = laws.networks(9)[0]
    images, _ = laws.images_and_labels()
    learning.seen = earlier(images).softmax(1).detach().float() * 1.7  # a sum of two visits, the older fading
    step = drpl_step(laws.networks(), 8)
    labelled = learning.labelled[step.rows].tolist()
    expected = drpl_by_a_slow_loop(labelled, probabilities(earlier, step.images), 0.3)
    wrong = drpl_by_a_slow_loop([not known for known in labelled], probabilities(earlier, step.images), 0.3)
    objective = learning.take(step).objective.item()
    assert objective == pytest.approx(expected, rel=1e-6)
    assert objective != pytest.approx(wrong, rel=1e-3)
    assert torch.allclose(learning.seen[step.rows].sum(1), torch.ones(B)), "the last softmax replaces the sum"


def looks_like(losses: Tensor) -> Look:
    return look_at_losses([losses])


def test_drpl_detects_once_a_stage_and_against_the_given_labels() -> None:
    learning = Drpl(relabel=0.1, detect=0.3, second=0.6).begin(context())
    assert isinstance(learning, DrplLearning)
    wrong = torch.arange(N) % 5 < 2
    first = looks_like(torch.where(wrong, 3.0, 0.3) + torch.linspace(0, 0.5, N))
    for epoch in (1, 3):
        learning.begin_epoch(epoch, 10, first)
        assert learning.labelled.all()
    learning.begin_epoch(4, 10, first)
    assert torch.equal(learning.labelled, ~wrong)
    learning.begin_epoch(5, 10, looks_like(torch.where(~wrong, 3.0, 0.3) + torch.linspace(0, 0.5, N)))
    assert torch.equal(learning.labelled, ~wrong), "detected again within a stage"
    learning.begin_epoch(7, 10, looks_like(torch.where(~wrong, 3.0, 0.3) + torch.linspace(0, 0.5, N)))
    assert torch.equal(learning.labelled, wrong)
    assert learning.state() == {"labelled": pytest.approx(float(wrong.float().mean()))}


def test_drpl_is_stricter_at_first() -> None:
    """Losses without a gap: the first threshold, 0.1, keeps fewer than the second, 0.5."""
    look = looks_like(torch.linspace(0.05, 2.5, N) ** 1.5)
    kept = []
    for epoch in (4, 7):
        learning = Drpl().begin(context())
        assert isinstance(learning, DrplLearning)
        learning.begin_epoch(epoch, 10, look)
        kept.append(int(learning.labelled.sum()))
    assert 0 < kept[0] < kept[1] < N


def test_drpl_of_an_example_never_seen_is_uniform() -> None:
    step = drpl_step(laws.networks(), 5)  # relabelling, without a visit before
    p = probabilities(laws.networks()[0], step.images)
    expected = mean([cross_entropy([1 / K] * K, row) for row in p]) + regularisers(p)
    outcome: Outcome = Drpl().begin(context()).take(step)
    assert outcome.objective.item() == pytest.approx(expected, rel=1e-6)
