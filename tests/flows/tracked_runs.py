"""Finished, broken and unfinished runs on disk, without a training: what a study's folder looks like to a tracker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from corruptions import CorruptedLabels
from noisylabels.attempts import Attempt, record_attempt
from noisylabels.result import Array, Epoch, Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder
from noisylabels.study import Study

CLASSES = 10
PER_CLASS = 12


def study(**values: object) -> Study:
    """Two heads, two rates, one seed: four runs."""
    asked = {
        "name": "tracked",
        "question": "Which head loses less?",
        "base": {"dataset": f"digits:per_class={PER_CLASS},test_per_class=5", "train": {"epochs": 3, "batch_size": 16}},
        "axes": {"head": ["softmax", "arcface:margin=0.2"], "corruption": ["symmetric"], "rate": [0.0, 0.4]},
        "seeds": 1,
        "claims": ["arcface degrades less than softmax in accuracy under symmetric"],
    }
    return Study.checked(asked | values)


def write_study(root: Path, asked: Study | None = None) -> StudyFolder:
    """The study's folder with all its runs done."""
    asked = asked or study()
    folder = StudyFolder(root / asked.name)
    folder.path.mkdir(parents=True)
    (folder.path / "study.json").write_bytes(asked.model_dump_json(indent=1).encode())
    for spec in asked.plan():
        finish(folder.run(spec.run_id), spec)
    return folder


def labels_of(spec: RunSpec) -> CorruptedLabels:
    """The training labels that the run's own data set and corruption give."""
    true = spec.plugin("dataset").prepare(Path()).train
    corrupted: CorruptedLabels = spec.plugin("corruption").apply(
        true.labels, CLASSES, seed=spec.noise_seed, example_ids=true.ids
    )
    return corrupted


def epochs_of(spec: RunSpec, count: int | None = None) -> list[Epoch]:
    """Made up, a different curve for each run."""
    base = int(spec.run_id[:4], 16) / 65536
    return [
        Epoch(
            epoch=number,
            train_loss=2.0 / number + base,
            train_given_accuracy=0.1 * number,
            validation_given_accuracy=None,
            validation_true_accuracy=None,
            test_accuracy=0.2 * number + 0.1 * base,
            head={"c_deg": 90.0 - number},
        )
        for number in range(1, (count or spec.train.epochs) + 1)
    ]


def begin(run: RunFolder, spec: RunSpec, *, epochs: int) -> None:
    """An attempt under way."""
    run.begin(spec)
    run.keep_labels(labels_of(spec))
    for epoch in epochs_of(spec, epochs):
        run.append(epoch)


def finish(run: RunFolder, spec: RunSpec) -> RunResult:
    """An attempt that came to its end."""
    begin(run, spec, epochs=spec.train.epochs)
    result = result_of(spec)
    run.finish(result)
    end_attempt(run, "done")
    return result


def end_attempt(run: RunFolder, outcome: str, reason: str = "") -> None:
    """The attempt's own line."""
    record_attempt(
        run.path,
        Attempt.model_validate(
            {"started": "s", "ended": "e", "seconds": 1.0, "host": "h", "pid": 1, "engine": "local", "outcome": outcome}
            | {"reason": reason}
        ),
    )


def result_of(spec: RunSpec) -> RunResult:
    """Some measurements, one of them undefined, and the arrays that reports draw."""
    labels = labels_of(spec)
    level = epochs_of(spec)[-1].test_accuracy - labels.record.realised_rate / 2
    number = {"unit": "share", "higher_is_better": True, "n": 50}
    learned = np.bincount(labels.true * CLASSES + labels.given, minlength=CLASSES**2)
    places = np.column_stack([np.cos(np.arange(20)), np.sin(np.arange(20)), np.arange(20) % CLASSES])
    return RunResult(
        run_id=spec.run_id,
        spec=spec,
        status="ok",
        noise=labels.record.to_json(),
        measurements=(
            Measurement(name="accuracy", value=level, **number),  # type: ignore[arg-type]
            Measurement(name="accuracy", value=level + 0.01, selection="noisy_val", **number),  # type: ignore[arg-type]
            Measurement(name="memorisation", value=None, note="no wrong labels", **number),  # type: ignore[arg-type]
            Measurement(name="intra_class_angle_deg", value=20.0, unit="deg", higher_is_better=False, n=50),
        ),
        history=tuple(epochs_of(spec)),
        arrays=(
            Array(name="learned", shape=(CLASSES, CLASSES), values=tuple(map(float, learned))),
            Array(name="class_accuracy", shape=(2, CLASSES), values=(5.0,) * CLASSES + (4.0,) * CLASSES),
            Array(name="plane", shape=(20, 3), values=tuple(places.ravel().round(4).tolist())),
        ),
        provenance={"seconds": 1.5, "class_names": [str(label) for label in range(CLASSES)]},
    )


def told(folder: Path) -> list[dict[str, str]]:
    """The lines of what was told."""
    file = folder / "tracking" / "told.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
