"""A report over thousands of stored runs: seconds and memory of reading the records and of writing both forms.

    OMP_NUM_THREADS=1 python -m benchmarks.large_report [--runs 5000] [--json FILE]

The runs are made up: the plan is real, measurements are drawn, histories and arrays have the size of real ones.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.result_file import tell
from noisylabels.metrics import METRICS
from noisylabels.records import read_records, write_records
from noisylabels.report import write_report
from noisylabels.result import Array, Epoch, Measurement, RunResult
from noisylabels.spec import RunSpec
from noisylabels.study import Study

HEADS = ("softmax", "normalised_softmax", "cosface", "arcface", "cam_softmax")
RATES = (0.0, 0.1, 0.2, 0.4, 0.6)
KINDS = ("symmetric", "identity_merge")


def study_of(runs: int) -> Study:
    """So many seeds that there are at least ``runs`` runs."""
    cells = len(HEADS) * (1 + len(KINDS) * (len(RATES) - 1))
    axes = {"head": list(HEADS), "corruption": list(KINDS), "rate": list(RATES)}
    return Study.checked({"name": "large", "base": {"dataset": "digits"}, "seeds": -(-runs // cells), "axes": axes})


def made_up(spec: RunSpec, generator: np.random.Generator) -> RunResult:
    """A result with drawn numbers."""
    rate = spec.plugin("corruption").rate
    measurements = tuple(
        Measurement(
            name=name,
            value=float(np.clip(0.9 - 0.6 * rate + 0.02 * generator.normal(), 0, 1)),
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            n=599,
        )
        for name, metric in METRICS.items()
    )
    history = tuple(
        Epoch(
            epoch=epoch,
            train_loss=1.0,
            train_given_accuracy=0.5,
            validation_given_accuracy=0.5,
            validation_true_accuracy=0.5,
            test_accuracy=float(generator.random()),
        )
        for epoch in range(1, 13)
    )
    shapes = {"class_accuracy": (2, 10), "learned": (10, 10), "reliability": (3, 15), "plane": (200, 3)}
    arrays = [
        Array(name=name, shape=shape, values=tuple(generator.random(shape).round(4).ravel().tolist()))
        for name, shape in shapes.items()
    ]
    noise = {"realised_rate": rate, "num_examples": 1000, "num_flipped": round(1000 * rate)}
    return RunResult(
        run_id=spec.run_id,
        spec=spec,
        status="ok",
        noise=noise,
        measurements=measurements,
        history=history,
        arrays=tuple(arrays),
        provenance={"seconds": 1.0},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    study = study_of(asked.runs)
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_records(folder / "records.jsonl", [made_up(spec, generator) for spec in study.plan()])
        began = time.monotonic()
        results = read_records(folder / "records.jsonl")
        read = time.monotonic() - began
        files = write_report(study, results, folder)
        written = time.monotonic() - began - read
        found = {
            "runs": len(results),
            "records_mb": round((folder / "records.jsonl").stat().st_size / 1e6, 1),
            "read_seconds": round(read, 1),
            "report_seconds": round(written, 1),
            "html_mb": round(files.html.stat().st_size / 1e6, 2),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    tell(found, asked.json)


if __name__ == "__main__":
    main()
