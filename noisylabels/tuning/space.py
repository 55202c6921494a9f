"""A method's search space, and a run with other values in it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from noisylabels.axes import METHOD_FIELDS
from noisylabels.catalog import SUM, parameters_of, text_of
from noisylabels.spec import RunSpec
from noisylabels.tuning.dimensions import Dimension, Space, Value
from noisylabels.tuning.ranges import SEARCHED, Searched

Changes = Mapping[str, Dimension | None]
"""What a user says of parameters by name; None means that one stays as the study has it."""

NO_CHANGES: Changes = MappingProxyType({})


def parameters_by_name(spec: RunSpec) -> dict[str, Any]:
    """All parameters of a run's training and method, by the names a search space uses.

    A loss's scale that must be its head's is left out: it follows.
    """
    named = {f"train.{key}": value for key, value in spec.train.model_dump().items()}
    for field in METHOD_FIELDS:
        for step in _steps(spec, field):
            named |= {f"{field}.{step.kind}.{key}": value for key, value in parameters_of(step).items()}
    if (tied := _tied_loss(spec)) is not None:
        named.pop(f"loss.{tied}.scale", None)
    return named


def space_of(spec: RunSpec, changes: Changes = NO_CHANGES) -> Space:
    """What is searched of a method, in the order of the names: the table's ranges, and in their place the user's.

    Args:
        spec: a run of the method with the study's own values.
        changes: what the user says; names of other methods' parameters are passed over.
    """
    own = parameters_by_name(spec)
    found: dict[str, Dimension | None] = {
        entry.name: entry.range for entry in SEARCHED if entry.name in own and _matters(entry, own)
    }
    found |= {name: dimension for name, dimension in changes.items() if name in own}
    return {name: dimension for name, dimension in sorted(found.items()) if dimension is not None}


def changed(spec: RunSpec, parameters: Mapping[str, Value]) -> RunSpec:
    """The run with these values, by their names in a search space.

    Raises:
        UsageError: values that cannot be, or not together.
    """
    asked = dict(parameters)
    head, tied = _steps(spec, "head")[0].kind, _tied_loss(spec)
    if tied is not None and f"head.{head}.scale" in asked:
        asked[f"loss.{tied}.scale"] = asked[f"head.{head}.scale"]
    values = spec.model_dump()
    values["train"] |= _of("train.", asked)
    for field in METHOD_FIELDS:
        steps = _steps(spec, field)
        values[field] = SUM.join(
            text_of(step.kind, parameters_of(step) | _of(f"{field}.{step.kind}.", asked)) for step in steps
        )
    return RunSpec.checked(values)


def _steps(spec: RunSpec, field: str) -> tuple[Any, ...]:
    """A plug-in, or the plug-ins it is the sum of."""
    plugin = spec.plugin(field)
    return tuple(getattr(plugin, "steps", (plugin,)))


def _of(prefix: str, parameters: Mapping[str, Value]) -> dict[str, Value]:
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}


def _tied_loss(spec: RunSpec) -> str | None:
    """The kind of the loss whose scale must be the head's; None where there is no such tie."""
    loss = spec.plugin("loss")
    tied = _steps(spec, "head")[0].requires_loss is not None and hasattr(loss, "scale")
    return str(loss.kind) if tied else None


def _matters(entry: Searched, own: Mapping[str, Any]) -> bool:
    prefix = entry.name.rpartition(".")[0]
    return all(own[f"{prefix}.{neighbour}"] in values for neighbour, values in entry.when.items())
