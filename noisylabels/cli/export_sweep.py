"""``noisylabels export-sweep``: a W&B sweep file whose agents do the runs of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export_sweep(
    study: Annotated[str, typer.Argument(help="A study that ships (list studies), or a study.toml.")],
    out: Annotated[Path | None, typer.Option(help="The file. Default: stdout.")] = None,
) -> None:
    """Write the YAML for wandb sweep: each agent does single runs of the plan, in the study's own store.

    W&B hands out run ids and nothing else: labels, seeds, retries and results are those of noisylabels sweep.
    """
    from noisylabels.atomic import write_atomically
    from noisylabels.metrics import METRICS
    from noisylabels.study import Study
    from noisylabels.tracking.sweep_file import sweep_file

    asked = Study.find(study)
    higher = METRICS[asked.primary].higher_is_better
    text = sweep_file(asked.name, study, asked.primary, higher_is_better=higher, specs=asked.plan())
    if out is None:
        typer.echo(text, nl=False)
        return
    write_atomically(out, text.encode())
    typer.echo(f"wandb sweep {out}, then wandb agent with the id that it prints", err=True)
