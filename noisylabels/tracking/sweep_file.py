"""A study as a W&B sweep: its agents do cells of the plan, in the study's own store."""

from __future__ import annotations

import json
from collections.abc import Sequence

from noisylabels.spec import RunSpec
from noisylabels.tracking.describing import family, run_name
from noisylabels.tracking.families import named

TYPED = ("noisylabels", "sweep")
"""What an agent types; the study, the tracker and ``--only=RUN_ID`` follow."""


def sweep_file(study: str, argument: str, metric: str, *, higher_is_better: bool, specs: Sequence[RunSpec]) -> str:
    """The YAML that ``wandb sweep`` takes: a grid over run ids, so that an agent does what no other has been given.

    Every value is JSON, which is YAML as well, so that no run id is read as a number; a comment says which run it is.

    Args:
        study: its name.
        argument: how ``noisylabels sweep`` is told of it.
        metric: the headline.
        higher_is_better: its good direction.
        specs: the planned runs, at least one.
    """
    words = (*TYPED, argument, "--track", "wandb:online", "--workers", "1", "${args}")
    lines = [
        f"# The {len(specs)} runs of {study}, one at a time for each agent: wandb sweep FILE, then wandb agent ID.",
        "# All agents must see one runs folder ($NOISYLABELS_RUNS): what is done there is not done again.",
        f"name: {json.dumps(study)}",
        f"project: {json.dumps(family(study))}",
        'method: "grid"',
        "metric:",
        f"  name: {json.dumps(named(metric))}",
        f"  goal: {json.dumps('maximize' if higher_is_better else 'minimize')}",
        f"command: {json.dumps(words)}",
        "parameters:",
        "  only:",
        "    values:",
        *(f"      - {json.dumps(spec.run_id)}  # {run_name(spec)}" for spec in specs),
    ]
    return "\n".join(lines) + "\n"
