"""Every head, regulariser, loss and strategy trains on the digits through the command line's own path."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from noisylabels.catalog import UsageError
from noisylabels.heads import HEADS, REGULARISERS
from noisylabels.losses import LOSSES
from noisylabels.losses.corrected import CorrectedCriterion
from noisylabels.losses.generalised_cross_entropy import TruncatedCriterion
from noisylabels.problem import pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec
from noisylabels.strategies import STRATEGIES
from noisylabels.strategies.elr import ElrLearning

HERE = Path("nowhere")
RUN: dict[str, Any] = {
    "dataset": "digits:per_class=20,test_per_class=10",
    "corruption": "symmetric:rate=0.3",
    "model": "small_cnn:width=4",
    "train": {"epochs": 3, "batch_size": 32, "learning_rate": 0.05, "crop_padding": 1},
}
LOSS_OF = {"sphereface2": "one_vs_all", "sface": "sface", "angular_sparsemax": "sparsemax"}
"""The loss of a head that goes with one only."""

HEAD_OF = {"noiseface": "arcface", "boundaryface": "arcface", "subcenter_cleaning": "subcenter_arcface"}
"""A head for a strategy that does not go with every one."""

METHODS = [
    *({"head": name, "loss": LOSS_OF.get(name, "ce")} for name in HEADS),
    *({"head": f"softmax + {name}"} for name in REGULARISERS),
    *({"head": "softmax", "loss": name} for name in LOSSES if name not in LOSS_OF.values()),
    *({"head": HEAD_OF.get(name, "softmax"), "strategy": name} for name in STRATEGIES),
    {"head": "softmax", "strategy": "p_diff:window=3"},
    {"head": "softmax", "strategy": "p_diff:window=3,mode=unknown"},
    {"head": "arcface + cc", "strategy": "noiseface:window=2"},
    {"head": "arcface", "strategy": "boundaryface:start=0,margin=0.1"},
    {"head": "subcenter_arcface", "strategy": "subcenter_cleaning:start=0.3,angle_deg=88"},
    {"head": "cosface:margin=0.2 + ring + opl", "loss": "gce", "strategy": "elr"},
    {"head": "softmax", "loss": "forward:transition=oracle"},
    {"head": "softmax", "loss": "truncated_gce:start=0.4", "strategy": "mixup"},
]


class KilledError(Exception):
    """The run is killed."""


class Kept:
    """Checkpoints as a store keeps them: bytes in between. Raises after the given epoch was kept."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stored: bytes | None = None
        self.stop_after = stop_after

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        buffer = io.BytesIO()
        torch.save(content(), buffer)
        self.stored = buffer.getvalue()
        if content()["training"]["epochs_done"] == self.stop_after:
            raise KilledError

    def latest(self) -> dict[str, Any] | None:
        return None if self.stored is None else torch.load(io.BytesIO(self.stored), weights_only=True)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: "+".join(method.values()))
