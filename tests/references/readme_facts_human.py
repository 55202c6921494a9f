"""What README.md says of human against synthetic noise, and what it should say."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence

from tests.references.plain_records import Fact, Record, Studies, cell, exact_p, measured, seeds

HUMAN, TWIN, SYMMETRIC = r"human:.*twin=false", r"human:.*twin=true", "symmetric:rate=0.4"


def by_method(runs: Sequence[Record], corruption: str) -> dict[str, dict[int, float]]:
    """Accuracy, per cent, by method and seed, of the runs that ended well."""
    found: dict[str, dict[int, float]] = {}
    for record in runs:
        spec = record["spec"]
        if record["status"] == "ok" and re.match(rf"{corruption}\b", spec["corruption"]):
            name = " ".join((spec["head"], spec["loss"], spec["strategy"]))
            found.setdefault(name, {})[spec["seed"]] = 100 * measured(record, "accuracy")
    return found


def rank_correlation(first: dict[str, float], second: dict[str, float]) -> float:
    """Spearman's, of values without ties."""
    places = [{name: place for place, name in enumerate(sorted(one, key=one.__getitem__))} for one in (first, second)]
    n = len(first)
    return 1 - 6 * sum((places[0][name] - places[1][name]) ** 2 for name in first) / (n * (n * n - 1))


def human_facts(study: Studies) -> list[Fact]:
    runs = study("cifar10_human")
    under = {corruption: by_method(runs, corruption) for corruption in ("clean", HUMAN, TWIN, SYMMETRIC)}
    names = list(under["clean"])
    plain = next(name for name in names if name.startswith("softmax ce") and name.endswith(" standard"))
    gce, elr = (next(name for name in names if f" {kind}" in name) for kind in ("gce", "elr"))
    cam = next(name for name in names if name.startswith("cam_softmax") and "schedule=adaptive" in name)
    arcface = next(name for name in names if name.startswith("arcface"))

    def ahead(method: str, corruption: str) -> list[float]:
        return [under[corruption][method][seed] - under[corruption][plain][seed] for seed in range(6)]

    def lost(method: str, corruption: str) -> list[float]:
        return [under["clean"][method][seed] - under[corruption][method][seed] for seed in range(6)]

    means = {c: {name: statistics.mean(under[c][name].values()) for name in names} for c in (HUMAN, SYMMETRIC)}
    assert max(means[HUMAN], key=means[HUMAN].__getitem__) != max(means[SYMMETRIC], key=means[SYMMETRIC].__getitem__)
    (p_gce,) = {exact_p(ahead(gce, corruption)) for corruption in (HUMAN, SYMMETRIC)}
    (p_elr,) = {exact_p(ahead(elr, corruption)) for corruption in (HUMAN, SYMMETRIC)}
    heads = [name for name in names if name.endswith(" standard") and " ce" in name and name != cam]
    for head in heads:
        assert exact_p([a - b for a, b in zip(lost(cam, HUMAN), lost(head, HUMAN), strict=True)]) > 0.05
    sizes = runs[0]["provenance"]["sizes"]
    wrong = statistics.mean(record["noise"]["realised_rate"] for record in cell(runs, "softmax", HUMAN))
    collapsed = [6 - len(under[corruption][arcface]) for corruption in (SYMMETRIC, TWIN, HUMAN)]
    assert collapsed[2] == 0
    return [
        (
            "frozen before its first run; {} CIFAR-10 images, {} methods, {} seeds; CIFAR-10N's worst labels, {} % of "
            "them wrong,",
            (sizes["train"] + sizes["validation"], len(names), seeds(runs), 100 * wrong),
        ),
        ("transition matrix, and {} % symmetric noise):", (40,)),
        (
            "GCE is {} points above cross-entropy under symmetric noise and {} below it under human noise (p = {} "
            "each, not corrected); ELR is {} above and {} below (p = {} each).",
            (
                statistics.mean(ahead(gce, SYMMETRIC)),
                -statistics.mean(ahead(gce, HUMAN)),
                p_gce,
                statistics.mean(ahead(elr, SYMMETRIC)),
                -statistics.mean(ahead(elr, HUMAN)),
                p_elr,
            ),
        ),
        (
            "cost plain softmax {} points, drawn ones of the same matrix {}, symmetric ones {}.",
            tuple(statistics.mean(lost(plain, corruption)) for corruption in (HUMAN, TWIN, SYMMETRIC)),
        ),
        ("(Spearman's rank correlation {})", (rank_correlation(means[HUMAN], means[SYMMETRIC]),)),
        (
            "Cam-softmax loses {} points to human noise and stands {} below softmax under it;",
            (statistics.mean(lost(cam, HUMAN)), -statistics.mean(ahead(cam, HUMAN))),
        ),
        (
            "ArcFace collapsed in {} of {} runs under symmetric noise, in {} with the drawn matrix",
            (collapsed[0], 6, collapsed[1]),
        ),
    ]
