"""A noise record's recipe, followed again: the corruption it was made with, and whether that makes the same labels."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any

from corruptions import CORRUPTIONS, Control, CorruptedLabels, Corruption, Examples, NoiseRecord
from noisylabels.catalog import UsageError, build_from, lookup


def corruption_of(record: NoiseRecord) -> Corruption:
    """The corruption that a record names.

    Raises:
        UsageError: it names a kind or a parameter that is not known here.
    """
    return _built(record.kind, record.parameters)


def remade(noise: CorruptedLabels, examples: Examples | None = None) -> CorruptedLabels | None:
    """The labels that the record's recipe makes today, or None where it needs more than the record holds.

    Args:
        noise: as it was read back.
        examples: the same examples with the features or annotations that the recipe needs.

    Raises:
        UsageError: the recipe is not known here, or cannot be followed.
    """
    corruption = corruption_of(noise.record)
    if examples is None and corruption.needs():
        return None
    examples = examples or Examples.of(noise.true, noise.num_classes, example_ids=noise.ids)
    try:
        return corruption.apply_to(examples, seed=noise.record.seed)
    except ValueError as error:
        raise UsageError(f"the record's recipe cannot be followed: {error}") from None


def _built(kind: str, parameters: Mapping[str, Any]) -> Corruption:
    if kind == "+":
        listed = parameters.get("steps")
        steps = [_built_from(step) for step in listed] if isinstance(listed, list) else []
        if len(steps) < 2:
            raise UsageError(f"a composed record must name at least two steps; got {len(steps)}")
        return functools.reduce(operator.add, steps)
    plugin_class = lookup(CORRUPTIONS, kind, what="corruption")
    built = {}
    if issubclass(plugin_class, Control) and "of" in parameters:
        built["of"] = _built_from(parameters["of"])
    return build_from(plugin_class, parameters, context=kind, built=built)


def _built_from(values: Any) -> Corruption:
    if not isinstance(values, Mapping) or not isinstance(values.get("kind"), str):
        raise UsageError(f"a step of a record must name its kind; got {values!r:.60}")
    return _built(values["kind"], {key: value for key, value in values.items() if key != "kind"})
