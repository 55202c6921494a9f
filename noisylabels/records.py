"""Results as one file, one JSON line a run: what a published study keeps beside its ``study.toml``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noisylabels.atomic import write_atomically
from noisylabels.result import RunResult
from noisylabels.store import StoreError
from noisylabels.stored_result import read_result
from noisylabels.uncollected import uncollected


def write_records(path: Path, results: Sequence[RunResult]) -> None:
    """Write all results to ``path``, whole or not at all."""
    write_atomically(path, "".join(result.model_dump_json() + "\n" for result in results).encode())


def read_records(path: Path) -> list[RunResult]:
    """The results in ``path``, in its order; none if there is no such file.

    Raises:
        StoreError: a line is not a result, or one of another schema, or not the result of the run it says it is.
    """
    try:
        content = path.read_bytes().rstrip(b"\n")
    except FileNotFoundError:
        return []
    results = []
    with uncollected():
        for number, line in enumerate(content.split(b"\n") if content else (), start=1):
            try:
                result = read_result(line)
            except ValueError as error:
                raise StoreError(f"{path}, line {number} is not a result ({error})") from None
            if result.run_id != (planned := result.spec.run_id):
                raise StoreError(f"{path}, line {number} says run {result.run_id}, but its spec is {planned}")
            results.append(result)
    return results
