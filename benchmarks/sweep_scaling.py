"""The local engine: a 40-run study with one worker and with two, side by side, and what supervision costs a run.

    OMP_NUM_THREADS=1 python -m benchmarks.sweep_scaling [--rounds 3] [--json FILE]

One worker and two take turns, and the ratio is the median over the rounds: a single pair of timings says as much about
what else the machine did as about the engine (0.48 and 0.56 were seen on one idle machine).

Supervision is what a sweep takes beyond the seconds its runs say they took, a run and worker: process start, folders,
bookkeeping. Data are read within the runs' process but before a run's own clock starts, and count as supervision.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.result_file import tell
from noisylabels.engines import Local
from noisylabels.engines.worker import Place
from noisylabels.store import StudyFolder
from noisylabels.study import Study

STUDY = {
    "name": "scaling",
    "base": {"dataset": "digits", "model": "small_cnn:width=16", "train": {"epochs": 8, "batch_size": 64}},
    "seeds": 10,
    "axes": {"head": ["softmax", "cam_softmax"], "corruption": ["symmetric"], "rate": [0.0, 0.4]},
}


def timed(folder: Path, workers: int, study: Study) -> tuple[float, float]:
    """Seconds of the whole sweep, and the sum of what its runs took by themselves."""
    plan, store = study.plan(), StudyFolder(folder)
    began = time.monotonic()
    Local().run(plan, store, Place(Path("data")), workers=workers, observe=lambda progress: None)
    seconds = time.monotonic() - began
    results = store.results(plan)
    assert len(results) == len(plan), "every run must have a result"
    return seconds, sum(float(result.provenance["seconds"]) for result in results)


def turn(folder: Path, study: Study) -> dict[str, float]:
    """The study with one worker, then with two."""
    runs = len(study.plan())
    one, one_own = timed(folder / "one", 1, study)
    two, two_own = timed(folder / "two", 2, study)
    return {
        "one_worker_seconds": round(one, 1),
        "two_workers_seconds": round(two, 1),
        "ratio": round(two / one, 3),
        "supervision_seconds_a_run": round((one - one_own) / runs, 3),
        "mean_run_seconds_one_worker": round(one_own / runs, 2),
        "mean_run_seconds_two_workers": round(two_own / runs, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    study = Study.checked(STUDY)
    warm = Study.checked(STUDY | {"name": "warm", "seeds": 1})
    load = os.getloadavg()[1]
    with tempfile.TemporaryDirectory() as name:
        timed(Path(name) / "warm", 1, warm)  # the server that runs are forked from is up from here on
        rounds = [turn(Path(name) / str(number), study) for number in range(asked.rounds)]
    found = {
        "runs": len(study.plan()),
        "median_ratio": statistics.median(each["ratio"] for each in rounds),
        "median_supervision_seconds_a_run": statistics.median(each["supervision_seconds_a_run"] for each in rounds),
        "rounds": rounds,
        "load_before": round(load, 1),
    }
    tell(found, asked.json)


if __name__ == "__main__":
    main()
