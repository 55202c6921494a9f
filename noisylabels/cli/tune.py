"""``noisylabels tune``: every method of a study gets the same counted budget, judged by noisy labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options
from noisylabels.cli.interrupted import interruptible

if TYPE_CHECKING:
    from noisylabels.engines import Engine
    from noisylabels.engines.worker import Place
    from noisylabels.spec import RunSpec
    from noisylabels.store import StudyFolder
    from noisylabels.tuning.plan import TuningPlan
    from noisylabels.tuning.record import TunedMethod, Tuning


def tune(
    study: Annotated[str, typer.Argument(help="A study that ships, or a study.toml, or one that was run here.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of every method, the study's own values included.")] = 20,
    corruption: Annotated[
        str | None, typer.Option(metavar="NAME[:KEY=VALUE...]", help="Tune under this. Default: the middle level.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the suggestions; noise and weights have 10,000 more.")] = 0,
    sampler: Annotated[str, typer.Option(metavar="NAME[:KEY=VALUE...]", help="random, or tpe.")] = "random",
    space: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file of ranges.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The study file to write. Default: STUDY-tuned/study.toml.")
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME[:KEY=VALUE...]", help="Where trials execute.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at a time. Default: one a core.")] = None,
    device: options.Device = "auto",
    download: options.Download = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print budget and spaces; run nothing.")] = False,
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Search each method's parameters with the same number of trials; write the study with what was chosen.

    Trials are judged by held-out noisy labels only. They are stored as the study STUDY-tuning; the same command goes
    on after an interruption.
    """
    from noisylabels.catalog import build
    from noisylabels.engines import ENGINES
    from noisylabels.engines.worker import Place
    from noisylabels.store import StudyFolder
    from noisylabels.tuning.tuned_study import refuse_to_replace

    root, store = options.data_folder(data), options.runs_folder(runs)
    plan = _plan(study, store, corruption=corruption, trials=trials, seed=seed, sampler=sampler, space=space)
    file = out or Path(plan.tuned_name) / "study.toml"
    refuse_to_replace(file)
    folder = StudyFolder(store / plan.name)
    if dry_run:
        typer.echo(_dry_run(plan, folder, file, as_json=as_json))
        return
    carrier, place = build(ENGINES, engine, what="engine"), Place(data=root, device=device, download=download)
    with interruptible("the same command goes on from here"):
        tuning = _tuned(plan, folder, place, carrier, workers=workers, quiet=quiet)
    written = _write(plan, tuning, file, store)
    typer.echo(json.dumps(tuning.model_dump(mode="json") | written) if as_json else _text(tuning, written))
    if any(trial.status == "failed" for method in tuning.methods for trial in method.trials):
        raise typer.Exit(1)


def _plan(
    name: str, store: Path, *, corruption: str | None, trials: int, seed: int, sampler: str, space: Path | None
) -> TuningPlan:
    from noisylabels.catalog import build
    from noisylabels.cli.stored import stored_study
    from noisylabels.spec import canonical
    from noisylabels.tuning.plan import TuningPlan, default_corruption, methods_of
    from noisylabels.tuning.sampling import SAMPLERS, optuna
    from noisylabels.tuning.space_file import read_space
    from noisylabels.tuning.tuned_study import toml_writer

    optuna(), toml_writer()  # what is missing is said before anything is done
    study, _ = stored_study(name, store)
    return TuningPlan(
        study=study,
        corruption=canonical("corruption", corruption) if corruption else default_corruption(study),
        trials=trials,
        sampler=build(SAMPLERS, sampler, what="sampler"),
        seed=seed,
        changes=read_space(space, methods_of(study)) if space else {},
    )


def _tuned(
    plan: TuningPlan, folder: StudyFolder, place: Place, engine: Engine, *, workers: int | None, quiet: bool
) -> Tuning:
    """Check, then search, under the lock of the tuning's study."""
    from noisylabels.cli.progress import SweepProgress
    from noisylabels.ownership import locked
    from noisylabels.problem import check_padding, pose
    from noisylabels.training.device import pick_device
    from noisylabels.tuning.search import search

    def run_all(specs: Sequence[RunSpec]) -> None:
        with SweepProgress(plan.trials * len(plan.candidates), specs, folder, quiet=quiet) as progress:
            engine.run(specs, folder, place, workers=workers or engine.default_workers(), observe=progress.update)

    with locked(folder.path):
        pick_device(place.device)
        first = plan.candidates[0].spec
        problem = pose(first, place.data, download=place.download)
        check_padding(first.train, problem.train.images.shape[-1])
        if not len(problem.validation):
            raise UsageError(
                "tuning judges by noisy validation labels: the data set must hold some out, such as validation=0.1; "
                f"got {first.short('dataset')!r}"
            )
        return search(plan, folder, run_all)


def _write(plan: TuningPlan, tuning: Tuning, file: Path, store: Path) -> dict[str, str]:
    """The tuned study with its trials beside it; a copy of those where the tuned study's report will look."""
    from noisylabels.tuning.record import FILE_NAME
    from noisylabels.tuning.tuned_study import tuned_study, write_study

    beside = file.with_name(FILE_NAME)
    for path in (beside, store / plan.tuned_name / FILE_NAME):
        tuning.write(path)
    write_study(file, tuned_study(plan.study, tuning))
    return {"study_file": str(file), "tuning_file": str(beside)}


def _dry_run(plan: TuningPlan, folder: StudyFolder, file: Path, *, as_json: bool) -> str:
    spaces = {candidate.method: candidate.space for candidate in plan.candidates}
    runs = plan.trials * len(spaces)
    done = sum(1 for _ in folder.path.glob("runs/*/result.json"))
    if as_json:
        shown = {method: {key: found.model_dump() for key, found in space.items()} for method, space in spaces.items()}
        answer = {"study": plan.study.name, "corruption": plan.corruption, "trials": plan.trials, "runs": runs}
        return json.dumps(answer | {"run_seed": plan.run_seed, "stored_runs": done, "spaces": shown})
    lines = []
    for method, space in spaces.items():
        lines += [f"{method}: {len(space)} tuned parameters", *(f"  {name}: {found}" for name, found in space.items())]
    budget = f"{len(spaces)} methods, {plan.trials} trials each: {runs} runs under {plan.corruption}"
    return "\n".join([*lines, f"{budget}, seed {plan.run_seed}; {done} runs stored; presets go to {file}"])


def _text(tuning: Tuning, written: dict[str, str]) -> str:
    epoch = "at the last epoch" if tuning.criterion == "last_epoch" else "at the best epoch by them"
    first = (
        f"{tuning.study}: {tuning.budget} trials a method under {tuning.corruption}, seed {tuning.run_seed}, judged by "
        f"noisy validation labels {epoch}"
    )
    rows = [_row(method) for method in tuning.methods]
    return "\n".join([first, *rows, f"presets: {written['study_file']}", f"trials:  {written['tuning_file']}"])


def _row(method: TunedMethod) -> str:
    """A method's tuning in a line."""
    best = method.trials[method.chosen - 1]
    broken = [trial.status for trial in method.trials if trial.status != "ok"]
    values = ", ".join(f"{name}={value}" for name, value in best.parameters.items()) or "the study's own values"
    gone = "".join(f"; {broken.count(status)} {status}" for status in sorted(set(broken)))
    return (
        f"{method.method}: {len(method.space)} tuned parameters, {100 * method.trials[0].score:.1f} % by default, "
        f"{100 * best.score:.1f} % in trial {best.number} ({values}){gone}"
    )
