"""Laws of every strategy on a small network of known weights, and wrong twins that break them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from noisylabels.strategies import STRATEGIES, Learning, Look, Outcome, Scored, Step, Strategy, StrategyContext
from noisylabels.strategies.co_teaching import CoTeachingLearning
from noisylabels.strategies.elr import Elr, ElrLearning
from noisylabels.strategies.mixup import MixupLearning

N, B, D, K = 40, 16, 6, 5


def networks(seed: int = 0) -> list[nn.Linear]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return [nn.Linear(D, K).double() for _ in range(2)]


def scored(net: nn.Linear, embeddings: Tensor, labels: Tensor) -> Scored:
    """The network is its own head: embeddings are the images, class weights those of the layer."""
    logits = net(embeddings)
    return Scored(
        embeddings=embeddings,
        logits=logits,
        losses=F.cross_entropy(logits, labels, reduction="none"),
        penalty=None,
        plain=lambda: logits,
        cosines=lambda: F.normalize(embeddings) @ F.normalize(net.weight).T,
        again=lambda others, labels, rows: scored(net, others, labels),
    )


def images_and_labels(seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(N, D, generator=generator, dtype=torch.float64), torch.arange(N) % K


def step_of(
    nets: list[nn.Linear], *, seed: int = 1, progress: float = 0.6, rows: Tensor | None = None, epoch: int = 3
) -> Step:
    images, labels = images_and_labels(seed)
    rows = torch.randperm(N, generator=torch.Generator().manual_seed(seed))[:B] if rows is None else rows
    draws = torch.Generator().manual_seed(7)
    return Step(
        images=images[rows],
        labels=labels[rows],
        rows=rows,
        epoch=epoch,
        epochs=5,
        progress=progress,
        score=lambda images, labels, rows, network: scored(nets[network], images, labels),
        draws=draws,
        view=lambda: images[rows] + 0.1 * torch.randn(images[rows].shape, generator=draws, dtype=torch.float64),
        averaged=lambda images, network: nets[network](images).detach(),
    )


def look_at(nets: list[nn.Linear]) -> Look:
    images, _ = images_and_labels()
    return Look(
        probabilities=lambda network: nets[network](images).softmax(1).detach().float(),
        embeddings=lambda network: images.float(),
        class_weights=lambda network: nets[network].weight.detach(),
    )


def begin(strategy: Strategy) -> Learning:
    return strategy.begin(StrategyContext(K, torch.arange(N) % K, noise_rate=0.4))


def gradients(nets: list[nn.Linear], outcome: Outcome) -> list[Tensor]:
    parameters = [p for net in nets for p in net.parameters()]
    return list(torch.autograd.grad(outcome.objective, parameters, allow_unused=True, materialize_grads=True))


def law_one_finite_number_and_one_loss_an_example(strategy: Strategy) -> None:
    for progress in (0.0, 0.2, 0.99):
        outcome = begin(strategy).take(step_of(networks(), progress=progress))
        assert outcome.objective.shape == ()
        assert outcome.objective.isfinite()
        assert outcome.losses.shape == (B,)
        assert not outcome.losses.requires_grad
        assert outcome.training_logits.shape == (B, K)


def law_every_network_learns(strategy: Strategy) -> None:
    nets = networks()
    moved = [gradient.abs().sum() > 0 for gradient in gradients(nets, begin(strategy).take(step_of(nets)))]
    assert all(moved[: 2 * strategy.networks])
    assert not any(moved[2 * strategy.networks :])


def law_same_state_and_stream_same_objective(strategy: Strategy) -> None:
    nets = networks()
    first, second = (begin(strategy).take(step_of(nets)).objective for _ in range(2))
    assert torch.equal(first, second)


def law_global_generator_untouched(strategy: Strategy) -> None:
    nets = networks()
    before = torch.random.get_rng_state()
    begin(strategy).take(step_of(nets))
    assert torch.equal(before, torch.random.get_rng_state())


def law_arguments_are_kept(strategy: Strategy) -> None:
    nets = networks()
    step = step_of(nets)
    images, labels, rows = step.images.clone(), step.labels.clone(), step.rows.clone()
    begin(strategy).take(step)
    assert torch.equal(step.images, images)
    assert torch.equal(step.labels, labels)
    assert torch.equal(step.rows, rows)


def law_a_step_descends_what_it_says(strategy: Strategy) -> None:
    """A small step against the gradient lowers the objective of the very same step."""
    nets = networks()
    before = begin(strategy).take(step_of(nets)).objective
    slopes = gradients(nets, begin(strategy).take(step_of(nets)))
    with torch.no_grad():
        for parameter, slope in zip([p for net in nets for p in net.parameters()], slopes, strict=True):
            parameter -= 1e-4 * slope
    assert begin(strategy).take(step_of(nets)).objective < before


LAWS: list[Callable[[Strategy], None]] = [
    law_one_finite_number_and_one_loss_an_example,
    law_every_network_learns,
    law_same_state_and_stream_same_objective,
    law_global_generator_untouched,
    law_arguments_are_kept,
    law_a_step_descends_what_it_says,
]


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("law", LAWS)
def test_law(law: Callable[[Strategy], None], name: str) -> None:
    law(STRATEGIES[name]())


@dataclass(frozen=True)
class Twin(Strategy):
    """A wrong strategy."""

    wrong: Callable[[Step], Outcome]

    def begin(self, context: StrategyContext) -> Learning:
        wrong = self.wrong

        class Wrong(Learning):
            def take(self, step: Step) -> Outcome:
                return wrong(step)

        return Wrong()


def plain(step: Step, network: int = 0) -> Outcome:
    scored = step.scored(network)
    return Outcome(scored.losses.mean(), scored.losses.detach(), scored.logits)


def forgets_to_reduce(step: Step) -> Outcome:
    return replace(plain(step), objective=step.scored().losses)


def trains_the_wrong_network(step: Step) -> Outcome:
    return plain(step, network=1)


def draws_from_the_global_generator(step: Step) -> Outcome:
    outcome = plain(step)
    return replace(outcome, objective=outcome.objective * torch.rand(()))


def shuffles_in_place(step: Step) -> Outcome:
    step.images[:] = step.images.flip(0)
    return plain(step)


def climbs(step: Step) -> Outcome:
    scored = step.scored()
    objective = scored.losses.mean()
    return Outcome(objective.detach() * 2 - objective, scored.losses.detach(), scored.logits)


TWINS: dict[str, tuple[Callable[[Step], Outcome], Callable[[Strategy], None]]] = {
    "a loss an example": (forgets_to_reduce, law_one_finite_number_and_one_loss_an_example),
    "the wrong network": (trains_the_wrong_network, law_every_network_learns),
    "another draw each time": (draws_from_the_global_generator, law_same_state_and_stream_same_objective),
    "the global generator": (draws_from_the_global_generator, law_global_generator_untouched),
    "in place": (shuffles_in_place, law_arguments_are_kept),
    "uphill": (climbs, law_a_step_descends_what_it_says),
}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_strategy_is_rejected(twin: str) -> None:
    wrong, law = TWINS[twin]
    with pytest.raises((AssertionError, RuntimeError)):
        law(Twin(wrong))


def test_every_law_has_a_twin() -> None:
    assert {law for _, law in TWINS.values()} == set(LAWS)


def test_neutral_settings_are_the_standard_strategy() -> None:
    nets = networks()
    standard = begin(STRATEGIES["standard"]()).take(step_of(nets)).objective
    losses = [step_of(nets).scored(n).losses.mean() for n in (0, 1)]
    elr = begin(Elr(weight=0.0)).take(step_of(nets)).objective
    cores = begin(STRATEGIES["cores"](beta=0.0, sieve=1.0)).take(step_of(nets)).objective  # type: ignore[call-arg]
    co_teaching = begin(STRATEGIES["co_teaching"](rate=0.0)).take(step_of(nets)).objective  # type: ignore[call-arg]
    jocor = begin(STRATEGIES["jocor"](rate=0.0, agreement=0.0)).take(step_of(nets)).objective  # type: ignore[call-arg]
    assert torch.equal(elr, standard)
    assert torch.allclose(cores, standard)
    assert torch.allclose(co_teaching, losses[0] + losses[1])
    assert torch.allclose(jocor, losses[0] + losses[1])


def test_mixup_is_the_cross_entropy_of_mixed_labels() -> None:
    """For cross-entropy, mixing two losses is the loss of the mixed label (Zhang et al., ICLR 2018, section 2)."""
    nets = networks()
    step = step_of(nets)
    again = torch.Generator().manual_seed(7)
    gammas = torch._standard_gamma(torch.full((2,), 1.0, dtype=torch.float64), generator=again)
    share = float(gammas[0] / gammas.sum())
    partner = torch.randperm(B, generator=again)
    mixed = share * step.images + (1 - share) * step.images[partner]
    labels = share * F.one_hot(step.labels, K) + (1 - share) * F.one_hot(step.labels[partner], K)
    expected = -(labels * nets[0](mixed).log_softmax(1)).sum(1).mean()
    assert torch.allclose(MixupLearning(1.0).take(step).objective, expected)


def test_beta_draws_have_the_moments_of_a_beta() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)); 4,000 draws, five standard errors."""
    from noisylabels.strategies.mixup import beta_draw

    draws = torch.Generator().manual_seed(0)
    for alpha in (0.2, 1.0, 8.0):
        values = torch.tensor([beta_draw(alpha, draws) for _ in range(4_000)])
        variance = 1 / (4 * (2 * alpha + 1))
        assert abs(values.mean() - 0.5) < 5 * (variance / 4_000) ** 0.5
        assert abs(values.var() / variance - 1) < 0.15


