"""``noisylabels corrupt verify | diff | apply``: noise records, from their files alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options

if TYPE_CHECKING:
    from corruptions import CorruptedLabels, Examples, NoiseRecord
    from noisylabels.data import ImageSet

RecordPath = Annotated[Path, typer.Argument(help="noise.json, or the folder with it and noise.npz.")]


def verify(
    record: RecordPath,
    dataset: Annotated[
        str | None, typer.Option(help="Where the recipe looks at images or published labels: the data set it was for.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="And where it looked at embeddings: their .npy file, row i for image id i.")
    ] = None,
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Count a record's labels again, compare with what it says, and follow its recipe to the same record."""
    from noisylabels.cli.corrupt_files import counted
    from noisylabels.recipe import corruption_of, remade
    from noisylabels.store import StoreError

    noise = _read(record)
    if features is not None and dataset is None:
        raise UsageError("--features are of the images of a data set: give --dataset, too")
    examples = None
    if dataset is not None:
        examples = _examples(noise, dataset, features, options.data_folder(data))
    again = remade(noise, examples)
    if again is not None:
        differ = [f.name for f in dataclasses.fields(noise.record) if _differs(f.name, again.record, noise.record)]
        if "features_sha256" in differ:
            raise UsageError(f"the features are not those that {record} was made with: give its own with --features")
        if differ:
            raise StoreError(f"{record}: its recipe does not make this record; other {', '.join(differ)}")
    if as_json:
        hashes = {"given_sha256": noise.record.given_sha256, "recipe_followed": again is not None}
        typer.echo(json.dumps({"record": str(record), "verified": True, **hashes}))
        return
    recipe = "; the recipe makes the same record again"
    if again is None:
        needs = " and ".join(sorted(corruption_of(noise.record).needs()))
        recipe = f", but the recipe was not followed: it needs {needs} (give --dataset, and --features if it had any)"
    typer.echo(f"{record}: {counted(noise)}; the counts and hashes of the labels hold{recipe}")


def _differs(name: str, first: NoiseRecord, second: NoiseRecord) -> bool:
    return bool(getattr(first, name) != getattr(second, name))


def diff(
    first: Annotated[Path, typer.Argument(help="A noise record.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: options.AsJson = False,
) -> None:
    """Compare two records example by example: what was asked, which labels differ, which are wrong in both."""
    from corruptions.difference import Difference

    found = Difference.between(_read(first), _read(second))
    if as_json:
        typer.echo(json.dumps({"same_labels": found.same_labels} | dataclasses.asdict(found)))
        return
    for name, (a, b) in found.asked.items():
        typer.echo(f"{name}: {_shown(a)} | {_shown(b)}")
    typer.echo(f"{found.num_shared} examples in both, {found.only_first} | {found.only_second} in one only")
    if found.true_differs:
        typer.echo(f"true labels differ in {found.true_differs}: these are not the same data")
    typer.echo("the labels are the same" if found.same_labels else f"given labels differ in {found.given_differs}")
    typer.echo(
        f"wrong in both: {found.wrong_in_both}, with the same label {found.same_wrong_label}; "
        f"wrong in one only: {found.wrong_in_first_only} | {found.wrong_in_second_only}"
    )


def apply(
    record: RecordPath,
    dataset: Annotated[str, typer.Option(help="The data set whose training labels the record is about.")],
    out: Annotated[Path, typer.Option(help="Folder for the record, the labels and the pictures.")],
    download: options.Download = False,
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Give a data set the labels of a record: no draw is repeated, every image is matched by its id and true label."""
    from noisylabels.cli.corrupt_files import counted, write_all

    noise = _read(record)
    images = _training_images(noise, dataset, options.data_folder(data), download=download)
    written = write_all(out, images, noise)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "files": sorted(written), "record": noise.record.to_json()}))
        return
    typer.echo(f"{dataset}: {counted(noise)}, as in {record}")
    typer.echo("\n".join(str(out / name) for name in sorted(written)))


def _read(path: Path) -> CorruptedLabels:
    from corruptions.files import RecordFileError, read_noise
    from noisylabels.store import StoreError

    try:
        return read_noise(path)
    except RecordFileError as error:
        raise StoreError(str(error)) from None


def _training_images(noise: CorruptedLabels, dataset: str, root: Path, *, download: bool = False) -> ImageSet:
    """The data set's training images in the record's order.

    Raises:
        UsageError: the record is not about exactly these images, or their true labels are others.
    """
    import numpy as np

    from noisylabels.spec import RunSpec

    spec = RunSpec.checked({"dataset": dataset})
    images = spec.plugin("dataset").prepare(root, download=download).train
    if images.num_classes != noise.num_classes:
        raise UsageError(f"the record is about {noise.num_classes} classes; {dataset} has {images.num_classes}")
    shared, ours, theirs = np.intersect1d(noise.ids, images.ids, assume_unique=True, return_indices=True)
    if len(shared) != len(noise.ids) or len(shared) != len(images.ids):
        raise UsageError(
            f"the record must be about the {len(images.ids)} training images of {dataset}; "
            f"it has {len(noise.ids)} examples, {len(shared)} of them among these"
        )
    rows = np.empty(len(shared), dtype=np.int64)
    rows[ours] = theirs
    wrong = int(np.count_nonzero(images.labels[rows] != noise.true))
    if wrong:
        raise UsageError(f"the record's true labels must be those of {dataset}; {wrong} of {len(rows)} differ")
    in_order: ImageSet = images.take(rows)
    return in_order


def _examples(noise: CorruptedLabels, dataset: str, features: Path | None, root: Path) -> Examples:
    """The record's examples with what its recipe looks at."""
    from noisylabels.cli.corrupt_files import with_features
    from noisylabels.problem import examples_of
    from noisylabels.recipe import corruption_of
    from noisylabels.spec import RunSpec

    images = _training_images(noise, dataset, root)
    if features is not None:
        return with_features(images, features)
    plugin = RunSpec.checked({"dataset": dataset}).plugin("dataset")
    return examples_of(images, corruption_of(noise.record), plugin, root)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:99] + "…"
