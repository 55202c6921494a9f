"""``noisylabels corrupt``: wrong labels for a data set, with the record of what was done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import corrupt_records, options, translate
from noisylabels.cli.examples import examples

WRITTEN = """\
Files written: noise.json and noise.npz (the record), labels.csv, transition_matrix.csv (up to 200 classes), and three
pictures: contact_sheet.png (true > given label under each image), transition_matrix.png, wrong_by_class.png.
"""

app = typer.Typer(invoke_without_command=True, epilog=examples("corrupt", before=WRITTEN))
app.command("verify", epilog=examples("corrupt verify"))(corrupt_records.verify)
app.command("diff", epilog=examples("corrupt diff"))(corrupt_records.diff)
app.command("apply", epilog=examples("corrupt apply"))(corrupt_records.apply)
app.command("translate", epilog=examples("corrupt translate"))(translate.translate)


@app.callback()
def corrupt(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="e.g. digits, cifar10:per_class=500")] = None,
    corruption: Annotated[
        str | None, typer.Option(help='e.g. symmetric:rate=0.4, "symmetric:rate=0.1 + identity_merge:rate=0.2"')
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the record, the labels and the pictures.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws which labels are wrong.")] = 0,
    features: Annotated[
        Path | None,
        typer.Option(help="Embeddings, a .npy file with row i for image id i; without it kinds look at the pixels."),
    ] = None,
    download: options.Download = False,
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Corrupt a data set's training labels: record, labels, transition matrix, pictures; or look at such records."""
    if context.invoked_subcommand is not None:
        return
    if dataset is None or corruption is None or out is None:
        wanted = {"--dataset": dataset, "--corruption": corruption, "--out": out}
        raise UsageError(f"corrupt needs {', '.join(name for name, value in wanted.items() if value is None)}")
    from noisylabels.cli.corrupt_files import corrupted, counted, write_all
    from noisylabels.spec import RunSpec

    spec = RunSpec.checked({"dataset": dataset, "corruption": corruption, "noise_seed": seed})
    images, labels = corrupted(spec, options.data_folder(data), features, download=download)
    written = write_all(out, images, labels)
    record = labels.record
    if as_json:
        typer.echo(json.dumps({"out": str(out), "files": sorted(written), "record": record.to_json()}))
        return
    typer.echo(f"{spec.short('dataset')}: {counted(labels)} (asked {record.rate:.2%} of {record.rate_of})")
    typer.echo("\n".join(str(out / name) for name in sorted(written)))
