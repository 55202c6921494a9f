"""What the review sheet says, before it looks like anything."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisylabels.audit.audited import Audit
from noisylabels.audit.estimates import Estimate
from noisylabels.audit.finding import KINDS, Finding

WEAK = 2 / 3
"""Share of the noise rate that contradicts sure predictions, below which the model is suspected of being weak."""
MAX_PICTURES = 6
"""Of one finding."""
MAX_MATRIX = 20
"""Classes up to which the transition matrix is printed."""


@dataclass(frozen=True)
class Picture:
    """An image as a data address, and what is said beside and instead of it."""

    source: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Line:
    """One finding, all in words."""

    kind: str
    first_id: int
    pictures: tuple[Picture, ...]
    given: str
    suggestion: str
    score: str
    because: str


@dataclass(frozen=True)
class Table:
    """Rows of texts under headings; the first of a row says what it is about."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Sheet:
    """The whole page."""

    title: str
    how: str
    answer: tuple[str, ...]
    tables: tuple[Table, ...]
    shown: str
    lines: tuple[Line, ...]


def sheet_content(audit: Audit, *, shown: int) -> Sheet:
    """The page of an audit, the first ``shown`` findings of each kind."""
    listed = [one for kind in KINDS for one in _of_kind(audit, kind)[:shown]]
    order = {id(one): place for place, one in enumerate(audit.findings)}
    listed.sort(key=lambda one: order[id(one)])
    typical = _typical(audit)
    rest = len(audit.findings) - len(listed)
    more = f" {rest:,} more are in actions.csv." if rest else ""
    return Sheet(
        title=audit.subject.text,
        how=f"{len(audit.subject):,} images, {audit.subject.images.num_classes:,} classes. {audit.how}",
        answer=tuple(answer(audit)),
        tables=tuple(_tables(audit)),
        shown=f"{len(listed):,} of {len(audit.findings):,} findings.{more}",
        lines=tuple(_line(audit, one, typical) for one in listed),
    )


def answer(audit: Audit) -> list[str]:
    """The estimates in sentences, the same on the page and in the terminal."""
    lines = []
    if audit.estimates is not None and audit.kind is not None:
        rate = audit.estimates.noise_rate
        of = "two counts of opposite bias, and sampling" if audit.estimates.bracketed else "sampling alone"
        lines.append(f"About {_share(rate)} of {rate.n:,} labels are wrong (95 % interval of {of}).")
        sure = audit.estimates.contradicted_when_sure
        so = "where it errs least"
        if sure.value < WEAK * rate.value:
            so = "so few that the rate above seems to count many mistakes of the model's own"
        lines.append(f"Of the tenth that the model is surest of, {_share(sure)} of {sure.n:,} are contradicted, {so}.")
        known = {"even": "wrong labels are spread evenly over the other classes", "one_target": "one target a class"}
        lines.append(f"Kind of noise: {known.get(audit.kind.kind, 'no claim')} ({audit.kind.because}).")
    counts = [f"{len(_of_kind(audit, kind)):,} {kind.replace('_', ' ')}" for kind in KINDS if _of_kind(audit, kind)]
    lines.append(f"Findings: {', '.join(counts) or 'none'}.")
    return lines


def _of_kind(audit: Audit, kind: str) -> list[Finding]:
    return [one for one in audit.findings if one.kind == kind]


def _share(one: Estimate) -> str:
    return f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]" if one.n else "no examples"


def _tables(audit: Audit) -> list[Table]:
    names = audit.subject.images.class_names
    tables = [_detectors(audit)]
    if audit.estimates is not None:
        shares = zip(names, audit.estimates.by_given_class, strict=True)
        worst = sorted(shares, key=lambda pair: -(pair[1].value if pair[1].n else -1.0))[:100]
        rows = tuple((name, _share(one), f"{one.n:,}") for name, one in worst)
        columns = ("Given label", "Wrong", "Examples")
        tables.append(Table("Wrong labels by class", "Share of a label's examples, worst first", columns, rows))
        matrix = audit.estimates.transition_matrix
        if matrix is not None and len(names) <= MAX_MATRIX:
            cells = tuple((name, *(f"{cell:.1%}" for cell in row)) for name, row in zip(names, matrix, strict=True))
            caption = "Estimated share of each true class (down) under each given label (across)"
            tables.append(Table("Transition matrix", caption, ("True class", *names), cells))
    if audit.scenarios:
        tables.append(_scenarios(audit))
    return tables


def _detectors(audit: Audit) -> Table:
    found = {(one.detector, one.noise): one for one in audit.qualities}
    kinds = list(dict.fromkeys(one.noise for one in audit.qualities))
    headings = tuple(f"{what}, {noise}" for noise in kinds for what in ("Average precision", "AUROC"))
    rows = []
    for one in audit.evidences:
        cells = [one.name, "in sample" if one.in_sample else "out of sample"]
        for noise in kinds:
            seen = found[one.name, noise]
            cells += [f"{seen.average_precision:.3f} (n = {seen.wrong:,})", f"{seen.auroc:.3f}"]
        rows.append(tuple(cells))
    caption = "In sample: the model was trained on these very labels and may have learnt the wrong ones by heart"
    return Table("Detectors", caption, ("Detector", "Judged", *headings), tuple(rows))


def _scenarios(audit: Audit) -> Table:
    rows = []
    base = {one.name: one.mean for one in audit.scenarios}
    for one in audit.scenarios:
        spread = f"{one.mean:.1%} [{min(one.accuracies):.1%}, {max(one.accuracies):.1%}]"
        bought = f"{100 * (one.mean - base['noisy']):+.1f} points"
        rows.append((one.name, f"{one.wrong:.1%}", spread, bought, f"{len(one.accuracies)}"))
    columns = ("Labels", "Wrong", "Test accuracy [min, max]", "Against noisy", "Seeds")
    caption = "Estimated noise injected into the cleaned labels, which stand in for the truth nobody has"
    return Table("What the errors cost, and what cleaning buys", caption, columns, tuple(rows))


def _typical(audit: Audit) -> dict[int, int]:
    """Of each class, the least suspicious image under its label."""
    scores, given = audit.evidences[-1].scores, audit.subject.given
    order = np.argsort(-scores, kind="stable")
    return dict(zip(given[order].tolist(), order.tolist(), strict=True))  # the last of a class stands: the least


def _line(audit: Audit, finding: Finding, typical: dict[int, int]) -> Line:
    names, ids = audit.subject.images.class_names, audit.subject.images.ids
    pictures = [_picture(audit, row, f"image {ids[row]}") for row in finding.examples[:MAX_PICTURES]]
    if finding.kind in ("flip", "outlier"):
        shown = [finding.classes[0]] + ([] if finding.target is None else [finding.target])
        pictures += [_picture(audit, typical[one], f"a typical {names[one]}") for one in shown if one in typical]
    target = "" if finding.target is None else f" to {names[finding.target]}"
    return Line(
        kind=finding.kind.replace("_", " "),
        first_id=int(ids[finding.examples[0]]),
        pictures=tuple(pictures),
        given=", ".join(names[one] for one in finding.classes),
        suggestion=f"{finding.action}{target}",
        score=f"{finding.score:.4f}",
        because=finding.because,
    )


def _picture(audit: Audit, row: int, caption: str) -> Picture:
    subject = audit.subject
    called = f" ({subject.image_names[row]})" if subject.image_names else ""
    label = subject.images.class_names[subject.given[row]]
    return Picture(_png(subject.images.images[row]), caption, f"{caption}{called}, labelled {label}")


def _png(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=False)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
