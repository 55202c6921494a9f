"""A metric against the share of labels that are really wrong: charts, and the tables of the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from noisylabels.metrics import METRICS
from noisylabels.report.document import Block, Chart, Entry, Line, Panel, Point, Section, Table
from noisylabels.report.entries import value_entry
from noisylabels.report.grid import Cell, Setting
from noisylabels.report.wording import Quantity, count, percent, quantity

X_LABEL = "wrong training labels, realised (%)"
MOST_DOTS = 20
"""Seeds of a cell that are drawn one by one; of more, the band says as much and the page stays small."""


@dataclass(frozen=True)
class Family:
    """Metrics that are shown together because each alone misleads."""

    title: str
    metrics: tuple[str, ...]
    text: str
    only: str = ""


FAMILIES = (
    Family(
        "Memorisation",
        ("memorisation", "corrected"),
        "Of the training examples with a wrong label: the share predicted as that wrong label, and the share predicted "
        "as the true one against it. Undefined without wrong labels.",
    ),
    Family(
        "Accuracy with credit for merged identities",
        ("accuracy_merged",),
        "An absorbed identity counts as right when the class that absorbed it is predicted: all its labels could "
        "teach. The headline accuracy counts those images as wrong.",
        only="identity_merge",
    ),
    Family(
        "Merged identities apart",
        ("merged_purity",),
        "Purity of clusters within merged classes by true identity: 1 where everybody absorbed still has a place of "
        "their own, about the share of the largest identity where they look like one person.",
        only="identity_merge",
    ),
    Family(
        "People never trained on: pairs",
        ("verification_auc", "verification_accuracy", "equal_error_rate", "tar_at_1_percent_far"),
        "Verification of pairs: thresholds come from the other folds; original and mirrored embeddings are summed.",
    ),
    Family(
        "People never trained on: search",
        ("rank_1_identification", "dir_at_1_percent_far"),
        "Search in a gallery of people held out: who is nearest, and who is found where 1 % of strangers at most are "
        "taken for somebody. Gallery and probes are drawn once; the protocol card has the hash of their list.",
    ),
    Family(
        "Compactness beside separability",
        ("intra_class_angle_deg", "nearest_centroid_angle_deg"),
        "Angles between test embeddings and the mean direction of their true class, and between that direction and the "
        "nearest other one. Small angles within a class mean nothing where the classes lie as near to one another.",
    ),
    Family(
        "Scatter within and between classes",
        ("nc1", "fisher_ratio"),
        "Neural collapse (0 is full collapse) and Fisher's ratio, both by true class.",
    ),
    Family(
        "Silhouette and effective rank",
        ("cosine_silhouette", "effective_rank"),
        "How much nearer an image lies to its own class than to the next, and how many dimensions the embeddings use.",
    ),
    Family(
        "Calibration",
        ("expected_calibration_error", "brier_score"),
        "How far confidence is from accuracy in the mean over 15 bins, and the squared distance of the probabilities "
        "from what is so.",
    ),
    Family(
        "Finding the wrong labels",
        ("label_issue_auroc", "label_issue_average_precision", "label_issue_precision"),
        "Held-out noisy labels ranked by how little the model believes them: probability that a wrong one ranks "
        "before a right one (0.5 is chance), average precision, and precision among as many labels as are wrong (the "
        "share of wrong labels is chance). No model was trained on them.",
    ),
)


def degradation_section(setting: Setting, shown: Quantity, anchor: str) -> Section:
    """The headline curves: the primary metric by corruption and method."""
    block = metric_block(setting, (shown,), setting.corruptions, title=f"{shown.words} under label noise")
    return Section(
        anchor=anchor,
        title=setting.heading("Degradation"),
        paragraphs=(
            f"Lines are means over seeds, bands their 95 % t intervals, dots the single seeds (up to {MOST_DOTS}). A "
            "line ends, or breaks, where a rate has no number; a band that is wide for want of seeds is cut off. The "
            "horizontal axis is the share of training labels that are really wrong, not the rate that was asked for.",
        ),
        blocks=(block,) if block else (),
    )


def families_section(setting: Setting, shown: Quantity, anchor: str) -> Section | None:
    """All other metrics, by family; None where no run has any of them."""
    blocks = []
    for family in (*FAMILIES, _others()):
        kinds = [kind for kind in setting.corruptions if kind.partition(":")[0].startswith(family.only)]
        metrics = tuple(quantity(name) for name in family.metrics if name != shown.name)
        block = metric_block(setting, metrics, kinds, title=family.title, text=family.text, folded=True)
        if block is not None:
            blocks.append(block)
    if not blocks:
        return None
    return Section(anchor, setting.heading("Beyond the headline"), (), tuple(blocks))


def _others() -> Family:
    """What no family names, so that a new metric is never left out in silence."""
    named = {metric for family in FAMILIES for metric in family.metrics} | {"accuracy"}
    return Family("Other metrics", tuple(metric for metric in METRICS if metric not in named), "")


def metric_block(
    setting: Setting,
    metrics: Sequence[Quantity],
    corruptions: Sequence[str],
    *,
    title: str,
    text: str = "",
    folded: bool = False,
) -> Block | None:
    """One chart with a panel for each metric and corruption, and a table for each panel.

    Single seeds are drawn in the chart that is not ``folded``, the headline's: in all of them they would be megabytes.
    """
    pairs = [(shown, kind) for shown in metrics for kind in corruptions]
    panels = [_panel(setting, *pair, dotted=not folded) for pair in pairs if _has_values(setting, *pair)]
    if not panels:
        return None
    columns = len(corruptions) if len(corruptions) > 1 else len(metrics)
    return Block(
        chart=Chart(setting.heading(title), _describe(panels), tuple(panels), columns),
        tables=tuple(_table(setting, shown, kind) for shown, kind in pairs if _has_values(setting, shown, kind)),
        folded=folded,
        title=title if folded else "",
        paragraphs=(text,) if text else (),
    )


def _has_values(setting: Setting, shown: Quantity, corruption: str) -> bool:
    cells = (cell for method in setting.methods for cell in setting.curve(method, corruption))
    return any(cell.values(shown) for cell in cells)


def _panel(setting: Setting, shown: Quantity, corruption: str, *, dotted: bool) -> Panel:
    lines = tuple(
        Line(method, style, tuple(_points(setting.curve(method, corruption), shown, dotted=dotted)))
        for style, method in enumerate(setting.methods)
    )
    return Panel(
        title=corruption,
        x_label=X_LABEL,
        y_label=shown.heading,
        lines=tuple(line for line in lines if line.points),
        lower=shown.lower,
        upper=shown.upper,
    )


def _points(cells: Sequence[Cell], shown: Quantity, *, dotted: bool) -> list[Point]:
    """By realised rate; a cell in which no run gave a number breaks the line."""
    points: list[Point] = []
    gap = False
    for cell in cells:
        interval, realised = cell.interval(shown), cell.realised_rate
        if interval is None:
            gap = True
            continue
        low, high = (None if end is None else end * shown.factor for end in (interval.low, interval.high))
        values = cell.values(shown).values()
        dots = tuple(value * shown.factor for value in values) if dotted and len(values) <= MOST_DOTS else ()
        x = 100 * (cell.rate if realised is None else realised)
        points.append(Point(x, interval.mean * shown.factor, low, high, dots, after_gap=gap and bool(points)))
        gap = False
    return sorted(points, key=lambda point: point.x)


def _table(setting: Setting, shown: Quantity, corruption: str) -> Table:
    rates = setting.rates(corruption)
    rows = []
    for method in setting.methods:
        cells = {cell.rate: cell for cell in setting.curve(method, corruption)}
        rows.append((Entry(method), *(_entry(cells.get(rate), shown) for rate in rates)))
    columns = tuple(_column(setting, corruption, rate) for rate in rates)
    return Table(
        caption=f"{shown.heading}, by asked rate; {corruption}, {setting.label}. Mean [95 % interval] n.",
        columns=("method", *columns),
        rows=tuple(rows),
        notes=_notes(setting, shown, corruption),
    )


def _entry(cell: Cell | None, shown: Quantity) -> Entry:
    return value_entry(cell, shown, None if cell is None else cell.interval(shown))


def _column(setting: Setting, corruption: str, rate: float) -> str:
    cells = (c for m in setting.methods for c in setting.curve(m, corruption) if c.rate == rate)
    realised = sorted(value for cell in cells for value in cell.realised_rates.values())
    if not realised:
        return f"asked {percent(rate)}"
    low, high = (f"{100 * end:.1f}" for end in (realised[0], realised[-1]))
    return f"asked {percent(rate)} (realised {low if low == high else f'{low} to {high}'} %)"


def _notes(setting: Setting, shown: Quantity, corruption: str) -> tuple[str, ...]:
    """Why finished runs have no value, with how many."""
    reasons: Counter[str] = Counter()
    for method in setting.methods:
        for cell in setting.curve(method, corruption):
            for result in cell.finished if len(cell.values(shown)) < len(cell.runs) else ():
                found = next(
                    (m for m in result.measurements if (m.name, m.selection) == (shown.name, shown.selection)), None
                )
                if found is None or found.value is None:
                    reasons[found.note if found and found.note else "not measured"] += 1
    return tuple(f"undefined in {count(number, 'run')}: {reason}" for reason, number in sorted(reasons.items()))


def _describe(panels: Sequence[Panel]) -> str:
    """The curves in words: where each starts and ends."""
    sentences = []
    for panel in panels:
        ways = [
            f"{line.label} from {line.points[0].y:.4g} at {line.points[0].x:.3g} % "
            f"to {line.points[-1].y:.4g} at {line.points[-1].x:.3g} %"
            for line in panel.lines
        ]
        sentences.append(f"{panel.title}, {panel.y_label}: {'; '.join(ways)}.")
    return " ".join(sentences)
