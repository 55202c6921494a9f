"""What `--track` costs a sweep: the same twelve runs untracked, tracked offline and tracked by a W&B that fails.

    OMP_NUM_THREADS=1 python -m benchmarks.tracking [--rounds 3] [--epochs 16] [--json FILE]

Every way takes its turn in each round, the untracked sweep twice: how far its two turns lie apart is how far this
machine's timings can be trusted. A way's ratio is taken against the mean of its own round's untracked turns, and the
median over the rounds is reported. One worker, so that on two cores the process that tells has a core for itself.

Results are compared as well: a tracked sweep whose results differ from the untracked ones by a byte fails the
benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.result_file import tell
from tests.flows.telling import KEY
from tests.flows.wandb_server import WandbServer, serving

REFUSALS: dict[str, int | str] = {"hanging": "hang", "answering 500": 500, "bad key": 401}
WAYS = ("untracked", "offline", "refusing", *REFUSALS, "untracked again")
UNTRACKED = ("untracked", "untracked again")
NOBODY = "http://127.0.0.1:9"
ONLINE = ("--track", "wandb:online")


@contextmanager
def server(way: str) -> Iterator[str]:
    """The address of a server that fails in that way, or one where nobody listens."""
    if way not in REFUSALS:
        yield NOBODY
        return
    failing = WandbServer(REFUSALS[way])
    with serving(failing):
        yield failing.url


def sweep(way: str, root: Path, epochs: int) -> tuple[float, dict[str, str]]:
    """Seconds of one sweep, and its results by run id."""
    options = () if way in UNTRACKED else ("--track", "wandb") if way == "offline" else ONLINE
    command = [
        *(sys.executable, "-c", "from noisylabels.cli import main; main()", "sweep", "--dataset", "digits"),
        *("--head", "softmax,cam_softmax", "--rate", "0,0.2,0.4", "--seeds", "2", "--set", f"train.epochs={epochs}"),
        *("--workers", "1", "--quiet", "--name", "cost", "--runs", str(root), *options),
    ]
    with server(way) as url:
        environment = os.environ | {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": url, "HOME": str(root)}
        began = time.monotonic()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        seconds = time.monotonic() - began
    return seconds, dict(results(root))


def results(root: Path) -> Iterator[tuple[str, str]]:
    """Of each run, without what says when and where it ran."""
    for file in sorted(root.glob("cost/runs/*/result.json")):
        result = json.loads(file.read_text())
        del result["provenance"]
        yield result["run_id"], json.dumps(result, sort_keys=True)


def turn(epochs: int) -> dict[str, float]:
    """Seconds of every way, once."""
    seconds, first = {}, None
    for way in WAYS:
        with tempfile.TemporaryDirectory() as name:
            seconds[way], found = sweep(way, Path(name), epochs)
        first = first or found
        if found != first or len(found) != 12:
            sys.exit(f"{way}: results differ from those of the untracked sweep")
        print(f"  {way:16} {seconds[way]:6.1f} s", flush=True)
    return seconds


def ratios(rounds: list[dict[str, float]], way: str) -> list[float]:
    """To the mean of the untracked turns, a round."""
    return [round(each[way] / statistics.mean(each[name] for name in UNTRACKED), 3) for each in rounds]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    load = os.getloadavg()[1]
    with tempfile.TemporaryDirectory() as name:
        sweep("untracked", Path(name), 1)  # reads the data, compiles what Python compiles once
    rounds = [turn(asked.epochs) for _ in range(asked.rounds)]
    found = {
        "runs": 12,
        "epochs": asked.epochs,
        "median_seconds": {way: round(statistics.median(each[way] for each in rounds), 1) for way in WAYS},
        "median_ratio": {way: statistics.median(ratios(rounds, way)) for way in WAYS},
        "ratios": {way: ratios(rounds, way) for way in WAYS},
        "load_before": round(load, 1),
    }
    tell(found, asked.json)


if __name__ == "__main__":
    main()
