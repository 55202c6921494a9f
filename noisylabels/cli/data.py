"""``noisylabels data``: align faces, pack images into one memory-mapped store, find what two sources share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options
from noisylabels.cli.examples import examples

if TYPE_CHECKING:
    from noisylabels.data.compared import Compared
    from noisylabels.data.overlap import Match, Overlap

SHOWN = 10

app = typer.Typer(
    no_args_is_help=True,
    help="Align faces, pack images, verify a store, find what two sources share.",
    epilog=examples("data"),
)


@app.command("pack", epilog=examples("data pack"))
def pack(
    source: Annotated[
        Path, typer.Argument(help="<identity>/<image> folders, a folder with train.rec, or a .rec file.")
    ],
    out: Annotated[Path, typer.Option(help="New or empty folder for the store; nothing is written outside it.")],
    size: Annotated[int, typer.Option(min=1, max=1024, help="Side of the square images, pixels.")] = 112,
    grey: Annotated[bool, typer.Option("--grey", help="One channel (luma) rather than RGB.")] = False,
    errors: Annotated[str, typer.Option(help="Images that cannot be used: fail | skip.")] = "fail",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted pack stopped.")] = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Decode every image once, into one file that data set packed reads without decoding."""
    if errors not in ("fail", "skip"):
        raise UsageError(f"--errors must be fail or skip; got {errors!r}")
    from noisylabels.cli.counting import counted
    from noisylabels.data.pack_source import pack_source
    from noisylabels.data.packing import PackOptions
    from noisylabels.data.packing import pack as packed

    how = PackOptions(size, grey, "skip" if errors == "skip" else "fail")
    with counted("images", quiet=quiet) as on_chunk:
        about = packed(pack_source(source), out, how, resume=resume, on_chunk=on_chunk)
    if as_json:
        typer.echo(json.dumps({"out": str(out)} | about))
        return
    shape = "x".join(map(str, about["shape"]))
    typer.echo(
        f"{out}: {about['count']:,} images of {shape}, {about['classes']:,} classes (packed:root={out.absolute()})"
    )
    if about["skipped"] or about["converted"]:
        typer.echo(f"{about['skipped']:,} left out, {about['converted']:,} converted: see {out / 'errors.jsonl'}")


