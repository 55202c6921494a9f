"""Tables, matrices, points and pictures as W&B has them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image

from noisylabels.tracking.items import Item, Matrix, Picture, Table


def shown(run: Any, name: str, item: Item, step: int) -> Any:
    """What ``run.log`` takes for the item: a picture, a table, or a chart that W&B draws from a table."""
    import wandb

    if isinstance(item, Picture):
        return _bound(run, name, step, wandb.Image(Image.open(BytesIO(item.png)), caption=item.caption))
    if isinstance(item, Table):
        return _bound(run, name, step, wandb.Table(columns=list(item.columns), data=[list(row) for row in item.rows]))
    if isinstance(item, Matrix):
        fields = {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"}
        table = wandb.Table(columns=list(fields), data=_cells(item))
        chart = wandb.plot_table("wandb/confusion_matrix/v1", table, fields, {"title": item.title})
    else:
        table = wandb.Table(columns=["x", "y", "class"], data=[list(row) for row in item.rows])
        chart = wandb.plot_table("wandb/scatter/v0", table, {"x": "x", "y": "y"}, {"title": item.title})
    _bound(run, f"{name}_table", step, table)
    return chart


def _bound(run: Any, name: str, step: int, media: Any) -> Any:
    """A file named after our step, not the client's count of rows: told again, it is the same file.

    A table that is bound is not made an artifact of its own either, whose staged file would have an absolute path.
    """
    media.bind_to_run(run, name, step)
    return media


def _cells(matrix: Matrix) -> list[list[Any]]:
    names = matrix.names
    return [
        [names[row], names[column], int(matrix.counts[row, column])]
        for row in range(len(names))
        for column in range(len(names))
    ]
