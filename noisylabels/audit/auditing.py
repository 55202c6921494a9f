"""From a data set to its audit: by trainings of the toolkit's own, or by probabilities and embeddings of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisylabels.audit.audited import Audit, audited, evidence_of
from noisylabels.audit.cleaning import clean
from noisylabels.audit.detector import Observed
from noisylabels.audit.evidence import Evidence, combined
from noisylabels.audit.faces import face_findings
from noisylabels.audit.finding import Finding
from noisylabels.audit.geometry import geometry
from noisylabels.audit.out_of_fold import OutOfFold, out_of_fold
from noisylabels.audit.probabilities_file import rows_of
from noisylabels.audit.subject import Subject
from noisylabels.audit.what_if import Scenario, what_if
from noisylabels.catalog import UsageError
from noisylabels.data import ImageSet
from noisylabels.metrics import Undefined
from noisylabels.spec import RunSpec

MAX_PROBABILITIES = 200_000_000
"""N * K up to which predicted probabilities are held in memory (1.6 GB)."""

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Material:
    """Where what is observed comes from; trainings of our own where no file is given.

    Attributes:
        probabilities, embeddings: files of the user's, as ``rows_of`` reads them.
        in_sample: whether their model was trained on the audited labels.
        folds: k.
        device: see ``pick_device``.
    """

    probabilities: Path | None = None
    embeddings: Path | None = None
    in_sample: bool = False
    folds: int = 5
    device: str = "auto"


def audit_with(
    spec: RunSpec, subject: Subject, material: Material, *, on_fold: Told = lambda done, count: None
) -> tuple[Audit, NDArray[np.float64] | None]:
    """The audit of a subject, and the probabilities that it was made with.

    Args:
        spec: of trainings: model, head, loss, strategy, training and seed.
        subject: N images and given labels.
        material: what to observe.
        on_fold: told of every finished training.

    Raises:
        UsageError: files or trainings cannot be had as asked, or N * K is beyond memory.
    """
    if material.probabilities is None and material.embeddings is None:
        found = _trained(spec, subject.images, material.folds, material.device, on_fold)
        observed = _observed(subject.images, found)
        how = f"{material.folds} trainings of {spec.short('model')} {spec.method}, each image judged by the one without"
        return audited(subject, f"{how} it.", observed=observed, evidences=found.geometry, seed=spec.seed), (
            found.probabilities
        )
    evidences: list[Evidence] = []
    findings: list[Finding] = []
    given, probabilities, observed_by_user = subject.given, None, None
    if material.embeddings is not None:
        embeddings = rows_of(material.embeddings, subject.images.ids)
        try:
            findings, evidences = face_findings(embeddings, given, in_sample=material.in_sample)
        except (Undefined, ValueError) as error:
            raise UsageError(f"{error} (in {material.embeddings})") from None
    if material.probabilities is not None:
        probabilities = _probabilities(material.probabilities, subject)
        try:
            observed_by_user = Observed(given, subject.images.num_classes, probabilities, material.in_sample)
        except ValueError as error:
            raise UsageError(f"{error} (in {material.probabilities})") from None
    files = " and ".join(str(path.name) for path in (material.probabilities, material.embeddings) if path is not None)
    how = f"By {files}, {'in' if material.in_sample else 'out of'} sample as said."
    audit = audited(subject, how, observed=observed_by_user, evidences=evidences, findings=findings, seed=spec.seed)
    return audit, probabilities


def ranked(spec: RunSpec, images: ImageSet, *, folds: int, device: str = "auto") -> Evidence:
    """The combined evidence of ``folds`` trainings about images and their given labels."""
    found = _trained(spec, images, folds, device, lambda done, count: None)
    return combined([*evidence_of(_observed(images, found)), *found.geometry])


def scenarios(
    spec: RunSpec, audit: Audit, *, folds: int, device: str, seeds: Sequence[int], on_training: Told
) -> tuple[Scenario, ...]:
    """``what_if`` of an audit: its own relabellings make the labels that stand in for true ones.

    Raises:
        UsageError: there are no test images, or no estimates to inject.
    """
    subject, estimates = audit.subject, audit.estimates
    if subject.test is None or estimates is None or estimates.transition_matrix is None:
        raise UsageError("--what-if needs test images, predicted probabilities and at most 100 classes")
    images = subject.images
    relabellings = [
        (one.action, int(images.ids[one.examples[0]]), one.classes[0], one.target)
        for one in audit.findings
        if one.kind == "flip"
    ]
    labels = clean(images.ids, images.labels, relabellings, images.num_classes, wanted=("relabel",)).cleaned
    return what_if(
        spec,
        ImageSet(images.images, labels, images.ids, images.class_names),
        subject.test,
        estimates.noise_rate.value,
        estimates.transition_matrix,
        lambda seeded, noisy: ranked(seeded, noisy, folds=folds, device=device),
        seeds=seeds,
        device=device,
        on_training=on_training,
    )


def _trained(spec: RunSpec, images: ImageSet, folds: int, device: str, on_fold: Told) -> OutOfFold:
    cells = len(images) * images.num_classes
    if cells > MAX_PROBABILITIES:
        raise UsageError(
            f"images times classes must be at most {MAX_PROBABILITIES:,} for predicted probabilities; got {cells:,}: "
            "audit such a set by its --embeddings"
        )
    return out_of_fold(spec, images, count=folds, device=device, geometry=geometry, on_fold=on_fold)


def _observed(images: ImageSet, found: OutOfFold) -> Observed:
    return Observed(images.labels, images.num_classes, found.probabilities, False, found.dynamics)


def _probabilities(path: Path, subject: Subject) -> NDArray[np.float64]:
    rows = rows_of(path, subject.images.ids, columns=subject.images.num_classes)
    if rows.size > MAX_PROBABILITIES:
        raise UsageError(f"{path} must hold at most {MAX_PROBABILITIES:,} probabilities; got {rows.size:,}")
    return np.asarray(rows, dtype=np.float64)
