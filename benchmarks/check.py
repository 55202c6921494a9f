"""Compare today's ratios with the committed ones, and fail where one is worse by more than 15 %.

    OMP_NUM_THREADS=1 python -m benchmarks.check [--only TEXT] [--write]

Goals are printed beside; a goal that is not met is no failure here, a regression is. ``--write`` commits today's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.ratios import RATIOS, Ratio
from benchmarks.result_file import machine

FILE = Path(__file__).with_name("results") / "ratios.json"
MOST_WORSE = 0.15


def said(ratio: Ratio, value: float, before: float | None) -> str:
    """A line of the table."""
    goal = f"{'>=' if ratio.higher_is_better else '<='} {ratio.goal:g}"
    met = "met" if ratio.is_met(value) else "missed"
    change = "" if before is None else f"  before {before:.3g}, {100 * ratio.change(before, value):+.0f} % worse"
    return f"{ratio.name:72} {value:8.3g}  goal {goal} {met}{change}"


def regressions(found: dict[str, float], before: dict[str, float]) -> list[str]:
    """Names of those that are worse than before by more than 15 %."""
    by_name = {ratio.name: ratio for ratio in RATIOS}
    return [
        name
        for name, value in found.items()
        if name in before and by_name[name].change(before[name], value) > MOST_WORSE
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--write", action="store_true", help="replace the committed ratios")
    asked = parser.parse_args()
    before: dict[str, float] = json.loads(FILE.read_text())["ratios"] if FILE.exists() else {}
    found: dict[str, float] = {}
    for ratio in RATIOS:
        if asked.only in ratio.name:
            try:
                found[ratio.name] = round(ratio.measure(), 4)
            except FileNotFoundError as missing:
                print(f"{ratio.name:72} left out: {missing}", flush=True)
                continue
            print(said(ratio, found[ratio.name], before.get(ratio.name)), flush=True)
    if asked.write:
        content = {"machine": machine(), "load": os.getloadavg()[0], "ratios": before | found}
        FILE.write_text(json.dumps(content, indent=1) + "\n")
    elif worse := regressions(found, before):
        sys.exit(f"worse than committed by more than {MOST_WORSE:.0%}: {'; '.join(worse)}")


if __name__ == "__main__":
    main()
