"""``noisylabels corrupt``: wrong labels for a data set, with the record of what was done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.cli import options

if TYPE_CHECKING:
    from corruptions import CorruptedLabels
    from noisylabels.data import ImageSet

MATRIX_CLASSES = 200


def corrupt(
    dataset: Annotated[str, typer.Option(help="e.g. digits, cifar10:per_class=500")],
    corruption: Annotated[str, typer.Option(help="e.g. symmetric:rate=0.4, identity_merge:rate=0.2")],
    out: Annotated[Path, typer.Option(help="Folder for record.json, labels.csv, transition_matrix.csv, the picture.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws which labels are wrong.")] = 0,
    download: options.Download = False,
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Corrupt a data set's training labels: record, labels, transition matrix, contact sheet of wrong examples."""
    from noisylabels.problem import pose
    from noisylabels.report.contact_sheet import contact_sheet
    from noisylabels.spec import RunSpec
    from noisylabels.store import write_atomically

    root = options.data_folder(data)
    spec = RunSpec.checked({"dataset": dataset, "corruption": corruption, "noise_seed": seed})
    problem = pose(spec, root, download=download)
    images, labels = problem.splits.train, problem.noisy_train
    files = {
        "record.json": json.dumps(labels.record.to_json(), indent=1).encode(),
        "labels.csv": _labels_csv(images, labels),
        "contact_sheet.png": contact_sheet(images, labels),
    }
    if images.num_classes <= MATRIX_CLASSES:
        files["transition_matrix.csv"] = _matrix_csv(images, labels)
    for name, content in files.items():
        write_atomically(out / name, content)
    record = labels.record
    if as_json:
        typer.echo(json.dumps({"out": str(out), "files": sorted(files), "record": record.to_json()}))
        return
    typer.echo(
        f"{spec.short('dataset')}: {record.num_flipped} of {record.num_examples} training labels are wrong, "
        f"{record.realised_rate:.2%} (asked {record.rate:.2%})"
    )
    typer.echo("\n".join(str(out / name) for name in sorted(files)))


def _labels_csv(images: ImageSet, labels: CorruptedLabels) -> bytes:
    rows = zip(images.ids, labels.true, labels.given, labels.is_flipped, strict=True)
    lines = [f"{i},{true},{given},{int(flipped)}" for i, true, given, flipped in rows]
    return "\n".join(["id,true_label,given_label,is_flipped", *lines, ""]).encode()


def _matrix_csv(images: ImageSet, labels: CorruptedLabels) -> bytes:
    """Rows are true classes, columns given ones; by number, since a class may be named like a formula."""
    matrix = labels.record.transition_matrix()
    head = ",".join(["true_label", *(str(k) for k in range(images.num_classes))])
    lines = [",".join([str(k), *(f"{share:.6f}" for share in row)]) for k, row in enumerate(matrix)]
    return "\n".join([head, *lines, ""]).encode()
