"""How a study stands, in words and as JSON."""

from __future__ import annotations

from typing import Any

from noisylabels.cli.standing import BROKEN, MOST_LISTED, Listed, Standing


def text(standing: Standing) -> str:
    """For people: what there is to look at, then the whole in a line."""
    lines = []
    for states in (("running", "interrupted"), BROKEN):
        count = sum(standing.counts[state] for state in states)
        shown = [run for run in standing.listed if run.state in states][:MOST_LISTED]
        lines += [line for run in shown for line in run_lines(run)]
        if count > len(shown):
            lines.append(f"... and {count - len(shown)} more {' or '.join(states)}: --json has all")
    return "\n".join([*lines, summary(standing)])


def run_lines(run: Listed) -> list[str]:
    """One run to look at, with the end of its log where it broke."""
    where = f"epoch {run.epochs} of {run.run.epochs}" if run.state in ("running", "interrupted") else ""
    sign = f"last sign of life {duration(run.silent_seconds)} ago" if run.state == "running" else ""
    first = [f"{run.run.run_id}  {run.state}", run.run.label, ", ".join(filter(None, [where, sign, run.reason]))]
    return [printable("  ".join(filter(None, first))), *(printable(f"    | {line}") for line in run.log)]


def summary(standing: Standing) -> str:
    """The whole in a line."""
    counts = {state: f"{count} {state}" for state, count in standing.counts.items() if count}
    if "done" in counts:
        counts["done"] += f" ({', '.join(f'{count} {kind}' for kind, count in standing.results.items())})"
    state = "running now" if standing.is_supervised else "not running"
    if standing.pace and standing.eta_seconds:
        an_hour = standing.pace * 3600
        pace = f"{an_hour:,.0f}" if an_hour >= 10 else f"{an_hour:.1f}"
        state += f", {pace} runs an hour, about {duration(standing.eta_seconds)} left"
    return f"{standing.study}: {len(standing.plan)} runs, {', '.join(counts.values()) or 'none planned'}; {state}"


def duration(seconds: float) -> str:
    """For people, to two digits or so.

    >>> duration(42.3), duration(4000.0), duration(300_000.0)
    ('42 s', '66.7 min', '83.3 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def printable(line: str) -> str:
    """Without what a log may hold and a terminal would obey; at most 500 characters."""
    return "".join(letter if letter.isprintable() else " " for letter in line[:500])


def summary_json(standing: Standing) -> dict[str, Any]:
    """For programs, without a line for every run."""
    return {
        "study": standing.study,
        "running": standing.is_supervised,
        "planned": len(standing.plan),
        "counts": standing.counts,
        "results": standing.results,
        "runs_per_hour": None if standing.pace is None else round(standing.pace * 3600, 2),
        "eta_seconds": None if standing.eta_seconds is None else round(standing.eta_seconds, 1),
        "listed": [run.to_json() for run in standing.listed],
    }
