"""What README.md says of the study ``legacy_translation``, and what it should say."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.references.plain_records import Fact, Record, Studies, exact_p, measured, seeds

AQUA, SYMMETRIC = "legacy:rate=0.4,code=aqua_instance", "symmetric:rate=0.45,inclusive=false"


def accuracies(runs: Sequence[Record], loss: str, corruption: str) -> list[float]:
    """Per cent, by seed."""
    found = {
        run["spec"]["seed"]: 100 * measured(run, "accuracy")
        for run in runs
        if run["spec"]["loss"].partition(":")[0] == loss and run["spec"]["corruption"] == corruption
    }
    return [found[seed] for seed in range(seeds(runs))]


def easier(runs: Sequence[Record], loss: str, asked: float, exact: float) -> list[float]:
    """By seed, accuracy under DivideMix's code asked for so much, minus under exact symmetric noise."""
    inclusive = accuracies(runs, loss, f"legacy:rate={asked},code=dividemix_symmetric")
    other = accuracies(runs, loss, f"symmetric:rate={exact},inclusive=false")
    return [a - b for a, b in zip(inclusive, other, strict=True)]


def easier_at_equal_realised_rates(runs: Sequence[Record], loss: str) -> list[float]:
    """By seed, the mean over the three rates."""
    by_rate = [easier(runs, loss, asked, exact) for asked, exact in ((0.2, 0.18), (0.5, 0.45), (0.8, 0.72))]
    return [statistics.mean(of_seed) for of_seed in zip(*by_rate, strict=True)]


def legacy_facts(study: Studies) -> list[Fact]:
    runs = study("legacy_translation")
    asked, realised = easier(runs, "ce", 0.8, 0.8), easier_at_equal_realised_rates(runs, "ce")
    means = {
        (loss, kind): statistics.mean(accuracies(runs, loss, kind))
        for loss in ("ce", "gce")
        for kind in (AQUA, SYMMETRIC)
    }
    of_patterns = {
        exact_p([a - b for a, b in zip(accuracies(runs, *one), accuracies(runs, *other), strict=True)])
        for one, other in (
            (("ce", AQUA), ("ce", SYMMETRIC)),
            (("gce", AQUA), ("ce", AQUA)),
            (("gce", SYMMETRIC), ("ce", SYMMETRIC)),
        )
    }
    wrong = statistics.mean(
        run["noise"]["realised_rate"] for run in runs if run["spec"]["corruption"].startswith("legacy:rate=0.4,")
    )
    sizes = runs[0]["provenance"]["sizes"]
    return [
        ("{} images, {} seeds, frozen): DivideMix's", (sizes["train"] + sizes["validation"], seeds(runs))),
        (
            '"{} %" costs cross-entropy {} points less than {} % do (p = {}); against exact noise of as many wrong '
            "labels no difference is confirmed ({} points over three rates, p = {}).",
            (80, statistics.mean(asked), 80, exact_p(asked), statistics.mean(realised), exact_p(realised)),
        ),
        (
            "AQuA's instance noise, {} % wrong, costs it {} points more than symmetric noise of {} %, and GCE, {} "
            "points ahead under that, is {} behind under AQuA's (p = {} each, not corrected)",
            (
                100 * wrong,
                means["ce", SYMMETRIC] - means["ce", AQUA],
                45,
                means["gce", SYMMETRIC] - means["ce", SYMMETRIC],
                means["ce", AQUA] - means["gce", AQUA],
                max(of_patterns),
            ),
        ),
    ]
