"""The examples that end every command's help: the tests hold each to the command line's own parser."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "sweep": (
        "noisylabels sweep quickstart",
        "noisylabels sweep --dataset digits --rate 0,0.4 --head softmax,cam_softmax",
    ),
    "train": (
        "noisylabels train --dataset digits --corruption symmetric:rate=0.4",
        "noisylabels train --dataset digits --head cam_softmax --keep-model",
    ),
    "corrupt": (
        "noisylabels corrupt --dataset digits --corruption pair:rate=0.2 --out wrong",
        "noisylabels corrupt verify wrong",
    ),
    "corrupt verify": (
        "noisylabels corrupt verify wrong",
        "noisylabels corrupt verify wrong --dataset digits",
    ),
    "corrupt diff": ("noisylabels corrupt diff wrong other",),
    "corrupt apply": ("noisylabels corrupt apply wrong --dataset digits --out again",),
    "corrupt translate": (
        "noisylabels corrupt translate dividemix_symmetric --nominal 0.5 --classes 10",
        "noisylabels corrupt translate elr_asymmetric --effective 0.184 --classes 10",
    ),
    "data": (
        "noisylabels data pack photos --out store --size 32",
        "noisylabels data overlap lfw ytf",
    ),
    "data pack": (
        "noisylabels data pack photos --out store --size 32",
        "noisylabels data pack photos --out store --size 32 --resume",
    ),
    "data align": ("noisylabels data align photos --landmarks points.csv --out aligned",),
    "data verify": ("noisylabels data verify store",),
    "data overlap": (
        "noisylabels data overlap lfw ytf",
        "noisylabels data overlap lfw packed:root=store --similarity 0.95",
    ),
    "audit": (
        "noisylabels audit folder:root=pets --out found",
        "noisylabels audit apply found --out cleaned.npz",
    ),
    "audit dataset": (
        "noisylabels audit dataset folder:root=pets --out found",
        "noisylabels audit digits --corruption symmetric:rate=0.1 --what-if --out found",
    ),
    "audit apply": (
        "noisylabels audit apply found --out cleaned.npz",
        "noisylabels audit apply found --take relabel,remove --top 0.05 --out few.npz",
    ),
    "audit undo": ("noisylabels audit undo cleaned.npz --out as_before.npz",),
    "report": (
        "noisylabels report quickstart --format pdf,csv --figures figures",
        "noisylabels report quickstart --check",
        "noisylabels report verify runs/quickstart",
    ),
    "compare": ("noisylabels compare cifar10_symmetric cifar10_asymmetric",),
    "status": (
        "noisylabels status quickstart",
        "noisylabels status quickstart --watch",
    ),
    "verify": (
        "noisylabels verify model.pt --pairs lfw",
        "noisylabels verify weights.pt --model iresnet50 --pairs bin:file=lfw.bin",
    ),
    "init": (
        "noisylabels init mystudy",
        "noisylabels init mystudy --dataset cifar10:per_class=500",
    ),
    "check": (
        "noisylabels check mystudy",
        "noisylabels check --schema",
    ),
    "tune": (
        "noisylabels tune mystudy --trials 20",
        "noisylabels tune mystudy --trials 20 --dry-run",
    ),
    "reproduce": (
        "noisylabels reproduce 7f628b33",
        "noisylabels reproduce 7f628b33 --study cifar10_symmetric --tolerance 0.02",
    ),
    "index": ("noisylabels index quickstart --rebuild",),
    "sync": ("noisylabels sync quickstart --track wandb:online",),
    "dashboard": ("noisylabels dashboard quickstart --dry-run",),
    "export-sweep": ("noisylabels export-sweep quickstart --out sweep.yaml",),
    "study": (
        "noisylabels study freeze mystudy",
        "noisylabels study deviations mystudy",
    ),
    "study freeze": (
        "noisylabels study freeze mystudy",
        'noisylabels study freeze mystudy --again "two more seeds"',
    ),
    "study deviations": ("noisylabels study deviations mystudy",),
    "study power": ("noisylabels study power cifar10_symmetric --effect 2",),
    "list": (
        "noisylabels list heads",
        "noisylabels list models --sizes",
    ),
    "doctor": (
        "noisylabels doctor",
        "noisylabels doctor --json",
    ),
}
"""Command to its examples; lines of at most 78 letters stay whole in a terminal of 80."""


def examples(command: str, before: str = "") -> str:
    """The end of a command's help.

    Args:
        command: key of ``EXAMPLES``.
        before: text that comes first, if there is any.
    """
    lines = EXAMPLES[command]
    heading = "[bold]Examples[/bold]" if len(lines) > 1 else "[bold]Example[/bold]"
    return "\n".join([*([before.strip(), ""] if before else []), heading, "", *lines])
