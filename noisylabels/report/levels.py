"""Who ended better than the reference method, where a study has no clean runs to measure a loss against."""

from __future__ import annotations

from collections.abc import Sequence

from noisylabels.report.losses import Loss
from noisylabels.report.wording import Quantity
from noisylabels.statistics import compare

_VERDICTS = (
    ("Better than {reference}, the interval excludes 0 and p is at most 0.05: {rivals}.", "better"),
    ("Worse than {reference}, the interval excludes 0 and p is at most 0.05: {rivals}.", "worse"),
    ("No claim against {reference}, the interval includes 0, or p is above 0.05, or there is none: {rivals}.", "open"),
)


def level_claims(losses: Sequence[Loss], reference: str, shown: Quantity) -> tuple[str, ...]:
    """Every method's level at the corruption's highest rate against the reference method's, seed by seed.

    Args:
        losses: of all methods; their noisy cells are read.
        reference: the method that the others are compared with.
        shown: how the metric is printed.
    """
    own = next((loss.noisy.values(shown) for loss in losses if loss.method == reference), {})
    verdicts: dict[str, list[tuple[float, str]]] = {}
    for loss in losses:
        if loss.method == reference:
            continue
        found = compare(loss.noisy.values(shown), own)
        if found is None:
            verdicts.setdefault("open", []).append((0.0, f"{loss.method} (no common seed)"))
            continue
        gain = found.difference.mean * (1 if shown.higher_is_better else -1)
        verdict = "open" if not found.is_confirmed() else "better" if gain > 0 else "worse"
        mean, ends = shown.difference(found.difference.mean), shown.difference_ends(found.difference)
        p = "" if found.p_value is None else f", p = {found.p_value:.3g}"
        text = f"{loss.method} ({mean} {shown.difference_unit} {ends}, n = {found.difference.n}{p})"
        verdicts.setdefault(verdict, []).append((gain, text))
    return tuple(
        sentence.format(reference=reference, rivals="; ".join(text for _, text in sorted(verdicts[key], reverse=True)))
        for sentence, key in _VERDICTS
        if key in verdicts
    )
