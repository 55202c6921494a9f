"""A run's spec as a dashboard groups and filters it: flat, typed, and without places of this machine."""

from __future__ import annotations

import re
from typing import Any

from noisylabels.catalog import parameters_of
from noisylabels.noise_rates import without_rate
from noisylabels.spec import TABLES, RunSpec
from noisylabels.tracking.families import FAMILIES, OTHER
from noisylabels.tracking.items import REALISED_RATE, Axis, Scalar, TrackedRun
from noisylabels.tracking.shareable import without_places

AXES = (
    *(Axis(f"{part}/*", "epoch") for part in ("train", "validation", "test", "head")),
    *(Axis(f"{section}/*", REALISED_RATE) for section in (*FAMILIES, OTHER)),
)

OPTION_TAG = re.compile("-[0-9a-f]{8}$")
"""What a study's name ends in where options changed it."""


def tracked_run(
    spec: RunSpec, study: str, *, attempt: int, realised_rate: float | None, is_live: bool = False
) -> TrackedRun:
    """What a dashboard knows of a run before its first epoch.

    Args:
        spec: the run.
        study: its name.
        attempt: which one this is, from 1; part of the id.
        realised_rate: share of wrong training labels; None where labels were not drawn yet.
        is_live: whether it is under way.
    """
    config = _config(spec) | {"study": study, "run_id": spec.run_id, "attempt": attempt}
    if realised_rate is not None:
        config[REALISED_RATE] = realised_rate
    return TrackedRun(
        run_id=f"{spec.run_id}-{attempt}",
        name=run_name(spec),
        project=family(study),
        group=study,
        job_type=without_places(spec.short("head")),
        tags=tuple(dict.fromkeys((noise_kind(spec), _kind(spec, "dataset")))),
        config=config,
        axes=AXES,
        is_live=is_live,
    )


def family(study: str) -> str:
    """The study that ships, of one that options have changed; single runs are a family of their own.

    >>> family("quickstart-0f1e2d3c"), family("_train")
    ('quickstart', 'train')
    """
    return OPTION_TAG.sub("", study).strip("_") or study


def run_name(spec: RunSpec) -> str:
    """A run in a line: method, noise, seeds."""
    seeds = f"seed {spec.seed}" if spec.seed == spec.noise_seed else f"seed {spec.seed}, labels {spec.noise_seed}"
    return without_places(f"{spec.method} {spec.short('corruption')} {seeds}")


def noise_kind(spec: RunSpec) -> str:
    """The corruption's printed name; of a sum, those of its steps with a plus between them."""
    return _kind(spec, "corruption")


def _config(spec: RunSpec) -> dict[str, Scalar]:
    corruption, asked_rate = without_rate(spec.plugin("corruption"))
    values: dict[str, Any] = {
        "method": spec.method,
        "corruption": corruption,
        "asked_rate": asked_rate,
        "noise_kind": noise_kind(spec),
        "dataset_kind": _kind(spec, "dataset"),
        "seed": spec.seed,
        "noise_seed": spec.noise_seed,
        "selection": spec.selection,
    }
    for field in TABLES:
        plugin = spec.plugin(field)
        values.setdefault(field, spec.short(field))
        if not getattr(plugin, "steps", ()):
            values |= {f"{field}_{name}": value for name, value in parameters_of(plugin).items()}
    values |= {f"train_{name}": value for name, value in spec.train.model_dump(mode="json").items()}
    return {
        name: without_places(value) if isinstance(value, str) else value
        for name, value in values.items()
        if isinstance(value, str | int | float)
    }


def _kind(spec: RunSpec, field: str) -> str:
    """The plug-in's printed name; of a sum, those of its steps."""
    plugin = spec.plugin(field)
    return "+".join(step.kind for step in getattr(plugin, "steps", ()) or (plugin,))
