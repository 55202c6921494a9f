"""What README.md says of ``cifar10_symmetric`` and ``cifar10_asymmetric``, and what it should say."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from tests.references.plain_records import Fact, Record, Studies, cell, exact_p, mean, measured, seeds

CAM, RAMP = "cam_softmax:schedule=adaptive", "cam_softmax:schedule=ramp,c_stop_deg=75.0"
METHODS = {
    "softmax": "softmax",
    "normalised_softmax": "normalised_softmax",
    "cosface": "cosface",
    "arcface:margin=0.2": "arcface:margin=0.2",
    "subcenter_arcface:margin=0.2": "subcenter_arcface:margin=0.2",
    "sphereface2": "sphereface2+one_vs_all",
    "cam_softmax": CAM,
    "cam_softmax:schedule=ramp": RAMP,
    "gce": "softmax+gce",
    "elr": "softmax+elr",
    "regularised": "softmax+regularised",
}
"""What begins a row of README's tables, and the method's name in the records."""

HEADS = (
    "normalised_softmax",
    "cosface",
    "arcface:margin=0.2",
    "subcenter_arcface:margin=0.2",
    "sphereface2+one_vs_all",
    CAM,
    RAMP,
)
"""All heads of cosines."""

RATES = (0.2, 0.4, 0.6, 0.8)
CLEAN = "clean:"


def symmetric(rate: float) -> str:
    return f"symmetric:rate={rate}" if rate else CLEAN


def lost(runs: Sequence[Record], method: str, noisy: str) -> list[float]:
    """Points of accuracy, by seed; every run must have ended well."""
    pairs = list(zip(cell(runs, method, CLEAN), cell(runs, method, noisy), strict=True))
    assert all(run["status"] == "ok" for pair in pairs for run in pair), (method, noisy)
    return [100 * (measured(clean, "accuracy") - measured(noise, "accuracy")) for clean, noise in pairs]


def mean_loss(runs: Sequence[Record], method: str) -> list[float]:
    """Trapezoids of the loss over the rates 0 to 80 %, divided by 80 %, by seed."""
    by_rate = [[0.0] * seeds(runs)] + [lost(runs, method, symmetric(rate)) for rate in RATES]
    return [
        sum(0.2 * (a + b) / 2 for a, b in itertools.pairwise(of_seed)) / 0.8 for of_seed in zip(*by_rate, strict=True)
    ]


def minus(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]


def under_noise(runs: Sequence[Record], method: str) -> list[float]:
    """Accuracy, per cent, by seed: mean over the four noisy rates."""
    by_rate = [[100 * measured(run, "accuracy") for run in cell(runs, method, symmetric(rate))] for rate in RATES]
    return [statistics.mean(of_seed) for of_seed in zip(*by_rate, strict=True)]


def collapses(runs: Sequence[Record], method: str, rates: Sequence[float]) -> tuple[int, int]:
    """How many of how many noisy runs."""
    found = [run for rate in rates for run in cell(runs, method, symmetric(rate))]
    return sum(run["status"] == "collapsed" for run in found), len(found)


def symmetric_facts(study: Studies) -> list[Fact]:
    runs = study("cifar10_symmetric")
    return [*_setting(runs, study("cifar10_human")), *_cam_softmax(runs), *_collapse(runs), *_losses(runs)]


def _setting(runs: Sequence[Record], human: Sequence[Record]) -> list[Fact]:
    sizes = runs[0]["provenance"]["sizes"]
    before = {run["run_id"] for run in human} & {run["run_id"] for run in runs}
    return [
        (
            "({} CIFAR-10 images, {} of them to train on; `small_cnn:width=16`, {} epochs; {} methods, {} seeds,",
            (
                sizes["train"] + sizes["validation"],
                runs[0]["noise"]["num_examples"],
                runs[0]["spec"]["train"]["epochs"],
                len(METHODS),
                seeds(runs),
            ),
        ),
        ("frozen, with {} of its {} runs done before", (len(before), len(runs))),
        ("last epoch, per cent, mean of {} seeds:", (seeds(runs),)),
    ]


def _cam_softmax(runs: Sequence[Record]) -> list[Fact]:
    losses = [mean_loss(runs, method) for method in (CAM, "softmax")]
    below = minus(under_noise(runs, "softmax"), under_noise(runs, CAM))
    for rival in ("normalised_softmax", "cosface", "sphereface2+one_vs_all"):
        assert abs(statistics.mean(minus(under_noise(runs, CAM), under_noise(runs, rival)))) < 0.5
    noisy = [run for rate in RATES for run in cell(runs, CAM, symmetric(rate))]
    back = [run for run in noisy if abs(run["history"][-1]["head"]["c_deg"] - 90) < 0.005]
    return [
        (
            "Over all rates it loses {} points in the mean, softmax {}: no claim (p = {};",
            (*map(statistics.mean, losses), exact_p(minus(*losses))),
        ),
        (
            "Under noise it stands {} points below softmax (p = {}, not corrected) and within {} of normalised",
            (statistics.mean(below), exact_p(below), 0.5),
        ),
        ("in {} of {} noisy runs its adaptive schedule has gone back to {} degrees", (len(back), len(noisy), 90)),
    ]


def _collapse(runs: Sequence[Record]) -> list[Fact]:
    assert set(HEADS) == {method for method in METHODS.values() if not method.startswith("softmax")}
    heads = [head for head in HEADS if head != RAMP]
    assert all(mean(runs, RAMP, CLEAN, "accuracy") > mean(runs, other, CLEAN, "accuracy") for other in heads)
    compact = [mean(runs, method, CLEAN, "intra_class_angle_deg") for method in (RAMP, "normalised_softmax")]
    fallen = [run for run in runs if run["status"] == "collapsed"]
    others = [run for run in runs if run["status"] == "ok"]
    assert len(fallen) + len(others) == len(runs)
    counted = [collapses(runs, method, RATES) for method in ("arcface:margin=0.2", "subcenter_arcface:margin=0.2")]
    ends = (
        max(measured(run, "wrong_centre_angle_deg") for run in fallen),
        min(measured(run, "wrong_centre_angle_deg") for run in others),
    )
    return [
        ("the most compact ({} degrees within a class, normalised softmax {})", tuple(compact)),
        ("at {} and {} % it collapses in {} of {} runs.", (60, 80, *collapses(runs, RAMP, (0.6, 0.8)))),
        ("ArcFace collapses in {} of {} noisy runs, with three sub-centres in {}.", (*counted[0], counted[1][0])),
        ("such runs classify up to {} % of the", (max(100 * measured(run, "accuracy") for run in fallen),)),
        ("({} degrees and {}; the rule says {})", (*ends, 8)),
    ]


def _losses(runs: Sequence[Record]) -> list[Fact]:
    for head in HEADS:
        for noise in map(symmetric, (0.0, *RATES)):
            assert mean(runs, head, noise, "accuracy") < mean(runs, "softmax", noise, "accuracy")
    softmax, clean = under_noise(runs, "softmax"), mean(runs, "softmax", CLEAN, "accuracy")
    above = {name: minus(under_noise(runs, f"softmax+{name}"), softmax) for name in ("gce", "elr", "regularised")}
    (p,) = {exact_p(above[name]) for name in ("gce", "elr")}
    assert statistics.mean(above["regularised"]) < 0
    lower = {name: 100 * (clean - mean(runs, f"softmax+{name}", CLEAN, "accuracy")) for name in above}
    return [
        (
            "GCE loses {} points in the mean and is {} above softmax under noise, {} below without; ELR is {} above "
            "(p = {} each, not corrected).",
            (
                statistics.mean(mean_loss(runs, "softmax+gce")),
                statistics.mean(above["gce"]),
                lower["gce"],
                statistics.mean(above["elr"]),
                p,
            ),
        ),
        (
            "The regularised net loses {} points, but from {} lower",
            (statistics.mean(mean_loss(runs, "softmax+regularised")), lower["regularised"]),
        ),
    ]


def symmetric_rows(runs: Sequence[Record]) -> dict[str, list[float | str]]:
    """The cells of each row of README's table of accuracies."""
    return {
        f"per cent {row}": [accuracy_or_status(cell(runs, method, symmetric(rate))) for rate in (0.0, *RATES)]
        for row, method in METHODS.items()
    }


