"""``noisylabels reproduce``: a stored run, run again and compared."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisylabels.cli import options
from noisylabels.cli.interrupted import interruptible

if TYPE_CHECKING:
    from noisylabels.reproduction import Difference, Reproduction
    from noisylabels.result import RunResult


def reproduce(
    run: Annotated[str, typer.Argument(help="A run's id, or its first digits: one run here, or a published one.")],
    study: Annotated[str | None, typer.Option(help="Look for it in this study only.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="On another machine: how far shares may differ (0.01 is a point), others by ratio."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads. Default: as recorded.")] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, ... Default: as recorded, if it is here.")
    ] = None,
    download: options.Download = False,
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a stored run again, somewhere else, and say whether its numbers come back; the stored run is left as it is.

    Same versions, code, processor, threads, device and precision: every bit must come back. Elsewhere a share may
    differ by what its n examples can tell two models apart by (99.9 %), any other measurement by a quarter. Exit code 0
    if it is identical or agrees, 1 if it differs; what differs in environment, code or data is named.
    """
    from noisylabels import reproduction
    from noisylabels.cli.stored_runs import find_run
    from noisylabels.engines.worker import Place

    root = options.data_folder(data)
    found = find_run(run, options.runs_folder(runs), study)
    stored = found.result()
    place = Place(root, device or _device(stored), threads or _threads(stored), download)

    with interruptible("the stored run is as it was, and the same command begins anew"):
        answer = reproduction.reproduce(stored, place, tolerance=tolerance, on_epochs=_progress(stored, quiet))
    typer.echo(json.dumps(to_json(answer, found.where)) if as_json else text(answer, stored, found.where))
    if answer.verdict == "differs":
        raise typer.Exit(1)


def _progress(stored: RunResult, quiet: bool) -> Callable[[int], None]:
    """A line on stderr whenever more epochs are done."""
    said = 0

    def say(epochs: int) -> None:
        nonlocal said
        if epochs > said and not quiet:
            sys.stderr.write(f"epoch {epochs}/{stored.spec.train.epochs}\n")
        said = max(said, epochs)

    return say


def _device(stored: RunResult) -> str:
    return "cpu" if stored.provenance.get("device") == "cpu" else "auto"


def _threads(stored: RunResult) -> int:
    recorded = stored.provenance.get("threads")
    return recorded if isinstance(recorded, int) and recorded > 0 else 1


def to_json(answer: Reproduction, where: str) -> dict[str, Any]:
    """For programs."""
    values = dataclasses.asdict(answer)
    values["values"] = [
        row | {"within": value.is_within} for row, value in zip(values["values"], answer.values, strict=True)
    ]
    return {"verdict": answer.verdict, "stored": where, **values}


def text(answer: Reproduction, stored: RunResult, where: str) -> str:
    """For people: the verdict, then everything that is not as it was."""
    from noisylabels.cli.progress import label

    beyond = [value for value in answer.values if not value.is_within]
    count = f"all {answer.compared} values came back, bit for bit"
    if answer.values:
        count = f"{len(answer.values)} of what was recorded came back otherwise, {len(beyond)} beyond what is allowed"
    lines = [f"run {answer.run_id}  {label(stored.spec)}", f"record: {where}", f"{answer.verdict}: {count}"]
    for part in ("environment", "code", "data"):
        changes: Sequence[Difference] = getattr(answer, part)
        lines.append(f"{part}: {'not the same' if changes else 'the same'}")
        lines += [f"  {change.name:28} {_told(change, 'not recorded')}" for change in changes]
    lines += _values(answer)
    if answer.added:
        lines.append(f"not in the record, hence not compared: {', '.join(answer.added)}")
    return "\n".join(lines)


def _values(answer: Reproduction) -> Iterator[str]:
    if answer.values:
        yield "values:"
    for value in sorted(answer.values, key=lambda value: value.is_within):
        allowed = "not judged here" if value.allowed is None else f"may differ by {value.allowed:.3g}"
        where = f" ({value.where})" if value.where else ""
        yield f"  {'' if value.is_within else 'BEYOND '}{value.name}: {_told(value, 'nothing')}{where}, {allowed}"


def _told(change: Difference, absent: str) -> str:
    then, now = (absent if value is None else _shown(value) for value in (change.stored, change.again))
    return f"{then} then, {now} now"


def _shown(value: Any) -> str:
    shown = repr(value) if isinstance(value, float) else str(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"
