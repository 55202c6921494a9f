"""``noisylabels corrupt translate``: what an old table's noise rate really was, and what would have made it so."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from noisylabels.catalog import UsageError
from noisylabels.cli import options


def translate(
    convention: Annotated[str, typer.Argument(help="A legacy code, e.g. dividemix_symmetric, or one of our kinds.")],
    classes: Annotated[int, typer.Option(min=2, max=10_000_000, help="K, the number of classes.")],
    nominal: Annotated[float | None, typer.Option(help="The rate that was asked for, e.g. 0.5.")] = None,
    effective: Annotated[float | None, typer.Option(help="Or the share of wrong labels that is wanted.")] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Examples of each class, comma-separated, for the codes that round per class.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Translate a published noise rate: nominal to expected share of wrong labels, or back."""
    from corruptions.conventions import effective_rate, nominal_rate

    if (nominal is None) == (effective is None):
        raise UsageError("give one of --nominal and --effective")
    class_sizes = None if sizes is None else _whole(sizes)
    try:
        if nominal is not None:
            effective = effective_rate(convention, nominal, classes, class_sizes)
        else:
            assert effective is not None
            nominal = nominal_rate(convention, effective, classes, class_sizes)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if as_json:
        typer.echo(
            json.dumps({"convention": convention, "classes": classes, "nominal": nominal, "effective": effective})
        )
        return
    typer.echo(f"{convention}, {classes} classes: asked {nominal:.4%}, wrong labels {effective:.4%} in expectation")


def _whole(text: str) -> list[int]:
    sizes = options.numbers(text, "--sizes")
    if not all(size.is_integer() and 0 <= size < 2**53 for size in sizes):
        raise UsageError(f"--sizes must be whole numbers of examples, such as 500,480; got {text!r}")
    return [int(size) for size in sizes]