def accuracy_or_status(runs: Sequence[Record]) -> float | str:
    collapsed = sum(run["status"] == "collapsed" for run in runs)
    if collapsed:
        return f"{collapsed} of {len(runs)} collapsed"
    return 100 * statistics.mean(measured(run, "accuracy") for run in runs)


def asymmetric_facts(study: Studies) -> list[Fact]:
    runs = study("cifar10_asymmetric")
    assert {run["status"] for run in runs} == {"ok"}
    low, high = "asymmetric:rate=0.2", "asymmetric:rate=0.4"
    wrong = statistics.mean(run["noise"]["realised_rate"] for run in cell(runs, "softmax", high))
    losses = {method: lost(runs, method, high) for method in METHODS.values()}

    def area(method: str) -> list[float]:
        """Mean loss over the rates 0, 20 and 40 %, by seed."""
        return [(2 * a + b) / 4 for a, b in zip(lost(runs, method, low), losses[method], strict=True)]

    def above_softmax(method: str) -> list[float]:
        first, second = (cell(runs, name, high) for name in (method, "softmax"))
        return minus(*([100 * measured(run, "accuracy") for run in found] for found in (first, second)))

    assert all(statistics.mean(above_softmax(method)) < 0 for method in METHODS.values() if method != "softmax")
    less = minus(area("softmax"), area(CAM))
    worse = ("cosface", "arcface:margin=0.2", "sphereface2+one_vs_all")
    (p_worse,) = {exact_p(minus(losses[rival], losses[CAM])) for rival in worse}
    gce, elr = above_softmax("softmax+gce"), above_softmax("softmax+elr")
    return [
        ("Under CIFAR-10's asymmetric map at {} % ({} % of all labels wrong;", (40, 100 * wrong)),
        (
            "Cam-softmax loses {} points, softmax {}, normalised softmax {}; over both rates it loses {} less than "
            "softmax, no claim (p = {}).",
            (
                *(statistics.mean(losses[method]) for method in (CAM, "softmax", "normalised_softmax")),
                statistics.mean(less),
                exact_p(less),
            ),
        ),
        (
            "At {} % it loses less than CosFace ({}), ArcFace ({}) and SphereFace2 ({}; p = {} each, not corrected).",
            (40, *(statistics.mean(losses[method]) for method in worse), p_worse),
        ),
        ("is {} points below it here** (p = {})", (-statistics.mean(gce), exact_p(gce))),
        ("softmax at {} %, ELR {} below it", (40, -statistics.mean(elr))),
    ]
