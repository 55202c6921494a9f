"""The README's table of what is promised and what was measured, from the committed results.

    python -m benchmarks.table

A test holds the README to what this prints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")


def result(name: str) -> Any:
    """A committed result."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def rows() -> list[tuple[str, str, str, str]]:
    """What, against what, the goal, and what was measured."""
    ratios = result("ratios")["ratios"]
    return [*_training(ratios), *_many_runs(), *_many_classes(ratios), *_measuring(ratios), *_command(ratios)]


def _training(ratios: dict[str, float]) -> list[tuple[str, str, str, str]]:
    nets = "small_cnn:width=16", "resnet8"
    conventional = [ratios[f"training {net}, images/s: ours / conventional loop"] for net in nets]
    bare = ratios["training resnet8, images/s: ours / bare steps"]
    memory = ratios["a run on CIFAR-10, resnet8, MB"]
    step = {row["variant"]: row["speed_to_plain"] for row in result("step")["rows"] if row["model"] == "resnet8"}
    variants = "channels last", "fused optimiser", "compiled", "bfloat16"
    return [
        (
            f"training `{nets[0]}`, `{nets[1]}`, images a second",
            "a conventional loop: PIL images, torchvision, DataLoader, float32",
            "3 times",
            f"{' and '.join(f'{value:.1f}' for value in conventional)} times{_missed(min(conventional) >= 3)}",
        ),
        ("the same, `resnet8`", "its bare steps on one batch", "0.97", f"{bare:.2f}{_missed(bare >= 0.97)}"),
        (
            f"the step of `resnet8`: {', '.join(variants)}",
            "the plain step",
            "faster where it can be",
            f"{', '.join(f'{step[name]:.2f}' for name in variants)} times; the first is used",
        ),
        ("memory of a run on all of CIFAR-10, `resnet8`", "", "900 MB", f"{memory:.0f} MB{_missed(memory <= 900)}"),
    ]


def _many_runs() -> list[tuple[str, str, str, str]]:
    ratio = result("sweep_scaling")["median_ratio"]
    stacked = result("stacked_seeds")["rows"]
    tracked = result("tracking")["median_ratio"]
    failing = max(tracked[way] for way in ("refusing", "hanging", "answering 500", "bad key"))
    return [
        ("two workers on two cores", "one worker", "1.9 times", f"{1 / ratio:.2f} times{_missed(1 / ratio >= 1.9)}"),
        (
            f"{stacked[0]['seeds']} seeds stacked in one net, widths {_listed(str(row['width']) for row in stacked)}",
            "one after the other",
            "where it wins",
            f"{_listed(format(row['ratio'], '.2f') for row in stacked)} times its speed: not used on a CPU",
        ),
        (
            "a sweep tracked by W&B: offline; at worst, of refusing, hanging, failing, a bad key",
            "untracked",
            "1.05",
            f"{tracked['offline']:.2f}; {failing:.2f}{_missed(max(failing, tracked['offline']) <= 1.05)}",
        ),
    ]


def _many_classes(ratios: dict[str, float]) -> list[tuple[str, str, str, str]]:
    heads = "cam_softmax", "arcface", "cosface"
    times = [ratios[f"{head} at 10,572 classes, time: ours / linear + cross-entropy"] for head in heads]
    memory = ratios["cam_softmax at 10,572 classes, memory: ours / linear + cross-entropy"]
    more = {row["kind"]: row for row in result("many_classes")["rows"] if row["classes"] == 100_000}
    chunked = more["cam_softmax, chunks"]
    chunks = (
        f"in chunks of {result('many_classes')['chunk']:,}: {chunked['time_ratio']:.2f}; {chunked['memory_ratio']:.2f}"
    )
    later = [more[head]["time_ratio"] for head in heads]
    most = max(more[head]["memory_ratio"] for head in heads)
    named = "cam-softmax, ArcFace, CosFace"
    return [
        (
            f"{named}, 10,572 classes, forward and backward: time; memory",
            "linear and cross-entropy",
            "1.1; 1.1",
            f"{_listed(format(time, '.2f') for time in times)}; {memory:.2f}{_missed(max(*times, memory) <= 1.1)}",
        ),
        (
            "the same at 100,000 classes",
            "the same",
            "1.1; 1.1",
            f"{_listed(format(one, '.2f') for one in later)}; {most:.2f}{_missed(max(*later, most) <= 1.1)}; {chunks}",
        ),
    ]


def _measuring(ratios: dict[str, float]) -> list[tuple[str, str, str, str]]:
    compact = result("compactness")
    folds = ratios["LFW ten-fold from scores, time: loop / ours"]
    report, audit = result("large_report"), result("audit")
    held = audit["cleanlab"]["sizes"][f"1000x{audit['asked']['identities']}"]["peak_mib"]
    over = compact["ours_over_floor_cpu"]
    return [
        (
            f"all compactness metrics of {compact['size']:,} x {compact['dim']}, {compact['classes']:,} classes",
            "reading them and one product",
            "1.5",
            f"{over:.2f}{_missed(over <= 1.5)}, {compact['ours']['mb']:.0f} MB",
        ),
        (
            f"the same at {compact['library_size']:,}",
            f"scikit-learn's silhouette alone: {compact['library']['mb']:,.0f} MB",
            "",
            f"{compact['library_over_ours_at_its_size']:.1f} times as fast",
        ),
        ("LFW's ten folds from scores", "a loop over folds and thresholds", "100 times", f"{folds:,.0f} times"),
        (
            f"a report over {report['runs']:,} runs",
            "",
            "20 s, 1 GB",
            f"{report['read_seconds'] + report['report_seconds']:.1f} s, {report['peak_rss_mb'] / 1000:.2f} GB",
        ),
        (
            f"the audit of {audit['asked']['count']:,} embeddings of {audit['asked']['identities']:,} identities",
            f"cleanlab: {held:,} MiB for 1,000 images of as many classes",
            f"{audit['asked']['memory_mib']:,} MiB",
            f"{audit['audit']['peak_mib']:,} MiB, {audit['audit']['cpu_seconds']:.0f} s of one core",
        ),
    ]


def _command(ratios: dict[str, float]) -> list[tuple[str, str, str, str]]:
    names = "noisylabels --help", "noisylabels list heads"
    found = [ratios[f"{name}, time: ours / importing typer"] for name in names]
    return [
        (
            f"`{names[0]}`, `{names[1]}`",
            "a Python that imports typer",
            "4, 6",
            f"{found[0]:.1f}, {found[1]:.1f} times{_missed(found[0] <= 4 and found[1] <= 6)}",
        ),
        ("anything on a GPU", "", "", "not measured: none was at hand"),
    ]


def _missed(is_met: bool) -> str:
    return "" if is_met else ": **missed**"


def _listed(parts: Any) -> str:
    return ", ".join(parts)


def table() -> str:
    """Markdown."""
    head = [("what", "against", "goal", "measured"), ("---",) * 4]
    return "".join("| " + " | ".join(row) + " |\n" for row in [*head, *rows()])


if __name__ == "__main__":
    print(table(), end="")
