"""Where the rate of a corruption's text is: to cross kinds with rates, and to draw curves over a rate."""

from __future__ import annotations

from corruptions import CORRUPTIONS, Control, Corruption
from noisylabels.catalog import SUM, lookup, parse, short_text, split_top_level, text_of


def names_rate(text: str) -> bool:
    """Whether every step of a corruption's text has a rate: one it names, or its kind's default.

    >>> names_rate("symmetric:rate=0.1 + identity_merge"), names_rate("clean_subset:of=symmetric"), names_rate("clean")
    (False, False, True)

    Raises:
        UsageError: a kind is unknown, or a part is not ``key=value``.
    """
    return all(_step_names_rate(step) for step in split_top_level(text, SUM))


def with_rate(text: str, rate: float) -> str:
    """The text with the rate put into every step that has none.

    >>> with_rate('clean_subset:of="asymmetric:map=cifar10" + identity_merge:rate=0.2', 0.4)
    'clean_subset:of="asymmetric:map=cifar10,rate=0.4" + identity_merge:rate=0.2'
    """

    def put(step: str) -> str:
        kind, parameters = parse(step)
        if _step_names_rate(step):
            return step
        if _is_control(kind):
            return text_of(kind, {**parameters, "of": with_rate(str(parameters["of"]), rate)})
        return text_of(kind, {**parameters, "rate": rate})

    return SUM.join(put(step) for step in split_top_level(text, SUM))


def without_rate(corruption: Corruption) -> tuple[str, float]:
    """The short text without the rate of the (first) step, and that rate: what a curve is called, and a point's place.

    >>> from corruptions import IdentityMerge, Symmetric
    >>> without_rate(Symmetric(0.1) + IdentityMerge(0.2))
    ('symmetric + identity_merge:rate=0.2', 0.1)
    """
    first, *others = getattr(corruption, "steps", (corruption,))
    kind, parameters = parse(short_text(first))
    if isinstance(first, Control):
        parameters["of"], rate = without_rate(first.of)
    else:
        rate = float(first.rate)
        parameters.pop("rate", None)
    return SUM.join([text_of(kind, parameters), *map(short_text, others)]), rate


def _is_control(kind: str) -> bool:
    """Whether a kind is about another corruption and has that one's rate."""
    return issubclass(lookup(CORRUPTIONS, kind, what="corruption"), Control)


def _step_names_rate(step: str) -> bool:
    kind, parameters = parse(step)
    plugin_class = lookup(CORRUPTIONS, kind, what="corruption")
    if _is_control(kind) and "of" in parameters:
        return names_rate(str(parameters["of"]))
    return "rate" in parameters or isinstance(getattr(plugin_class, "rate", None), float)
