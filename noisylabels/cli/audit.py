"""``noisylabels audit``: what is wrong in a data set's labels, and a cleaned file of labels."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from noisylabels.catalog import UsageError
from noisylabels.cli import options
from noisylabels.cli.examples import examples
from noisylabels.cli.interrupted import interruptible

if TYPE_CHECKING:
    from noisylabels.audit.audited import Audit
    from noisylabels.audit.auditing import Material
    from noisylabels.audit.cleaning import Cleaned
    from noisylabels.spec import RunSpec

WHOLE = "dataset"
"""The command that ``noisylabels audit DATASET`` is short for."""


class _DatasetFirst(TyperGroup):
    """``audit DATASET ...`` is ``audit dataset DATASET ...``: a first word that is no command is a data set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [WHOLE, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_DatasetFirst,
    no_args_is_help=True,
    help="Find wrong labels: noisylabels audit DATASET --out FOLDER (audit dataset --help lists all options).",
    epilog=examples("audit"),
)


@app.command(WHOLE, epilog=examples(f"audit {WHOLE}"))
def audit(
    dataset: Annotated[str, typer.Argument(help="e.g. folder:root=pets, cifar10:per_class=1000")],
    out: Annotated[Path, typer.Option(help="Folder for the review sheet, the list of actions and the answer.")],
    corruption: Annotated[str, typer.Option(help="Noise to inject first; the own labels are then the truth.")] = (
        "clean"
    ),
    labels: Annotated[Path | None, typer.Option(help="Given labels in a .npz or .pt file, by image id.")] = None,
    label_set: Annotated[str, typer.Option(help="With --labels: which of the file's label sets.")] = "given_label",
    split: Annotated[str, typer.Option(help="pool (all but the test images) | test")] = "pool",
    probabilities: Annotated[
        Path | None, typer.Option(help="Predicted probabilities of yours, .npy or .npz (rows, K), and no training.")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help="Embeddings of yours, .npy or .npz (rows, D), and no training: faces.")
    ] = None,
    in_sample: Annotated[bool, typer.Option("--in-sample", help="Your model was trained on these labels.")] = False,
    folds: Annotated[int, typer.Option(min=2, help="Trainings, each without one fold of the images.")] = 5,
    model: Annotated[str, typer.Option(help="e.g. resnet8:width=16")] = "small_cnn",
    head: Annotated[str, typer.Option(help="e.g. cam_softmax:schedule=ramp")] = "softmax",
    loss: Annotated[str, typer.Option()] = "ce",
    strategy: Annotated[str, typer.Option()] = "standard",
    seed: Annotated[int, typer.Option(min=0, help="Folds, weights, order, injected noise, bootstrap.")] = 0,
    setting: options.Setting = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="What do the errors cost, and what would cleaning buy? Trains more.")
    ] = False,
    what_if_seeds: Annotated[int, typer.Option(min=1, help="With --what-if: repetitions.")] = 1,
    show: Annotated[int, typer.Option(min=1, help="Findings of each kind with pictures in the sheet.")] = 200,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1,
    device: options.Device = "auto",
    download: options.Download = False,
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find wrong labels, estimate how many there are and of what kind, and suggest what to do about each."""
    if split not in ("pool", "test"):
        raise UsageError(f"--split must be pool or test; got {split!r}")
    if in_sample and probabilities is None and embeddings is None:
        raise UsageError("--in-sample is about --probabilities or --embeddings of yours; give either")
    import torch

    from noisylabels.audit.auditing import Material, audit_with
    from noisylabels.audit.folder import write_audit
    from noisylabels.audit.subject import subject
    from noisylabels.cli.counting import counted
    from noisylabels.spec import RunSpec

    torch.set_num_threads(threads)
    root = options.data_folder(data)
    values = {"dataset": dataset, "corruption": corruption, "head": head, "model": model, "loss": loss}
    values |= {"strategy": strategy, "seed": seed, "noise_seed": seed}  # type: ignore[dict-item]
    spec = RunSpec.checked(options.apply_settings(values, setting))
    named = None if labels is None else (labels, label_set)
    about = subject(spec, root, split="test" if split == "test" else "pool", labels=named, download=download)
    material = Material(probabilities, embeddings, in_sample, folds, device)
    with interruptible("run the same command again"):
        with counted("trainings", quiet=quiet) as on_fold:
            found, used = audit_with(spec, about, material, on_fold=on_fold)
        if what_if:
            found = _with_scenarios(spec, found, material, range(seed, seed + what_if_seeds), quiet=quiet)
    written = write_audit(out, found, used, shown=show)
    if as_json:
        from noisylabels.audit.audited import summary

        typer.echo(json.dumps({"out": str(out), "files": written, **summary(found)}))
        return
    typer.echo("\n".join([*_lines(found), *(str(out / name) for name in written)]))


def _with_scenarios(spec: RunSpec, found: Audit, material: Material, seeds: range, *, quiet: bool) -> Audit:
    from noisylabels.audit.auditing import scenarios
    from noisylabels.cli.counting import counted

    with counted("trainings of what-if", quiet=quiet) as on_training:
        compared = scenarios(
            spec, found, folds=material.folds, device=material.device, seeds=seeds, on_training=on_training
        )
    return dataclasses.replace(found, scenarios=compared)


def _lines(found: Audit) -> list[str]:
    from noisylabels.audit.sheet_content import answer

    about = found.subject
    lines = [f"{about.text}: {len(about):,} images, {about.images.num_classes:,} classes. {found.how}", *answer(found)]
    for one in found.qualities:
        where = "in sample" if one.in_sample else "out of sample"
        lines.append(
            f"  {one.detector:24} {one.noise:14} average precision {one.average_precision:.3f}  AUROC {one.auroc:.3f}  "
            f"precision at {one.wrong:,}: {one.precision_at_count:.3f}  ({where}, n = {one.n:,})"
        )
    noisy = next((one.mean for one in found.scenarios if one.name == "noisy"), 0.0)
    for scenario in found.scenarios:
        lines.append(
            f"  {scenario.name:10} {scenario.wrong:6.1%} wrong  test accuracy {scenario.mean:.1%}  "
            f"({100 * (scenario.mean - noisy):+.1f} points against noisy, {len(scenario.accuracies)} seeds)"
        )
    return lines


@app.command("apply", epilog=examples("audit apply"))
def apply(
    audited: Annotated[Path, typer.Argument(metavar="AUDIT", help="Folder that an audit has left.")],
    out: Annotated[Path, typer.Option(help="File for the cleaned labels, .npz; the undo record goes beside it.")],
    actions: Annotated[Path | None, typer.Option(help="List of actions, as you edited it. Default: the audit's.")] = (
        None
    ),
    take: Annotated[str, typer.Option(help="Actions to take, of relabel, remove, merge.")] = "relabel",
    top: Annotated[
        float, typer.Option(min=0, max=1, help="Share of all images: only so many lines of the list, from its top.")
    ] = 1.0,
    as_json: options.AsJson = False,
) -> None:
    """Write cleaned labels and a record that undoes them; no image is read or touched."""
    from noisylabels.audit.actions import read_actions
    from noisylabels.audit.cleaning import TAKEN, clean, write_cleaned
    from noisylabels.audit.folder import ACTIONS, audited_labels
    from noisylabels.catalog import unknown

    wanted = [name.strip() for name in take.split(",") if name.strip()]
    for name in wanted:
        if name not in TAKEN:
            raise UsageError(unknown("action to take", name, TAKEN))
    ids, given, num_classes, text = audited_labels(audited)
    rows = read_actions(actions or audited / ACTIONS)[: round(top * len(ids))]
    labels = clean(ids, given, rows, num_classes, [name for name in TAKEN if name in wanted])
    files = [str(path) for path in write_cleaned(out, labels, text)]
    _say_changed(text, labels, files, as_json=as_json)


@app.command("undo", epilog=examples("audit undo"))
def undo(
    cleaned: Annotated[Path, typer.Argument(metavar="CLEANED", help="Labels that audit apply wrote, .npz.")],
    out: Annotated[Path, typer.Option(help="File for the labels as they were, .npz.")],
    record: Annotated[Path | None, typer.Option(help="The undo record. Default: the one beside the labels.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Take back what audit apply changed, change by change, and verify that the labels are as they were."""
    from noisylabels.audit.cleaning import undone, write_cleaned

    where = record or cleaned.with_suffix(".undo.json")
    labels = undone(cleaned, where)
    files = [str(path) for path in write_cleaned(out, labels, f"undone by {where.name}")]
    _say_changed(str(cleaned), labels, files, as_json=as_json)


def _say_changed(text: str, labels: Cleaned, files: list[str], *, as_json: bool) -> None:
    changed, removed = len(labels.changed), int((labels.cleaned < 0).sum())
    if as_json:
        typer.echo(json.dumps({"files": files, "images": len(labels.ids), "changed": changed, "removed": removed}))
        return
    typer.echo(f"{text}: {changed:,} of {len(labels.ids):,} labels changed, {removed:,} left out")
    typer.echo("\n".join(files))
