"""Losses against slow loops from their papers, closed forms, scikit-learn, SciPy and NumPy; laws over every case."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import log_loss, mean_absolute_error
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.nn import functional as F

from noisylabels.catalog import UsageError, full_text, short_text
from noisylabels.losses import Criterion, Loss, LossContext
from noisylabels.losses.corrected import Corrected
from noisylabels.losses.generalised_cross_entropy import classes_above
from noisylabels.losses.sparsemax import sparsemax
from noisylabels.losses.transition import MatrixTransition, anchor_transition
from tests.laws.loss_cases import CASES, CLASSES, EXEMPT, LAWS, NEUTRAL, T5, T5_TEXT, exempt, make
from tests.laws.loss_twins import SLOW_LOOP, TWINS, Twin, WrongLoss
from tests.laws.test_loss_laws import LOSS_LAWS, batch

K = 5
ALL_LAWS = {law.__name__: law for law in [*LOSS_LAWS, *LAWS]}

ANGLES = torch.tensor([0.9, 0.7])
"""Of an embedding and its class weight, radians: short of SFace's a = 0.8 and past it."""

Row = list[float]


def softmax(z: Row) -> Row:
    total = sum(math.exp(x) for x in z)
    return [math.exp(x) / total for x in z]


def onehot(y: int) -> Row:
    return [float(j == y) for j in range(K)]


def cross_entropy_to(target: Row, p: Row) -> float:
    return -sum(t * math.log(q) for t, q in zip(target, p, strict=True))


def reverse_cross_entropy(p: Row, y: int, log_of_zero: float) -> float:
    """Wang et al., ICCV 2019: the roles of prediction and label exchanged."""
    return -sum(q * (0.0 if j == y else log_of_zero) for j, q in enumerate(p))


def over_all_labels(f: Callable[[float], float], p: Row, y: int) -> float:
    """Ma et al., ICML 2020: a loss over its sum over all labels."""
    return f(p[y]) / sum(f(q) for q in p)


def nce(p: Row, y: int) -> float:
    return over_all_labels(lambda q: -math.log(q), p, y)


def mixed(beta: float, own: Row, p: Row, y: int) -> float:
    """Reed et al., 2015: the target is beta label and 1 - beta the model's own."""
    return cross_entropy_to([beta * t + (1 - beta) * o for t, o in zip(onehot(y), own, strict=True)], p)


def largest(p: Row) -> Row:
    return onehot(max(range(K), key=lambda j: p[j]))


def symmetric(rate: float) -> list[Row]:
    return [[1 - rate if i == j else rate / (K - 1) for j in range(K)] for i in range(K)]


def forward(t: list[Row], p: Row, y: int) -> float:
    """Patrini et al., CVPR 2017, theorem 2."""
    return -math.log(sum(t[i][y] * p[i] for i in range(K)))


def backward(t: list[Row], p: Row, y: int) -> float:
    """Patrini et al., CVPR 2017, theorem 1; the inverse is NumPy's."""
    return float((np.linalg.inv(np.array(t)) @ -np.log(np.array(p)))[y])


def sphereface2(z: Row, y: int, alpha: float, scale: float, weight: float) -> float:
    """The mean over K columns of weighted binary cross-entropies, as the released code sums them."""
    columns = []
    for j, score in enumerate(z):
        chance = 1 / (1 + math.exp(-score))
        own = weight * K / scale
        columns.append(own * (-alpha * math.log(chance) if j == y else -(1 - alpha) * math.log(1 - chance)))
    return sum(columns) / K


def sface(z: Row, y: int, scale: float, kappa: float) -> float:
    total = 0.0
    for j, score in enumerate(z):
        theta = math.acos(min(max(score / scale, -1), 1))
        if j == y:
            total -= score / (1 + math.exp(-kappa * (theta - 0.8)))
        else:
            total += score / (1 + math.exp(kappa * (theta - 1.23)))
    return total


def project(z: Row) -> Row:
    """The nearest point of the simplex, by bisection on tau: sum max(z - tau, 0) falls from above 1 to 0."""
    low, high = min(z) - 1, max(z)
    for _ in range(200):
        tau = (low + high) / 2
        low, high = (tau, high) if sum(max(x - tau, 0) for x in z) > 1 else (low, tau)
    return [max(x - low, 0) for x in z]


