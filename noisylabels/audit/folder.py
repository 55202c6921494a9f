"""The folder an audit leaves: what it found, what it read it from, and what ``audit apply`` starts from.

audit.json       the answer; written last
actions.csv      a row a finding; actions.parquet the same, where pyarrow is installed
review.html      the review sheet
labels.npz       ``ids`` and ``given_label`` of the audited images
evidence.npz     every detector's scores and suggestions
probabilities.npy  the predicted probabilities, float32 ``(N, K)``, where there are any
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisylabels.atomic import write_atomically
from noisylabels.audit.actions import action_rows, actions_csv, write_parquet
from noisylabels.audit.audited import Audit, summary
from noisylabels.audit.cleaning import labels_npz, read_label_sets
from noisylabels.audit.sheet import to_html
from noisylabels.catalog import MissingExtraError, UsageError

ANSWER, ACTIONS, LABELS = "audit.json", "actions.csv", "labels.npz"
OPTIONAL = ("probabilities.npy", "actions.parquet")


def write_audit(
    out: Path, audit: Audit, probabilities: NDArray[np.float64] | None = None, *, shown: int = 200
) -> list[str]:
    """Write the folder, each file whole or not at all; names of the files.

    ``audit.json`` of an earlier audit there goes first and comes last: with it, all is there.
    """
    (out / ANSWER).unlink(missing_ok=True)
    subject = audit.subject
    rows = action_rows(audit.findings, subject.images.ids, subject.images.class_names, subject.image_names)
    files = {
        LABELS: labels_npz({"ids": subject.images.ids, "given_label": subject.given}),
        "evidence.npz": _evidence(audit),
        ACTIONS: actions_csv(rows),
        "review.html": to_html(audit, shown=shown).encode("utf-8", errors="replace"),
    }
    if probabilities is not None:
        files["probabilities.npy"] = _npy(probabilities)
    for name in (*OPTIONAL, *files):
        (out / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_atomically(out / name, content)
    written = list(files)
    try:
        write_parquet(out / "actions.parquet", rows)
        written.append("actions.parquet")
    except MissingExtraError:
        pass  # the CSV file has the same rows
    write_atomically(out / ANSWER, json.dumps(summary(audit), indent=1, allow_nan=False).encode())
    return [*written, ANSWER]


def audited_labels(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], int, str]:
    """Ids, given labels, number of classes and name of what an audit was about.

    Raises:
        UsageError: no audit there, or not a whole one.
    """
    sets = read_label_sets(folder / LABELS, ("ids", "given_label"))
    try:
        said = json.loads((folder / ANSWER).read_bytes())
        return sets["ids"], sets["given_label"], int(said["classes"]), str(said["subject"])
    except OSError as error:
        raise UsageError(f"{folder} must hold a finished audit, with {ANSWER} ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{folder / ANSWER} is not an audit's answer") from None


def _npy(probabilities: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, probabilities.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def _evidence(audit: Audit) -> bytes:
    arrays: dict[str, NDArray[np.generic]] = {"ids": audit.subject.images.ids}
    for one in audit.evidences:
        arrays[f"{one.name}_scores"] = one.scores
        if one.suggested is not None:
            arrays[f"{one.name}_suggested"] = one.suggested
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its own flag
    return buffer.getvalue()
