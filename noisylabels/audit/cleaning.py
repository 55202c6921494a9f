"""Labels put right on paper: a new file of labels and a record that undoes it; no image is ever touched.

<out>.npz        ``ids``, ``given_label``, ``cleaned_label``: int64, equally long; -1 is left out
<out>.undo.json  every change, and the SHA-256 of the labels before and after
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.label_file import LabelFileError, read_annotations
from corruptions.record import DROPPED, labels_sha256
from noisylabels.atomic import write_atomically
from noisylabels.audit.finding import Action
from noisylabels.catalog import UsageError

TAKEN: tuple[Action, ...] = ("relabel", "remove", "merge")
"""Actions that say of themselves what the new labels are."""

LAYOUT = 1
MAX_RECORD_BYTES = 1 << 28
LABELS = ("ids", "given_label", "cleaned_label")


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Labels of N images before and after.

    Attributes:
        ids: int64 ``(N,)``.
        given: int64 ``(N,)``, as they were.
        cleaned: int64 ``(N,)``; -1 for an image that is to be left out.
    """

    ids: NDArray[np.int64]
    given: NDArray[np.int64]
    cleaned: NDArray[np.int64]

    @property
    def changed(self) -> NDArray[np.int64]:
        """Rows whose label is another one now."""
        return np.flatnonzero(self.given != self.cleaned)


def clean(
    ids: NDArray[np.int64],
    given: NDArray[np.int64],
    actions: Sequence[tuple[Action, int, int, int | None]],
    num_classes: int,
    wanted: Collection[str] = ("relabel", "remove"),
) -> Cleaned:
    """Take the wanted actions of a list; what is only to be looked at or split stays as it is.

    ``relabel`` and ``remove`` are about the image, ``merge`` gives every image of its label the target.

    Args:
        ids: int64 ``(N,)``, distinct.
        given: int64 ``(N,)``.
        actions: action, image id, given label and target of each row.
        num_classes: K.
        wanted: which actions to take.

    Raises:
        UsageError: an image that is not among the N, a given label that is another one (then the list is about other
            labels), a target that is no class, or two different orders for one image.
    """
    place = {int(one): row for row, one in enumerate(ids.tolist())}
    decided: dict[int, int] = {}
    for action, image, label, target in actions:
        row = place.get(image)
        if row is None:
            raise UsageError(f"the list must be about the {len(ids)} audited images; image {image} is not among them")
        if given[row] != label:
            raise UsageError(f"image {image} must have label {given[row]}; the list says {label}: of other labels")
        if action not in wanted or action not in TAKEN:
            continue
        new = DROPPED if action == "remove" or target is None else target
        if not DROPPED <= new < num_classes:
            raise UsageError(f"targets must be in [0, {num_classes}); got {new} for image {image}")
        rows = np.flatnonzero(given == label).tolist() if action == "merge" else [row]
        for one in rows:
            if decided.setdefault(one, new) != new:
                raise UsageError(f"image {ids[one]} must have one new label; the list says {decided[one]} and {new}")
    cleaned = given.copy()
    cleaned[list(decided)] = list(decided.values())
    return Cleaned(ids, given, cleaned)


def write_cleaned(out: Path, labels: Cleaned, about: str) -> tuple[Path, Path]:
    """Write the labels and the record that undoes them, the record first; each whole or not at all.

    Args:
        out: of the labels, ending in ``.npz``.
        labels: before and after.
        about: of which data set and audit.

    Raises:
        UsageError: another ending.
    """
    if out.suffix != ".npz":
        raise UsageError(f"cleaned labels go to a .npz file; got {out.name!r}")
    record = out.with_suffix(".undo.json")
    rows = labels.changed
    changes = zip(labels.ids[rows].tolist(), labels.given[rows].tolist(), labels.cleaned[rows].tolist(), strict=True)
    content = {
        "layout": LAYOUT,
        "about": about,
        "before_sha256": labels_sha256(labels.given),
        "after_sha256": labels_sha256(labels.cleaned),
        "ids_sha256": labels_sha256(labels.ids),
        "changes": [{"id": image, "from": before, "to": after} for image, before, after in changes],
    }
    write_atomically(record, json.dumps(content, indent=1).encode())
    write_atomically(out, labels_npz({"ids": labels.ids, "given_label": labels.given, "cleaned_label": labels.cleaned}))
    return out, record


def undone(cleaned: Path, record: Path) -> Cleaned:
    """The labels as they were before: every change of the record taken back, and compared with what it says was there.

    Reads the cleaned labels alone (not the given ones beside them), so that later edits are noticed.

    Raises:
        UsageError: a file is not what it should be, or the two do not belong together.
    """
    labels, changes = read_label_sets(cleaned, ("ids", "cleaned_label")), _record(record)
    ids, after = labels["ids"], labels["cleaned_label"]
    if (labels_sha256(ids), labels_sha256(after)) != (changes["ids_sha256"], changes["after_sha256"]):
        raise UsageError(f"{cleaned} must be as {record.name} left it; its labels are other ones")
    place = {int(one): row for row, one in enumerate(ids.tolist())}
    before = after.copy()
    for change in changes["changes"]:
        row = place.get(change["id"])
        if row is None or after[row] != change["to"]:
            raise UsageError(
                f"{record} does not belong to {cleaned}: image {change['id']} has not label {change['to']}"
            )
        before[row] = change["from"]
    if labels_sha256(before) != changes["before_sha256"]:
        raise UsageError(f"{record} contradicts itself: its changes taken back are not the labels it began with")
    return Cleaned(ids, after, before)


def labels_npz(sets: dict[str, NDArray[np.int64]]) -> bytes:
    """Label sets as ``read_annotations`` reads them."""
    buffer = io.BytesIO()
    np.savez(buffer, **sets)  # type: ignore[arg-type]  # its stub takes the names for its own flag
    return buffer.getvalue()


def read_label_sets(path: Path, names: Collection[str]) -> dict[str, NDArray[np.int64]]:
    """Some label sets of a file, each int64 of one length; nothing in it is executed.

    Raises:
        UsageError: no such file or set, or not such a file at all.
    """
    try:
        found = read_annotations(path)
    except LabelFileError as error:
        raise UsageError(str(error)) from None
    for name in names:
        if name not in found:
            raise UsageError(f"{path} must have a label set {name!r}; got {', '.join(sorted(found))}")
    return {name: found[name] for name in names}


def _record(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_RECORD_BYTES:
            raise UsageError(f"{path} must have at most {MAX_RECORD_BYTES:,} bytes; got {path.stat().st_size:,}")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not a record of audit apply: it must be JSON") from None
    hashes = ("before_sha256", "after_sha256", "ids_sha256")
    fits = isinstance(content, dict) and content.get("layout") == LAYOUT and isinstance(content.get("changes"), list)
    fits = fits and all(isinstance(content.get(name), str) for name in hashes)
    if not fits or not all(
        isinstance(change, dict) and all(type(change.get(key)) is int for key in ("id", "from", "to"))
        for change in content["changes"]
    ):
        raise UsageError(f"{path} is not a record of audit apply: a field is missing or of another kind")
    return dict(content)