def test_elr_by_a_slow_loop() -> None:
    """Two visits of one batch, equation by equation (Liu et al., NeurIPS 2020, eq. 6 and 9)."""
    nets = networks()
    rows = torch.tensor([3, 9, 4])
    step = step_of(nets, rows=rows)
    learning = ElrLearning(Elr(weight=2.0, beta=0.6), StrategyContext(K, torch.arange(N) % K))
    targets = [[0.0] * K for _ in rows]
    for _ in range(2):
        p = step.scored().logits.softmax(1).tolist()
        total = 0.0
        for n in range(3):
            norm = sum(p[n])
            targets[n] = [0.6 * t + 0.4 * x / norm for t, x in zip(targets[n], p[n], strict=True)]
            inner = sum(t * x for t, x in zip(targets[n], p[n], strict=True))
            total += -torch.tensor(p[n][int(step.labels[n])]).log().item() + 2.0 * torch.tensor(1 - inner).log().item()
        assert learning.take(step).objective.item() == pytest.approx(total / 3, rel=1e-5)
    untouched = torch.ones(N, dtype=torch.bool).index_fill(0, rows, False)
    assert not learning.targets[untouched].any()


def test_each_network_is_taught_by_what_the_other_finds_easy() -> None:
    nets = networks()
    step = step_of(nets)
    first, second = (step.scored(n).losses.tolist() for n in (0, 1))
    keep = B - int(0.5 * B)
    easy = [sorted(range(B), key=losses.__getitem__)[:keep] for losses in (first, second)]
    expected = sum(first[i] for i in easy[1]) / keep + sum(second[i] for i in easy[0]) / keep
    assert CoTeachingLearning(0.5, 0.05).take(step).objective.item() == pytest.approx(expected)
    own = sum(first[i] for i in easy[0]) / keep + sum(second[i] for i in easy[1]) / keep
    assert expected != pytest.approx(own)


