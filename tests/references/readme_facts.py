"""What README.md says of the committed studies, and what it should say: pieces of its text with their numbers."""

from __future__ import annotations

import functools
import math
import re
import statistics
from collections.abc import Sequence

from tests.references.plain_records import Fact, Record, Studies, cell, exact_p, mean, measured, seeds
from tests.references.readme_facts_curves import asymmetric_facts, symmetric_facts, symmetric_rows
from tests.references.readme_facts_human import human_facts
from tests.references.readme_facts_legacy import legacy_facts

T_TWO_DEGREES = 4.302653
"""97.5 % quantile of Student's distribution with two degrees of freedom, from a table."""


def mechanism_facts(study: Studies) -> list[Fact]:
    runs = study("cam_softmax_mechanism")
    slope = "cam_softmax:gradient=slope_only"
    collapsed = [record["status"] == "collapsed" for record in cell(runs, slope, "symmetric:rate=0.4")]
    angles = [mean(runs, head, "clean", "intra_class_angle_deg") for head in (slope, "normalised_softmax")]
    for corruption in ("clean", "symmetric"):
        value_only = cell(runs, "cam_softmax:gradient=value_only", corruption)
        assert {record["status"] for record in value_only} == {"ok"}
    return [
        ("makes classes compact ({} degrees within a class, normalised softmax {})", tuple(angles)),
        ("makes them collapse under {} % noise, in {} runs of {};", (40, sum(collapsed), len(collapsed))),
    ]


WINNERS = ("co_teaching", "gce", "sce", "sop", "elr", "cores", "mixup")


def methods_facts(study: Studies) -> list[Fact]:
    runs = study("cifar10_methods")
    plain = {
        record["spec"]["seed"]: measured(record, "accuracy")
        for record in runs
        if record["spec"]["loss"] == "ce" and record["spec"]["strategy"] == "standard"
    }
    by_method: dict[str, list[float]] = {}
    for record in runs:
        spec = record["spec"]
        name = (spec["strategy"] if spec["loss"] == "ce" else spec["loss"]).partition(":")[0]
        gain = 100 * (measured(record, "accuracy") - plain[spec["seed"]])
        by_method.setdefault(name, []).append(gain)
    del by_method["standard"]
    beat = {
        name
        for name, gains in by_method.items()
        if statistics.mean(gains) > T_TWO_DEGREES * statistics.stdev(gains) / math.sqrt(len(gains))
    }
    assert beat == set(WINNERS)
    sizes = runs[0]["provenance"]["sizes"]
    gains = tuple(statistics.mean(by_method[name]) for name in WINNERS)
    return [
        (
            "study `cifar10_methods`: {} images, {} % symmetric, {} epochs, {} seeds)",
            (sizes["train"] + sizes["validation"], 40, runs[0]["spec"]["train"]["epochs"], seeds(runs)),
        ),
        (
            "co-teaching (told the rate) by {} points, GCE {}, SCE {}, SOP {}, ELR {}, CORES {}, mixup {}, each by "
            "more than its interval; {} others do not",
            (*gains, len(by_method) - len(beat)),
        ),
        ("{} seeds cannot confirm any of it by the exact test", (seeds(runs),)),
    ]


FACE_HEADS = (
    "softmax",
    "normalised_softmax",
    "cosface",
    "arcface:margin=0.2",
    "subcenter_arcface:margin=0.2",
    "cam_softmax",
)
KINDS = ("identity_merge", "identity_split", "identity_flip", "outlier")


def face_losses(runs: Sequence[Record], head: str, kind: str) -> list[float]:
    """By seed: what half of the noise costs against the same seed without; strangers against as few people without."""
    clean = cell(runs, head, "outlier:rate=0.0" if kind == "outlier" else "clean:")
    noisy = cell(runs, head, f"{kind}:rate=0.5")
    values = ([measured(record, "verification_auc") for record in rows] for rows in (clean, noisy))
    return [a - b for a, b in zip(*values, strict=True)]


def face_facts(study: Studies) -> list[Fact]:
    runs = study("lfw_identity_noise")
    size = re.search(r"\bsize=(\d+)", runs[0]["spec"]["dataset"])
    assert size is not None
    lost = {(head, kind): face_losses(runs, head, kind) for head in FACE_HEADS for kind in KINDS}
    merges = {head: statistics.mean(lost[head, "identity_merge"]) for head in FACE_HEADS}
    assert min(merges, key=merges.__getitem__) == "cam_softmax"

    def against(rival: str, kind: str) -> list[float]:
        return [a - b for a, b in zip(lost["cam_softmax", kind], lost[rival, kind], strict=True)]

    less = ("softmax", "cosface", "subcenter_arcface:margin=0.2")
    confirmed = {exact_p(against(rival, "identity_merge")) for rival in less}
    unconfirmed = {exact_p(against("softmax", kind)) for kind in KINDS[1:]}
    assert len(confirmed) == len(unconfirmed) == 1
    assert all(statistics.mean(against("softmax", kind)) > 0 for kind in KINDS[1:])
    assert min(exact_p(against("arcface:margin=0.2", kind)) for kind in KINDS) > 0.05
    return [
        (
            "LFW View 1, {} people, {} x {} pixels, {} runs, {} seeds;",
            (
                cell(runs, "softmax", "clean:")[0]["noise"]["num_classes"],
                int(size[1]),
                int(size[1]),
                len(runs),
                seeds(runs),
            ),
        ),
        ("people never trained on), at {} % of each kind of identity noise:", (50,)),
        ("Cam-softmax loses least to merges ({})", (merges["cam_softmax"],)),
        ("less than softmax, CosFace and sub-centre ArcFace (p = {} each, not corrected)", (confirmed.pop(),)),
        ("and {} seeds do not confirm that (p = {}).", (seeds(runs), unconfirmed.pop())),
    ]


@functools.cache
def facts(study: Studies) -> list[Fact]:
    parts = (symmetric_facts, mechanism_facts, methods_facts, asymmetric_facts, human_facts, legacy_facts, face_facts)
    return [fact for part in parts for fact in part(study)]


@functools.cache
def table_rows(study: Studies) -> dict[str, list[float | str]]:
    """Each row's head in README, with the table's first word, to its cells."""
    rows: dict[str, list[float | str]] = {}
    rows |= symmetric_rows(study("cifar10_symmetric"))
    faces = study("lfw_identity_noise")
    columns = ("clean:", *(f"{kind}:rate=0.5" for kind in KINDS[:3]), "outlier:rate=0.0", "outlier:rate=0.5")
    for head in FACE_HEADS:
        rows[f"area {head}"] = [mean(faces, head, column, "verification_auc") for column in columns]
    return rows