@app.command("align", epilog=examples("data align"))
def align(
    source: Annotated[Path, typer.Argument(help="<identity>/<photograph> folders.")],
    landmarks: Annotated[Path, typer.Option(help="CSV: path below SOURCE, then x, y of eyes, nose, mouth corners.")],
    out: Annotated[Path, typer.Option(help="Folder for the crops; those that are there already are left alone.")],
    template: Annotated[str, typer.Option(help="Height x width of the crops: 112x112 | 112x96.")] = "112x112",
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Bring faces into the standard position by five landmarks of yours; no detector is shipped."""
    from noisylabels.catalog import unknown
    from noisylabels.cli.counting import counted
    from noisylabels.data.aligning import ERRORS, TEMPLATES, align_folder
    from noisylabels.data.alignment import LandmarkAligner
    from noisylabels.data.landmarks import read_landmarks

    if template not in TEMPLATES:
        raise UsageError(unknown("template", template, TEMPLATES))
    aligner = LandmarkAligner(read_landmarks(landmarks), TEMPLATES[template])
    with counted("photographs", quiet=quiet) as on_photograph:
        found = align_folder(source, out, aligner, on_photograph=on_photograph)
    if as_json:
        typer.echo(json.dumps({"out": str(out), **vars(found)}))
    else:
        where = f": see {out / ERRORS}" if found.failed else ""
        typer.echo(f"{out}: {found.done:,} aligned, {found.already:,} there already, {found.failed:,} failed{where}")
    if found.failed:
        raise typer.Exit(1)


@app.command("verify", epilog=examples("data verify"))
def verify(
    store: Annotated[Path, typer.Argument(help="Folder that data pack has made.")], as_json: options.AsJson = False
) -> None:
    """Read every byte of a store and compare it with the index."""
    import numpy as np

    from noisylabels.data.packed_files import open_store

    opened = open_store(store)
    opened.require_files()
    opened.require_pixels(np.arange(len(opened.index.labels)))
    if as_json:
        typer.echo(json.dumps({"store": str(store), "verified": True} | opened.about))
        return
    typer.echo(f"{store}: {opened.about['count']:,} images, every hash holds")


@app.command("overlap", epilog=examples("data overlap"))
def overlap(
    first: Annotated[str, typer.Argument(metavar="A", help="A data set, e.g. lfw, ytf, folder:root=x, packed:root=y.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    size: Annotated[int | None, typer.Option(min=8, max=1024, help="Side at which pixels are compared.")] = None,
    similarity: Annotated[float | None, typer.Option(help="Of near duplicates, in (0, 1]. Default: 0.93.")] = None,
    crops: Annotated[bool, typer.Option("--crops", help="Look for cut-outs, too; 55 times the comparisons.")] = False,
    embeddings: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Two .npy files with a row an image, in the order of the sources.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Cosine from which embeddings count as a match.")] = None,
    data: options.DataFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Find what two sources share: people by name, equal files, equal pictures, near duplicates.

    All images of a source count, whatever its text would choose for training.
    """
    if (embeddings is None) != (threshold is None):
        raise UsageError("--embeddings and --threshold go together")
    from noisylabels.data import DATASETS
    from noisylabels.data import overlap as overlaps
    from noisylabels.data.compared import compared

    root = options.data_folder(data)
    sources = (compared(first, root, DATASETS), compared(second, root, DATASETS))
    wanted = overlaps.SIMILARITY if similarity is None else similarity
    found = overlaps.overlap(*sources, side=size, similarity=wanted, cuts=crops)
    by_embedding = None
    if embeddings is not None and threshold is not None:
        from noisylabels.cli.embedding_matches import embedding_matches

        by_embedding = embedding_matches(sources, embeddings, threshold)
    if as_json:
        typer.echo(json.dumps(_as_json(sources, found, wanted, by_embedding)))
        return
    typer.echo("\n".join(_lines(sources, found, by_embedding)))


def _as_json(
    sources: tuple[Compared, Compared], found: Overlap, similarity: float, by_embedding: list[Match] | None
) -> dict[str, Any]:
    def side(number: int) -> dict[str, Any]:
        source = sources[number]
        counts = {"images": len(source), "people": len(source.names), "unreadable": found.unreadable[number]}
        return {"source": source.text, **counts}

    answer: dict[str, Any] = {"a": side(0), "b": side(1), "side": found.side, "grey": found.grey}
    answer |= {"similarity": similarity, "shared_people": list(found.people)}
    for name, matches in (*_kinds(found), ("by_embedding", by_embedding)):
        if matches is not None:
            answer[name] = [_named(sources, match) for match in matches]
    return answer


def _kinds(found: Overlap) -> tuple[tuple[str, tuple[Match, ...]], ...]:
    return (("same_files", found.same_files), ("same_pixels", found.same_pixels), ("near", found.near))


def _named(sources: tuple[Compared, Compared], match: Match) -> dict[str, Any]:
    a, b = sources
    people = {"a_person": a.names[a.people[match.first]], "b_person": b.names[b.people[match.second]]}
    images = {"a": a.image_names[match.first], "b": b.image_names[match.second]}
    return {**images, **people, "score": match.score}


def _lines(sources: tuple[Compared, Compared], found: Overlap, by_embedding: list[Match] | None) -> list[str]:
    lines = []
    for source, unreadable in zip(sources, found.unreadable, strict=True):
        failed = f", {unreadable:,} of which cannot be decoded" if unreadable else ""
        lines.append(f"{source.text}: {len(source):,} images of {len(source.names):,} people{failed}")
    lines.append(f"shared people, by name: {len(found.people):,}")
    lines += [f"  {name!r}" for name in found.people[:SHOWN]] + _rest(len(found.people))
    for name, matches in (*_kinds(found), ("by_embedding", by_embedding)):
        if matches is not None:
            named = [_named(sources, match) for match in matches]
            same = sum(row["a_person"] == row["b_person"] for row in named)
            lines.append(f"{name.replace('_', ' ')}: {len(named):,} images of A ({same:,} with the same name in B)")
            lines += [f"  {row['score']:.4f} {row['a']!r} {row['b']!r}" for row in named[:SHOWN]] + _rest(len(named))
    return lines


def _rest(count: int) -> list[str]:
    return [f"  ... and {count - SHOWN:,} more (--json has all)"] if count > SHOWN else []