def fenchel_young(z: Row, y: int) -> float:
    """Omega*(z) + Omega(onehot) - z_y with Omega = |p|^2 / 2 on the simplex."""
    p = project(z)
    return sum(q * x - q * q / 2 for q, x in zip(p, z, strict=True)) + 0.5 - z[y]


SLOW: dict[str, Callable[[Row, Row, int], float]] = {
    "label_smoothing": lambda z, p, y: cross_entropy_to([0.9 * t + 0.1 / K for t in onehot(y)], p),
    "label_smoothing:epsilon=0.5": lambda z, p, y: cross_entropy_to([0.5 * t + 0.5 / K for t in onehot(y)], p),
    "mae": lambda z, p, y: sum(abs(q - t) for q, t in zip(p, onehot(y), strict=True)) / 2,
    "gce": lambda z, p, y: (1 - p[y] ** 0.7) / 0.7,
    "gce:q=0.2": lambda z, p, y: (1 - p[y] ** 0.2) / 0.2,
    "truncated_gce": lambda z, p, y: (1 - p[y] ** 0.7) / 0.7,
    "sce": lambda z, p, y: -0.1 * math.log(p[y]) + reverse_cross_entropy(p, y, math.log(1e-4)),
    "sce:alpha=6,beta=0.1,a_reading=paper": lambda z, p, y: -6 * math.log(p[y]) + 0.1 * reverse_cross_entropy(p, y, -4),
    "nce": lambda z, p, y: nce(p, y),
    "nfl": lambda z, p, y: over_all_labels(lambda q: -((1 - q) ** 0.5) * math.log(q), p, y),
    "nfl:gamma=2": lambda z, p, y: over_all_labels(lambda q: -((1 - q) ** 2) * math.log(q), p, y),
    "nce_rce": lambda z, p, y: nce(p, y) + reverse_cross_entropy(p, y, math.log(1e-4)),
    "nce_rce:alpha=10,beta=0.1,a_reading=paper": lambda z, p, y: 10 * nce(p, y) + 0.1 * reverse_cross_entropy(p, y, -4),
    "nce_mae": lambda z, p, y: nce(p, y) + 1 - p[y],
    "nce_mae:alpha=10,beta=1": lambda z, p, y: 10 * nce(p, y) + 1 - p[y],
    "soft_bootstrap": lambda z, p, y: mixed(0.95, p, p, y),
    "soft_bootstrap:beta=0.6": lambda z, p, y: mixed(0.6, p, p, y),
    "hard_bootstrap": lambda z, p, y: mixed(0.8, largest(p), p, y),
    "forward": lambda z, p, y: -math.log(p[y]),
    "forward:transition=symmetric:0.4": lambda z, p, y: forward(symmetric(0.4), p, y),
    f"forward:transition={T5_TEXT}": lambda z, p, y: forward(T5, p, y),
    "backward": lambda z, p, y: -math.log(p[y]),
    "backward:transition=symmetric:0.4": lambda z, p, y: backward(symmetric(0.4), p, y),
    f"backward:transition={T5_TEXT}": lambda z, p, y: backward(T5, p, y),
    "focal": lambda z, p, y: -((1 - p[y]) ** 2) * math.log(p[y]),
    "focal:gamma=0.5": lambda z, p, y: -((1 - p[y]) ** 0.5) * math.log(p[y]),
    "one_vs_all": lambda z, p, y: sphereface2(z, y, 0.7, 40, 50),
    "one_vs_all:alpha=0.9,scale=20,weight=10": lambda z, p, y: sphereface2(z, y, 0.9, 20, 10),
    "sface": lambda z, p, y: sface(z, y, 20, 80),
    "sface:scale=64,kappa=10": lambda z, p, y: sface(z, y, 64, 10),
    "sparsemax": lambda z, p, y: fenchel_young(z, y),
}
"""What each case is, example by example in Python floats: scores, their softmax and the label to a number."""


