"""A result as a file holds it: one of this schema, or a sentence that says what to do about it."""

from __future__ import annotations

import contextlib
import json

from pydantic import ValidationError

from noisylabels.result import RunResult
from noisylabels.spec import SCHEMA_VERSION


def read_result(content: bytes) -> RunResult:
    """The result in a file's content.

    Raises:
        ValueError: there is none, or one of another ``schema_version``, under which its spec means other numbers; in
            one sentence.
    """
    try:
        result = RunResult.model_validate_json(content)
    except ValidationError as error:
        version = _schema_version(content)
        raise ValueError(_first_problem(error) if version == SCHEMA_VERSION else _way_out(version)) from None
    if result.schema_version != SCHEMA_VERSION:
        raise ValueError(_way_out(result.schema_version))
    return result


def _schema_version(content: bytes) -> int:
    """What the content says, or ours where it is no JSON object that says anything."""
    with contextlib.suppress(ValueError, AttributeError, TypeError, RecursionError):
        return int(json.loads(content).get("schema_version", SCHEMA_VERSION))
    return SCHEMA_VERSION


def _way_out(version: int) -> str:
    if version > SCHEMA_VERSION:
        advice = "a later noisylabels wrote it: upgrade this one"
    else:
        advice = "an earlier noisylabels wrote it: read it with that one"
    return f"schema_version must be {SCHEMA_VERSION}; got {version}: {advice}"


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    sentence = str(problem.get("ctx", {}).get("error", problem["msg"]))
    return f"{place}: {sentence}" if place else sentence
