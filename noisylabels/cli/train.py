"""``noisylabels train``: one run, in this process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.cli import options
from noisylabels.cli.interrupted import interruptible
from noisylabels.cli.tracked import Track

SINGLE_RUNS = "_train"
"""Under the runs folder; no study can have this name."""

if TYPE_CHECKING:
    from noisylabels.result import Epoch, RunResult


def train(
    dataset: Annotated[str, typer.Option(help="e.g. digits, cifar10:per_class=500")],
    corruption: Annotated[str, typer.Option(help="e.g. symmetric:rate=0.4")] = "clean",
    head: Annotated[str, typer.Option(help="e.g. cam_softmax:schedule=ramp")] = "softmax",
    model: Annotated[str, typer.Option(help="e.g. resnet8:width=16")] = "small_cnn",
    loss: Annotated[str, typer.Option()] = "ce",
    strategy: Annotated[str, typer.Option()] = "standard",
    seed: Annotated[int, typer.Option(min=0, help="Weights, order and augmentation.")] = 0,
    noise_seed: Annotated[int | None, typer.Option(min=0, help="Which labels are wrong. Default: the seed.")] = None,
    setting: options.Setting = None,
    keep_model: Annotated[bool, typer.Option("--keep-model", help="Keep the weights, for noisylabels verify.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1,
    track: Track = "none",
    device: options.Device = "auto",
    download: options.Download = False,
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Train and measure one run; a run that is done already is only shown."""
    from noisylabels.cli.tracked import order_for, telling, tracker_asked_for
    from noisylabels.engines.worker import Place, work
    from noisylabels.ownership import locked
    from noisylabels.spec import RunSpec
    from noisylabels.store import StudyFolder
    from noisylabels.trained import FILE

    root = options.data_folder(data)
    values = {"dataset": dataset, "corruption": corruption, "head": head, "model": model, "loss": loss}
    values |= {"strategy": strategy, "seed": seed, "noise_seed": seed if noise_seed is None else noise_seed}  # type: ignore[dict-item]
    spec = RunSpec.checked(options.apply_settings(values, setting))
    study = StudyFolder(options.runs_folder(runs) / SINGLE_RUNS)
    folder = study.run(spec.run_id)
    tracker = tracker_asked_for(track)
    if folder.result() is None or (keep_model and not (folder.path / FILE).exists()):
        place = Place(root, device, threads, download, keep_model)
        hint = "the same command goes on from its last checkpoint"
        tell = order_for(tracker, study, [spec], root, only=True, quiet=quiet)
        with locked(folder.path), interruptible(hint), telling(tell, quiet=quiet):
            folder.begin(spec)
            work(folder, place, on_epoch=lambda epoch: None if quiet else _say(epoch, spec.train.epochs))
    result = folder.result()
    assert result is not None
    typer.echo(json.dumps(result.model_dump(mode="json")) if as_json else summary(result, str(folder.path)))


def _say(epoch: Epoch, epochs: int) -> None:
    loss = "not finite" if epoch.train_loss is None else f"{epoch.train_loss:.3f}"
    moving = "".join(f"  {name} {value:.1f}" for name, value in epoch.head.items())
    line = f"epoch {epoch.epoch}/{epochs}  loss {loss}  fits given {epoch.train_given_accuracy:.1%}"
    sys.stderr.write(f"{line}  clean test {epoch.test_accuracy:.1%}{moving}\n")


def summary(result: RunResult, where: str) -> str:
    """A result for people: status, noise, every measurement with its unit, direction and n."""
    spec = result.spec
    lines = [
        f"run {result.run_id}  {result.status}{': ' + result.reason if result.reason else ''}",
        f"{spec.short('dataset')}  {spec.short('model')}  {spec.method}  seed {spec.seed}",
        f"{spec.short('corruption')}  {result.realised_rate:.2%} of {result.noise['num_examples']} labels wrong",
        "",
    ]
    for m in result.measurements:
        value = "undefined" if m.value is None else f"{m.value:.1%}" if m.unit == "share" else f"{m.value:.4g} {m.unit}"
        direction = "higher" if m.higher_is_better else "lower"
        rule = "" if m.selection == "last_epoch" else f" [{m.selection}]"
        note = f"  ({m.note})" if m.note else ""
        lines.append(f"  {m.name + rule:32} {value:>16}  {direction} is better, n = {m.n}{note}")
    return "\n".join([*lines, "", f"record: {where}"])