def check_slow_loop(loss: Loss, text: str) -> None:
    logits, labels = batch()
    rows = zip(logits.tolist(), labels.tolist(), strict=True)
    expected = [SLOW[text](z, softmax(z), y) for z, y in rows]
    assert loss.per_example(logits, labels).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def check_sface_gradient(loss: Loss) -> None:
    """zhongyy/SFace: the weights carry no gradient, so its slope in each score is the weight itself."""
    logits, labels = batch()
    logits.requires_grad_()
    (slope,) = torch.autograd.grad(loss.per_example(logits, labels).sum(), logits)
    for row, y, slopes in zip(logits.tolist(), labels.tolist(), slope.tolist(), strict=True):
        angles = [math.acos(score / 20) for score in row]
        weights = [1 / (1 + math.exp(80 * (theta - 1.23))) for theta in angles]
        weights[y] = -1 / (1 + math.exp(-80 * (angles[y] - 0.8)))
        assert slopes == pytest.approx(weights)


class TestLaws:
    def test_every_loss_has_a_case_and_every_case_a_slow_loop(self) -> None:
        assert {text.partition(":")[0] for text in CASES} == {loss.kind for loss in CLASSES}
        assert set(SLOW) == set(CASES)

    @pytest.mark.parametrize("text", CASES)
    @pytest.mark.parametrize("law", ALL_LAWS.values())
    def test_law(self, law: Callable[[Loss], None], text: str) -> None:
        if not exempt(law, text):
            law(make(text))

    @pytest.mark.parametrize(("law", "name"), EXEMPT)
    def test_exemption_is_needed(self, law: str, name: str) -> None:
        if (law, name) == ("law_a_surer_target_costs_no_more", "sface"):  # true of the laws' batch, false near a fit
            cosines = torch.zeros(2, K).index_put((torch.arange(2), torch.zeros(2, dtype=torch.int64)), ANGLES.cos())
            near, nearer = make("sface").per_example(20 * cosines, torch.tensor([0, 0]))
            assert nearer > near
            return
        broken = 0
        for text in (text for text in CASES if name in (text, text.partition(":")[0])):
            try:
                ALL_LAWS[law](make(text))
            except (AssertionError, GradcheckError, ValueError):
                broken += 1
        assert broken > 0

    def test_exemptions_name_laws_that_are(self) -> None:
        assert {law for law, _ in EXEMPT} <= set(ALL_LAWS)

    @pytest.mark.parametrize("text", CASES)
    def test_slow_loop(self, text: str) -> None:
        check_slow_loop(make(text), text)

    @pytest.mark.parametrize(("text", "parent"), NEUTRAL)
    def test_neutral_setting_equals_its_parent(self, text: str, parent: str) -> None:
        logits, labels = batch()
        expected = make(parent).per_example(logits, labels)
        assert torch.allclose(make(text).per_example(logits, labels), expected, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.bug)
    def test_wrong_twin_is_rejected(self, twin: WrongLoss) -> None:
        checks: dict[str, Callable[[Loss], None]] = {
            **ALL_LAWS,
            SLOW_LOOP: lambda loss: check_slow_loop(loss, twin.parent),
            "gradient": check_sface_gradient,
        }
        if twin.parent in CASES and not exempt(checks[twin.rejected_by], twin.parent):
            checks[twin.rejected_by](make(twin.parent))  # it is the bug that is rejected, not the loss
        with pytest.raises((AssertionError, GradcheckError)):
            checks[twin.rejected_by](Twin(twin.wrong))

    def test_every_law_of_this_room_has_a_twin(self) -> None:
        assert {law.__name__ for law in LAWS} <= {twin.rejected_by for twin in TWINS}

    @pytest.mark.parametrize("text", CASES)
    def test_text_comes_back(self, text: str) -> None:
        loss = make(text)
        assert make(full_text(loss)) == loss
        assert make(short_text(loss)) == loss

    @pytest.mark.parametrize("loss", CLASSES)
    def test_docstring_has_a_source_and_a_tag(self, loss: type[Loss]) -> None:
        assert loss.__doc__ is not None
        reference = " ".join(loss.__doc__.partition("Reference:")[2].split())
        assert reference.endswith(("Tag: exact.", "Tag: our own.", "Tag: reconstruction."))


