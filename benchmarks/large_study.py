"""A study of 100,000 runs: how long it takes to plan it, and to say how it stands.

    python -m benchmarks.large_study [--runs 100000] [--folder DIR] [--out FILE]

The study crosses data sets, models, corruptions, rates, methods and seeds. Every run gets a folder with a result of its
own, such as the store would read: all are made, in a temporary folder that is deleted at the end. Each measurement is
a fresh process, so its seconds and its peak memory include Python and all imports:

    plan         read the study and plan it
    open all     a plain loop that opens and parses every ``result.json``: what an index has to beat
    cold status  ``noisylabels status`` without an index: plans the study, reads every result, writes the index
    warm status  the same again

``cpu`` is user and system time, ``seconds`` what the clock on the wall says: on a machine that others use too, compare
the first. The bars are on the second: plan in 5 s and 500 MB, warm status in 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

STUDY = """
question = "How long does it take to look at many runs?"
seeds = {seeds}
[base.train]
epochs = 1
[axes]
dataset = ["digits", "digits:per_class=20"]
model = ["small_cnn", "small_cnn:width=4"]
head = ["softmax", "normalised_softmax", "cosface", "arcface", "cam_softmax"]
corruption = ["symmetric", "symmetric:inclusive=true", "asymmetric:map=pair"]
rate = [0.0, 0.2, 0.3, 0.4]
"""
CELLS = 2 * 2 * 5 * (1 + 3 * 3)

PLAN = """
import sys, time; from pathlib import Path; from noisylabels.study import Study
study, started = Study.from_toml(Path(sys.argv[1])), time.perf_counter()
print(len(study.plan()), f"runs; planning alone {time.perf_counter() - started:.2f} s, the rest is imports")
"""
OPEN_ALL = """
import json, sys; from collections import Counter; from pathlib import Path
print(dict(Counter(json.loads(path.read_bytes())["status"] for path in Path(sys.argv[1]).glob("*/result.json"))))
"""
STATUS = "from noisylabels.cli import main; main()"

MOST_SECONDS = {"plan": 5.0, "warm status": 2.0}
MOST_MB = {"plan": 500.0}


@dataclass(frozen=True)
class Taken:
    """What a process took, and its answer; memory is the largest resident set, in 10**6 bytes."""

    what: str
    seconds: float
    cpu: float
    peak_mb: float
    answer: str

    @property
    def is_within(self) -> bool:
        """Whether it met its bars."""
        endless = float("inf")
        return self.seconds < MOST_SECONDS.get(self.what, endless) and self.peak_mb < MOST_MB.get(self.what, endless)

    def __str__(self) -> str:
        return f"{self.what:<12} {self.seconds:>8.2f} {self.cpu:>8.2f} {self.peak_mb:>8.0f}  {self.answer}"


def take(what: str, program: str, *arguments: str) -> Taken:
    """Run a program in a fresh process."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=output, stderr=output)
        _, code, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(code)
        output.seek(0)
        answer = output.read().strip()
    if process.returncode:
        raise SystemExit(f"{what} failed: {answer}")
    peak = usage.ru_maxrss * 1024 / 1e6  # kB on Linux
    return Taken(what, seconds, usage.ru_utime + usage.ru_stime, peak, answer.splitlines()[-1])


def write_study(runs: Path, count: int) -> None:
    """The study's file, and the folder of a study that is done."""
    from noisylabels.result import RunResult  # not at the top: a child's peak memory is never below its parent's
    from noisylabels.study import Study

    file = runs / "large" / "study.toml"
    file.parent.mkdir(parents=True)
    file.write_text(STUDY.format(seeds=count // CELLS))
    study = Study.from_toml(file)
    (file.parent / "study.json").write_text(study.model_dump_json(indent=1))
    for spec in study.plan():
        folder = file.parent / "runs" / spec.run_id
        folder.mkdir(parents=True)
        result = RunResult(run_id=spec.run_id, spec=spec, status="ok")
        (folder / "result.json").write_text(result.model_dump_json(indent=1))


def measure(folder: Path, count: int) -> list[Taken]:
    """All measurements, printed as they come."""
    subprocess.run([sys.executable, "-m", "benchmarks.large_study", "--runs", str(count), "--make", folder], check=True)
    file = folder / "large" / "study.toml"
    status = ("status", "large", "--runs", str(folder))
    print(f"{'':<12} {'seconds':>8} {'cpu':>8} {'peak MB':>8}")
    found = []
    for what, program, arguments in (
        ("plan", PLAN, (str(file),)),
        ("open all", OPEN_ALL, (str(file.parent / "runs"),)),
        ("cold status", STATUS, status),
        ("warm status", STATUS, status),
    ):
        found.append(take(what, program, *arguments))
        print(found[-1], flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help=f"a multiple of {CELLS}")
    parser.add_argument("--folder", type=Path, help="where the temporary runs are made (default: the system's)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "large_study.json")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        write_study(options.make, options.runs)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure(Path(folder), options.runs)
    missed = [taken.what for taken in found if not taken.is_within]
    print(f"bars missed: {', '.join(missed)}" if missed else "all bars met")
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "busy_with": os.getloadavg()[0]}
    answer = {"runs": options.runs, **machine, "within_bars": not missed, "taken": [asdict(taken) for taken in found]}
    options.out.write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
