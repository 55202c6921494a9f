"""``noisylabels verify``: any saved model against pairs of people it was not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisylabels.cli import options

if TYPE_CHECKING:
    from noisylabels.metrics.verification import View2
    from noisylabels.trained import Trained
    from noisylabels.verifying import Verified


def verify(
    checkpoint: Annotated[
        Path, typer.Argument(help="model.pt or the run folder that holds it (train --keep-model); or a state_dict.")
    ],
    pairs: Annotated[
        str, typer.Option(help="lfw | lfw:view=1 | ytf | bin:file=lfw.bin | list:file=pairs.txt,images=DIR")
    ],
    model: Annotated[
        str | None, typer.Option(help="What a state_dict of elsewhere is of, e.g. iresnet50; pixels in [-1, 1].")
    ] = None,
    size: Annotated[int, typer.Option(min=1, max=1024, help="With --model: side of its images, pixels.")] = 112,
    grey: Annotated[bool, typer.Option("--grey", help="With --model: one channel.")] = False,
    device: options.Device = "auto",
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Verification accuracy, AUC, EER, TAR@FAR and open-set identification of a saved model.

    Original and mirrored embeddings are summed; thresholds come from the other folds; intervals are bootstrapped over
    people where the pairs say who they show.
    """
    from noisylabels import catalog
    from noisylabels.data.pair_sets import PAIR_SETS
    from noisylabels.training.device import pick_device
    from noisylabels.verifying import verify as verified

    wanted = catalog.build(PAIR_SETS, pairs, what="pair set")
    trained = _trained(checkpoint, model, size, grey, pick_device(device))
    found = verified(trained, wanted.load(options.data_folder(data), size=trained.size, grey=trained.channels == 1))
    if as_json:
        typer.echo(json.dumps(_as_json(trained, pairs, found)))
        return
    typer.echo("\n".join(_lines(trained, pairs, found)))


def _trained(checkpoint: Path, model: str | None, size: int, grey: bool, device: Any) -> Trained:
    from noisylabels.trained import load_trained, load_weights

    if model is None:
        return load_trained(checkpoint, device)
    return load_weights(checkpoint, model, channels=1 if grey else 3, size=size, device=device)


def _lines(trained: Trained, pairs: str, found: Verified) -> list[str]:
    lines = [trained.about, f"{pairs}: {found.coverage}"]
    if found.trained_on:
        first = f"{found.trained_on[0]!r} and {len(found.trained_on) - 1} more" if len(found.trained_on) > 1 else ""
        lines.append(f"WARNING: {first or repr(found.trained_on[0])} were trained on: these are not new people")
    for m in found.measured:
        if m.value is None:
            value = f"undefined ({m.note})"
        else:
            value = f"{m.value:.2%}" if m.unit == "share" else f"{m.value:.4f}"
        ends = "" if m.interval is None else f"  [{m.interval[0]:.4f}, {m.interval[1]:.4f}] over people"
        lines.append(
            f"  {m.name:24} {value:>10}  {'higher' if m.higher_is_better else 'lower'} is better, n = {m.n}{ends}"
        )
    if found.folds is not None:
        lines.append(_fold_line("folds", found.folds))
    if found.by_mean_embeddings is not None:
        lines.append(_fold_line("videos by their mean embeddings", found.by_mean_embeddings))
    if found.resolution is not None:
        lines.append(f"differences below {100 * found.resolution:.2f} points are within what so many pairs resolve")
    return lines


def _fold_line(what: str, folds: View2) -> str:
    return f"  {what}: {folds.mean:.2%} +- {folds.standard_error:.2%} (standard error over {len(folds.folds)})"


def _as_json(trained: Trained, pairs: str, found: Verified) -> dict[str, Any]:
    return {
        "model": trained.about,
        "pairs": pairs,
        "coverage": found.coverage,
        "measured": [vars(m) for m in found.measured],
        "folds": _fold_values(found.folds),
        "by_mean_embeddings": _fold_values(found.by_mean_embeddings),
        "resolution": found.resolution,
        "trained_on": list(found.trained_on),
    }


def _fold_values(folds: View2 | None) -> dict[str, Any] | None:
    if folds is None:
        return None
    return {
        "mean": folds.mean,
        "standard_error": folds.standard_error,
        "accuracies": [fold.accuracy for fold in folds.folds],
        "thresholds": [fold.threshold for fold in folds.folds],
    }