def test_it_trains_and_going_on_after_a_kill_is_the_undisturbed_run_bit_for_bit(method: dict[str, str]) -> None:
    """Three epochs, killed after the second, so that what was learnt in the first must be remembered, too."""
    spec = RunSpec.checked(RUN | method)
    assert RunSpec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id
    problem = pose(spec, HERE)
    undisturbed = execute(spec, problem, device="cpu")
    assert undisturbed.status in ("ok", "collapsed"), undisturbed.reason
    assert undisturbed.value("accuracy") is not None
    kept = Kept(stop_after=2)
    with pytest.raises(KilledError):
        execute(spec, problem, device="cpu", checkpoints=kept)
    kept.stop_after = None
    seen: list[int] = []
    resumed = execute(spec, problem, device="cpu", checkpoints=kept, on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert seen == [1, 2, 3]
    assert resumed.history == undisturbed.history
    assert resumed.measurements == undisturbed.measurements
    assert resumed.profiles == undisturbed.profiles


FORGETFUL: list[tuple[type[Any], dict[str, str]]] = [
    (ElrLearning, {"head": "softmax", "strategy": "elr"}),
    (TruncatedCriterion, {"head": "softmax", "loss": "truncated_gce:start=0.4,kappa=0.2"}),
    (CorrectedCriterion, {"head": "softmax", "loss": "forward:transition=estimated,start=0.4"}),
]
"""Parts that learn on the way, and a run in which it matters."""


@pytest.mark.parametrize(("part", "method"), FORGETFUL, ids=lambda value: getattr(value, "__name__", ""))
def test_a_part_that_forgets_is_found_out(
    part: type[Any], method: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    test_it_trains_and_going_on_after_a_kill_is_the_undisturbed_run_bit_for_bit(method)
    monkeypatch.setattr(part, "remembers", ())
    with pytest.raises(AssertionError):
        test_it_trains_and_going_on_after_a_kill_is_the_undisturbed_run_bit_for_bit(method)


def test_a_checkpoint_of_other_software_is_not_gone_on_from() -> None:
    spec = RunSpec.checked(RUN | {"head": "softmax"})
    problem = pose(spec, HERE)
    kept = Kept()
    undisturbed = execute(spec, problem, device="cpu", checkpoints=kept)
    content = kept.latest()
    assert content is not None
    for broken in (content | {"setting": {"torch": "1.0"}}, content | {"training": {"epochs_done": 1}}):
        buffer = io.BytesIO()
        torch.save(broken, buffer)
        kept.stored = buffer.getvalue()
        assert execute(spec, problem, device="cpu", checkpoints=kept).history == undisturbed.history


@pytest.mark.parametrize("head", LOSS_OF)
def test_a_head_that_goes_with_one_loss_says_so_before_anything_runs(head: str) -> None:
    with pytest.raises(UsageError, match=rf"head '{head}' makes logits for the loss '{LOSS_OF[head]}' only; got 'ce'"):
        RunSpec.checked(RUN | {"head": head})
    with pytest.raises(UsageError, match="makes logits for the loss"):
        RunSpec.checked(RUN | {"head": f"{head} + ring"})


def test_a_strategy_of_angles_needs_a_head_that_has_them() -> None:
    with pytest.raises(UsageError, match=r"'noiseface' reads angles: .* such as 'arcface'; got 'softmax'"):
        RunSpec.checked(RUN | {"head": "softmax", "strategy": "noiseface"})
    with pytest.raises(UsageError, match=r"needs a head of several centres a class, .*; got 'cosface'"):
        RunSpec.checked(RUN | {"head": "cosface", "strategy": "subcenter_cleaning"})
    assert RunSpec.checked(RUN | {"head": "cam_softmax:subcenters=2", "strategy": "subcenter_cleaning"})
    assert RunSpec.checked(RUN | {"head": "cosface + ring", "strategy": "noiseface"})


def test_a_head_and_its_loss_must_have_one_scale() -> None:
    with pytest.raises(UsageError, match=r"head 'sface' and its loss must have the same scale; got 20.0 and 64.0"):
        RunSpec.checked(RUN | {"head": "sface", "loss": "sface:scale=64"})


def test_a_transition_matrix_of_split_identities_is_refused_before_anything_runs() -> None:
    spec = RunSpec.checked(RUN | {"loss": "forward:transition=oracle", "corruption": "identity_split:rate=0.3"})
    with pytest.raises(UsageError, match=r"needs one label a class; .* splits identities"):
        pose(spec, HERE)


def test_a_regulariser_alone_is_no_head() -> None:
    with pytest.raises(UsageError, match=r"center is added to a head, as in 'softmax \+ center'; got 'center' alone"):
        RunSpec.checked(RUN | {"head": "center"})


def test_a_regulariser_of_class_weights_needs_some() -> None:
    with pytest.raises(UsageError, match=r"dual_ring needs a head .* are trained; fixed_simplex has none"):
        RunSpec.checked(RUN | {"head": "fixed_simplex + dual_ring"})


def test_what_is_told_the_truth_says_so() -> None:
    spec = RunSpec.checked(RUN | {"loss": "forward:transition=oracle", "strategy": "co_teaching"})
    assert spec.plugin("loss").oracle_knowledge
    assert spec.plugin("strategy").oracle_knowledge == "the true noise rate"