HAND_PICKED = torch.tensor([[0.5, 0.25, 0.125, 0.0625, 0.0625], [0.1, 0.2, 0.3, 0.3, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("label_smoothing:epsilon=0.5", 0, 0.6 * math.log(2) + 0.1 * (2 + 3 + 4 + 4) * math.log(2)),
        ("mae", 1, 0.75),
        ("gce:q=0.5", 1, 1.0),  # (1 - 1/2) / (1/2)
        ("sce:alpha=0,beta=1,a_reading=paper", 1, 3.0),
        ("sce:alpha=1,beta=0", 2, 3 * math.log(2)),
        ("nce", 0, 1 / 14),  # 1 + 2 + 3 + 4 + 4 times log 2
        ("soft_bootstrap:beta=0", 3, 1.875 * math.log(2)),  # entropy: 1/2 + 1/2 + 3/8 + 1/4 + 1/4 bits
        ("hard_bootstrap:beta=0", 3, math.log(2)),
        ("focal:gamma=1", 1, 1.5 * math.log(2)),
        ("forward:transition=symmetric:1", 0, math.log(8)),  # half of p is elsewhere, and a quarter of it comes here
    ],
)
def test_closed_form_at_hand_picked_probabilities(text: str, label: int, value: float) -> None:
    assert make(text).per_example(HAND_PICKED[:1].log(), torch.tensor([label])).item() == pytest.approx(value)


def test_losses_of_all_labels_sum_to_a_constant() -> None:
    """What makes a loss robust to symmetric noise: Ghosh et al., AAAI 2017; Ma et al., ICML 2020."""
    for text, constant in (("mae", K - 1), ("nce", 1), ("nfl", 1), ("nce_mae", K)):
        sums = sum(make(text).per_example(HAND_PICKED.log(), torch.full((2,), y)) for y in range(K))
        assert torch.allclose(torch.as_tensor(sums), torch.full((2,), float(constant), dtype=torch.float64))


class TestLibraries:
    def test_scikit_learn_log_loss(self) -> None:
        logits, labels = batch()
        expected = log_loss(labels, logits.softmax(1), labels=list(range(K)))
        for text in ("label_smoothing:epsilon=0", "gce:q=0", "focal:gamma=0", "forward:transition=symmetric:0"):
            assert float(make(text).per_example(logits, labels).mean()) == pytest.approx(expected)

    def test_scikit_learn_mean_absolute_error(self) -> None:
        logits, labels = batch()
        hot = F.one_hot(labels, K)
        expected = mean_absolute_error(hot, logits.softmax(1)) * K / 2  # it takes the mean over columns
        assert float(make("mae").per_example(logits, labels).mean()) == pytest.approx(expected)

    def test_torch_binary_cross_entropy(self) -> None:
        logits, labels = batch()
        expected = F.binary_cross_entropy_with_logits(logits, F.one_hot(labels, K).double(), reduction="none").sum(1)
        even = make("one_vs_all:alpha=0.5,scale=1,weight=2")
        assert torch.allclose(even.per_example(logits, labels), expected)

    @pytest.mark.parametrize("seed", range(5))
    def test_sparsemax_is_scipys_projection(self, seed: int) -> None:
        z = np.random.default_rng(seed).normal(0, 1.5, K)
        sum_to_one = {"type": "eq", "fun": lambda p: p.sum() - 1}
        solved = minimize(
            lambda p: ((p - z) ** 2).sum(),
            np.full(K, 1 / K),
            jac=lambda p: 2 * (p - z),
            bounds=[(0, 1)] * K,
            constraints=[sum_to_one],
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert sparsemax(torch.tensor(z)[None])[0].tolist() == pytest.approx(solved.x, abs=1e-6)


class TestSparsemax:
    def test_equals_bisection(self) -> None:
        for z in batch()[0].tolist():
            assert sparsemax(torch.tensor([z], dtype=torch.float64))[0].tolist() == pytest.approx(project(z), abs=1e-12)

    @pytest.mark.parametrize(
        ("z", "p"),
        [
            ((0.0, 0.0), (0.5, 0.5)),
            ((1.0, 0.0), (1.0, 0.0)),
            ((0.5, 0.0), (0.75, 0.25)),
            ((1e4, 1e4 - 0.5, -1e4), (0.75, 0.25, 0.0)),
            ((0.3,) * 4, (0.25,) * 4),
        ],
    )
    def test_known_points(self, z: tuple[float, ...], p: tuple[float, ...]) -> None:
        assert sparsemax(torch.tensor([z]))[0].tolist() == pytest.approx(p)

    def test_loss_is_the_dossiers_form_with_gradient_p_minus_label(self) -> None:
        logits, labels = batch()
        logits.requires_grad_()
        losses = make("sparsemax").per_example(logits, labels)
        (slope,) = torch.autograd.grad(losses.sum(), logits)
        p = sparsemax(logits.detach())
        assert torch.allclose(slope, p - F.one_hot(labels, K))
        for z, y, row, value in zip(logits.tolist(), labels.tolist(), p.tolist(), losses.tolist(), strict=True):
            support = [j for j in range(K) if row[j] > 0]
            tau = (sum(z[j] for j in support) - 1) / len(support)
            assert value == pytest.approx(sum(z[j] ** 2 - tau**2 for j in support) / 2 + 0.5 - z[y])

    def test_exactly_zero_once_the_target_leads_by_one(self) -> None:
        logits = torch.tensor([[2.0, 1.0, -3.0], [2.0, 1.01, -3.0]])
        losses = make("sparsemax").per_example(logits, torch.tensor([0, 0]))
        assert losses[0] == 0
        assert losses[1] > 0


class TestCorrections:
    def test_backward_is_unbiased(self) -> None:
        """Patrini et al., theorem 1, enumerated: the mean over all given labels is the clean cross-entropy."""
        log_p = HAND_PICKED[:1].log()
        for text, t in (("symmetric:0.4", symmetric(0.4)), (T5_TEXT, T5)):
            loss = make(f"backward:transition={text}")
            for true in range(K):
                mean = sum(t[true][y] * float(loss.per_example(log_p, torch.tensor([y]))) for y in range(K))
                assert mean == pytest.approx(-float(log_p[0, true]))

    def test_forward_is_least_at_the_clean_posterior(self) -> None:
        """Patrini et al., theorem 2: over given labels drawn by T from the clean posterior, enumerated."""
        posterior = HAND_PICKED[0]
        generator = torch.Generator().manual_seed(0)
        for text, t in (("symmetric:0.4", symmetric(0.4)), (T5_TEXT, T5)):
            loss = make(f"forward:transition={text}")
            given = posterior @ torch.tensor(t, dtype=torch.float64)

            def expected(logits: Tensor, loss: Loss = loss, given: Tensor = given) -> Tensor:
                return (given * loss.per_example(logits.expand(K, K), torch.arange(K))).sum()

            best = posterior.log().clone().requires_grad_()
            least = expected(best)
            (slope,) = torch.autograd.grad(least, best)
            assert slope.abs().max() < 1e-12
            for size in (0.01, 0.3, 3.0):
                for _ in range(50):
                    moved = posterior.log() + size * torch.randn(K, dtype=torch.float64, generator=generator)
                    assert expected(moved) > least

    @pytest.mark.parametrize("kind", ["forward", "backward"])
    def test_oracle_is_the_told_matrix(self, kind: str) -> None:
        logits, labels = batch()
        loss = make(f"{kind}:transition=oracle")
        criterion = loss.begin(LossContext(K, 7, torch.tensor(T5)))
        expected = make(f"{kind}:transition={T5_TEXT}").per_example(logits, labels)
        assert torch.allclose(criterion(logits, labels, torch.arange(7)), expected, rtol=1e-5)
        assert loss.oracle_knowledge == "the true transition matrix"
        with pytest.raises(ValueError, match=f"{kind} with transition=oracle must be told the true transition matrix"):
            loss.begin(LossContext(K, 7))
        with pytest.raises(ValueError, match="must be told"):
            loss.per_example(logits, labels)

    def test_what_is_declared(self) -> None:
        assert [make(f"forward:transition={text}").oracle_knowledge for text in ("estimated", "symmetric:0.4")] == [
            "",
            "the noise rate, as stated",
        ]
        needs = [make(f"backward:transition={text}") for text in ("oracle", "estimated", "symmetric:0.4", T5_TEXT)]
        assert [loss.needs_transition for loss in needs if isinstance(loss, Corrected)] == [True, False, False, False]

    def test_a_matrix_of_another_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="must have K = 3 rows; got 5"):
            make(f"forward:transition={T5_TEXT}").begin(LossContext(3, 10))
        with pytest.raises(ValueError, match="must be K x K; got 2 x 3"):
            make("forward:transition=oracle").begin(LossContext(3, 10, torch.full((2, 3), 1 / 3)))

    @pytest.mark.parametrize(
        ("transition", "told"),
        [("symmetric:0.8", None), ("[[0.5,0.5],[0.5,0.5]]", None), ("oracle", torch.tensor([[1.0, 0], [1.0, 0]]))],
    )
    def test_backward_refuses_what_has_no_inverse(self, transition: str, told: Tensor | None) -> None:
        classes = 5 if transition.startswith("sym") else 2
        with pytest.raises(ValueError, match=r"backward needs a transition matrix with an inverse.*got"):
            make(f"backward:transition={transition}").begin(LossContext(classes, 10, told))
        make(f"forward:transition={transition}").begin(LossContext(classes, 10, told))

    def test_a_label_that_t_calls_impossible_is_finite_and_teaches_nothing(self) -> None:
        logits = torch.tensor([[1.0, -2.0]], requires_grad=True)
        loss = make("forward:transition=[[1,0],[1,0]]").per_example(logits, torch.tensor([1]))
        loss.sum().backward()
        assert loss.item() == pytest.approx(708.4, abs=0.1)
        assert logits.grad is not None
        assert logits.grad.abs().max() < 1e-6


def epochs_looked_at(criterion: Criterion, begun: Iterable[int], epochs: int, probabilities: Tensor) -> list[int]:
    """Which of the epochs that begin asked for the model's probabilities."""
    looks: list[int] = []
    for epoch in begun:

        def predict(epoch: int = epoch) -> Tensor:
            looks.append(epoch)
            return probabilities

        criterion.begin_epoch(epoch, epochs, predict)
    return looks


class TestEstimate:
    @pytest.mark.parametrize("percentile", [50.0, 97.0, 100.0])
    @pytest.mark.parametrize("n", [20, 101, 1000])
    def test_equals_a_slow_loop_in_numpy(self, percentile: float, n: int) -> None:
        """The order of steps of giorgiop/loss-correction: cut at the percentile, then take the highest."""
        p = np.random.default_rng(n).dirichlet([0.3] * K, n)
        for i, row in enumerate(anchor_transition(torch.tensor(p), percentile).numpy()):
            column = p[:, i].copy()
            if percentile < 100:
                column[column >= np.percentile(p[:, i], percentile, method="higher")] = 0
            assert row == pytest.approx(p[column.argmax()])

    def test_finds_the_matrix_where_there_are_perfect_anchors(self) -> None:
        """If the model gives P(given | image) and some images are surely of each class, the estimate is T itself."""
        clean = np.concatenate([np.repeat(np.eye(K), 20, axis=0), np.random.default_rng(0).dirichlet([1] * K, 50)])
        given = torch.tensor(clean @ np.array(symmetric(0.3)))
        assert torch.allclose(anchor_transition(given, 100), torch.tensor(symmetric(0.3), dtype=torch.float64))

    def test_where_no_example_is_below_the_percentile_the_surest_counts(self) -> None:
        same = torch.tensor([[0.7, 0.3]]).repeat(8, 1)
        assert anchor_transition(same, 97)[0].tolist() == pytest.approx([0.7, 0.3])

    @pytest.mark.parametrize("kind", ["forward", "backward"])
    def test_cross_entropy_before_and_corrected_after_one_look(self, kind: str) -> None:
        logits, labels = batch()
        rows = torch.arange(7)
        probabilities = torch.tensor(np.random.default_rng(1).dirichlet([0.3] * K, 200)).float()
        criterion = make(f"{kind}:start=0.4").begin(LossContext(K, 200))
        ce = make("ce").per_example(logits, labels)
        looks, losses = [], ce
        for epoch in range(1, 11):
            looks += epochs_looked_at(criterion, [epoch], 10, probabilities)
            losses = criterion(logits, labels, rows)
            assert torch.equal(losses, ce) == (epoch <= 4)
        assert looks == [5]
        t = anchor_transition(probabilities, 97)
        transition = MatrixTransition(t)
        expected = transition.forward(logits, labels) if kind == "forward" else transition.backward(logits, labels)
        assert torch.equal(losses, expected)
        assert criterion.state() == {"estimated_rate": pytest.approx(1 - float(t.diagonal().mean()))}

    def test_backward_with_an_estimate_without_inverse_is_finite(self) -> None:
        logits, labels = batch()
        criterion = make("backward:start=0").begin(LossContext(K, 10))
        criterion.begin_epoch(1, 4, lambda: torch.full((10, K), 1 / K))
        assert criterion(logits, labels, torch.arange(7)).isfinite().all()


class TestTruncated:
    def test_classes_above_are_all_that_are(self) -> None:
        p = torch.tensor(np.random.default_rng(0).dirichlet([0.5] * 6, 300)).float()
        for kappa in (0.05, 0.15, 0.34, 0.5, 0.9):
            for row, found in zip(p.tolist(), classes_above(p, kappa).tolist(), strict=True):
                assert {c for c in found if c >= 0} == {c for c, q in enumerate(row) if q > kappa}

    def test_weights_by_a_slow_loop(self) -> None:
        """Zhang & Sabuncu, 3.3: w = 1 iff L(p_y) < L(kappa) in the probabilities that were looked at."""
        logits, labels = batch()
        rows = torch.tensor([5, 0, 9, 3, 7, 2, 1])
        looked = torch.tensor(np.random.default_rng(3).dirichlet([0.4] * K, 10)).float()
        criterion = make("truncated_gce:start=0,kappa=0.3").begin(LossContext(K, 10))
        criterion.begin_epoch(1, 10, lambda: looked)
        logits.requires_grad_()
        losses = criterion(logits, labels, rows)
        (slope,) = torch.autograd.grad(losses.sum(), logits)
        at_kappa = (1 - 0.3**0.7) / 0.7
        kept = []
        for b, (row, label) in enumerate(zip(rows.tolist(), labels.tolist(), strict=True)):
            p_then, p_now = float(looked[row, label]), logits[b].softmax(0)[label].item()
            kept.append((1 - p_then**0.7) / 0.7 < at_kappa)
            assert losses[b].item() == pytest.approx((1 - p_now**0.7) / 0.7 if kept[-1] else at_kappa)
            assert bool(slope[b].abs().sum() > 0) == kept[-1]
        assert 0 < sum(kept) < 7
        assert criterion.state() == {"kept_share": pytest.approx(sum(kept) / 7)}

    def test_looks_at_the_released_codes_epochs(self) -> None:
        """40 of 120 epochs, then every 10: 40, 50, ... counted from 0 there, from 1 here."""
        criterion = make("truncated_gce").begin(LossContext(K, 10))
        looks = epochs_looked_at(criterion, range(1, 121), 120, torch.full((10, K), 0.2))
        assert looks == [41, 51, 61, 71, 81, 91, 101, 111]

    def test_never_begins_at_start_one(self) -> None:
        logits, labels = batch()
        criterion = make("truncated_gce:start=1").begin(LossContext(K, 10))
        for epoch in range(1, 4):
            criterion.begin_epoch(epoch, 3, lambda: torch.zeros(10, K))
        assert torch.equal(criterion(logits, labels, torch.arange(7)), make("gce").per_example(logits, labels))


def unfitted_gradient(text: str, scale: float) -> Tensor:
    """Slope in the ten cosines of a wrongly labelled example: on class 0, labelled 1, at right angles to 1 to 9."""
    cosines = F.one_hot(torch.tensor([0]), 10).double().requires_grad_()
    (slope,) = torch.autograd.grad(make(text).per_example(scale * cosines, torch.tensor([1])).sum(), cosines)
    return slope[0]


class TestSaturatedCosineSoftmax:
    """Factors beside cross-entropy's gradient; p_y there is 1 / (e^s + 9), so that each has a closed form."""

    @pytest.mark.parametrize(
        ("text", "factors"),
        [
            ("mae", (4.54e-5, 2.06e-9, 1.60e-28)),
            ("gce", (9.12e-4, 8.32e-7, 3.50e-20)),
            ("forward:transition=symmetric:0.4", (5.67e-4, 2.58e-8, 2.00e-27)),
            ("nce", (9.88e-3, 4.94e-3, 1.54e-3)),
            ("sce", (0.1, 0.1, 0.1)),
            ("soft_bootstrap", (0.95, 0.95, 0.95)),
            ("hard_bootstrap", (0.8, 0.8, 0.8)),
            ("label_smoothing", (0.91, 0.91, 0.91)),  # two targets: 1 - 0.1 + 0.1 / 10 on y is asked for
            ("focal", (1.0, 1.0, 1.0)),
            ("sparsemax", (1.0, 1.0, 1.0)),
        ],
    )
    def test_pull_on_the_target(self, text: str, factors: tuple[float, ...]) -> None:
        for scale, factor in zip((10, 20, 64), factors, strict=True):
            measured = unfitted_gradient(text, scale)[1] / unfitted_gradient("ce", scale)[1]
            assert float(measured) == pytest.approx(factor, rel=5e-3)

    @pytest.mark.parametrize("scale", [10, 20, 64])
    def test_factors_are_powers_of_the_target_probability(self, scale: int) -> None:
        p = 1 / (math.exp(scale) + 9)
        ce = unfitted_gradient("ce", scale)
        assert torch.allclose(unfitted_gradient("mae", scale), p * ce, rtol=1e-9, atol=0)
        assert torch.allclose(unfitted_gradient("gce", scale), p**0.7 * ce, rtol=1e-9, atol=0)
        assert float(ce[1]) == pytest.approx(-scale, rel=1e-4)  # cross-entropy's does not fade

    def test_sface_pulls_with_the_scale(self) -> None:
        assert float(unfitted_gradient("sface:scale=64", 64)[1]) == pytest.approx(-64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label_smoothing:epsilon=1.1", "epsilon must be in [0, 1]; got 1.1"),
        ("gce:q=-0.1", "q must be in [0, 1]; got -0.1"),
        ("truncated_gce:kappa=0", "kappa must be above 0; got 0.0"),
        ("truncated_gce:kappa=1", "kappa must be below 1; got 1.0"),
        ("truncated_gce:every=0", "every must be at least 1; got 0"),
        ("sce:alpha=0,beta=0", "alpha or beta must be above 0; got 0 and 0"),
        ("sce:a_reading=code", "must be 'clamp' or 'paper'"),
        ("nce_mae:beta=-1", "beta must be at least 0; got -1.0"),
        ("nfl:gamma=-1", "gamma must be at least 0; got -1.0"),
        ("soft_bootstrap:beta=2", "beta must be in [0, 1]; got 2.0"),
        ("hard_bootstrap:beta=2", "beta must be in [0, 1]; got 2.0"),
        ("focal:gamma=-1", "gamma must be at least 0; got -1.0"),
        ("one_vs_all:alpha=1", "alpha must be below 1"),
        ("sface:scale=0", "scale must be above 0; got 0.0"),
        ("sface:a=4", "a must be in [0, 3.14159]; got 4.0"),
        ("forward:transition=orakel", "transition must be estimated, oracle, symmetric:RATE or a K x K matrix"),
        ("forward:transition=symmetric:2", "rate must be in [0, 1]; got 2.0"),
        ("forward:transition=symmetric:x", "rate must be in [0, 1]; got nan"),
        ("forward:transition=[[0.5,0.4],[0,1]]", "rows of a transition matrix must sum to one; got sums from 0.9 to 1"),
        ("forward:transition=[[1.5,-0.5],[0,1]]", "must be in [0, 1]; got from -0.5 to 1.5"),
        ("forward:transition=[[1,0]]", "must be K x K; got 1 rows of lengths [2]"),
        ("backward:percentile=0", "percentile must be above 0; got 0.0"),
        ("backward:start=2", "start must be in [0, 1]; got 2.0"),
    ],
)
def test_refusals_say_what_must_hold(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        make(text)
    assert message in str(refused.value)


def test_every_class_and_scale_of_a_batch_split_gives_the_same_numbers() -> None:
    """Float32, K = 10: one batch or ten, bit for bit is not promised by torch, six digits are."""
    logits = 20 * torch.randn(40, 10, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(40) % 10
    for text in itertools.filterfalse(lambda text: "[[" in text, CASES):
        loss = make(text)
        parts = torch.cat([loss.per_example(x, y) for x, y in zip(logits.split(4), labels.split(4), strict=True)])
        assert torch.allclose(loss.per_example(logits, labels), parts, rtol=1e-5, atol=1e-5)