def test_jocor_by_a_slow_loop() -> None:
    """Wei et al., CVPR 2020, eq. 2 to 5, at agreement 0.7 and a rate of one half."""
    nets = networks()
    step = step_of(nets)
    p, q = (step.scored(n).logits.softmax(1).tolist() for n in (0, 1))
    joint = []
    for n in range(B):
        y = int(step.labels[n])
        ce = -torch.tensor([p[n][y], q[n][y]]).double().log().sum().item()
        kl = sum(
            (a - b) * (torch.tensor(a).double().log() - torch.tensor(b).double().log()).item()
            for a, b in zip(p[n], q[n], strict=True)
        )
        joint.append(0.3 * ce + 0.7 * kl)
    expected = sum(sorted(joint)[: B // 2]) / (B // 2)
    strategy = STRATEGIES["jocor"](rate=0.5, agreement=0.7)  # type: ignore[call-arg]
    assert begin(strategy).take(step).objective.item() == pytest.approx(expected, rel=1e-5)


def test_cores_by_a_slow_loop() -> None:
    """Cheng et al., ICLR 2021, eq. 3 and 4, past the ramp and the sieve, with unequal label frequencies."""
    nets = networks()
    step = step_of(nets, progress=0.9)
    labels = torch.tensor([0] * 20 + [1] * 10 + [2] * 5 + [3] * 4 + [4])
    learning = STRATEGIES["cores"]().begin(StrategyContext(K, labels))
    prior = [0.5, 0.25, 0.125, 0.1, 0.025]
    nats = (-(step.scored().logits.softmax(1) + 1e-8).log()).tolist()
    kept = [n for n in range(B) if nats[n][int(step.labels[n])] <= sum(nats[n]) / K]
    total = sum(
        nats[n][int(step.labels[n])] - 2 * sum(p * x for p, x in zip(prior, nats[n], strict=True)) for n in kept
    )
    assert 0 < len(kept) < B
    assert learning.take(step).objective.item() == pytest.approx(total / len(kept) / 3)
    assert learning.state() == {"kept": pytest.approx(len(kept) / B)}


def test_label_smoothing_of_the_strong_baseline() -> None:
    """With mixup's labels m: cross-entropy to ``(1 - eps) m + eps / K``."""
    nets = networks()
    mixed = MixupLearning(1.0).take(step_of(nets))
    both = begin(STRATEGIES["regularised"](smoothing=0.2)).take(step_of(nets))  # type: ignore[call-arg]
    uniform = -mixed.training_logits.log_softmax(1).mean(1)
    assert torch.allclose(both.objective, 0.8 * mixed.objective + 0.2 * uniform.mean())
    assert STRATEGIES["regularised"]().averaging == 0.99


def test_the_true_rate_is_asked_for_by_name_only() -> None:
    assert STRATEGIES["co_teaching"]().oracle_knowledge == "the true noise rate"
    assert STRATEGIES["co_teaching"](rate=0.3).oracle_knowledge == ""  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"the true noise rate was asked for \(rate=-1\)"):
        STRATEGIES["jocor"]().begin(StrategyContext(K, torch.arange(N) % K))
