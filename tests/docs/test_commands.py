"""Every command that README, documentation and notebooks show exists as it is shown; the cheap ones run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.docs.shown_commands import Shown, markdown_of, objection, shown_in, studies_made

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]
ALL = [one for page in PAGES for one in shown_in(markdown_of(page), page.relative_to(ROOT).as_posix())]


def test_every_command_that_is_shown_would_start() -> None:
    made = studies_made(ALL)
    wrong = {f"{one.where}: {one.text}": said for one in ALL if (said := objection(one, made))}
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_none_is_overlooked(page: Path) -> None:
    """Counted without the parser: lines that begin with the program's name."""
    text = markdown_of(page)
    lines = [line.strip().lstrip("# ") for line in text.split("\n")]
    typed = [one for one in shown_in(text) if one.to_type]
    assert len(typed) == sum(re.match(r"([A-Z_]+=\S+ )*noisylabels ", line) is not None for line in lines)


WRONG = {
    "noisylabels train --dataset digits --corruptoin symmetric:rate=0.4": "No such option: --corruptoin",
    "noisylabels sweeep quickstart": "No such command 'sweeep'",
    "noisylabels corrupt verfy merged": "No such command 'verfy'",
    "noisylabels train --dataset digits --corruption symetric:rate=0.4": "did you mean 'symmetric'?",
    "noisylabels train --dataset digits --corruption symmetric:rte=0.4": "did you mean 'rate'?",
    "noisylabels sweep --dataset digits --head softmax,archface --name mine": "did you mean 'arcface'?",
    "noisylabels sweep quickstrat": "did you mean 'quickstart'?",
    "noisylabels compare quickstart digits_pull": "did you mean 'digits_pulls'?",
    "noisylabels list haeds": "did you mean 'heads'?",
    "noisylabels corrupt translate dividemix_symmetric --nominal 0.5": "Missing option '--classes'",
    "noisylabels audit digits --out found --folds 1": "Invalid value for '--folds'",
    "noisylabels train --dataset digits --set train.epohcs=3": "epochs",
    "noisylabels sweep quickstart --engine slurm:partitoin=gpu": "did you mean 'partition'?",
    "noisylabels sweep quickstart --track wandbb": "did you mean 'wandb'?",
    "noisylabels verify model.pt --pairs lwf": "did you mean 'lfw'?",
    "noisylabels status": "Missing argument",
}


@pytest.mark.parametrize("line", WRONG)
@pytest.mark.parametrize("page", ["A page.\n\n    {}   # a comment\n", "A page.\n\n```sh\n{}\n```\n"])
def test_a_command_that_is_wrong_is_found_out(page: str, line: str) -> None:
    (shown,) = shown_in(page.format(line))
    assert WRONG[line] in objection(shown)


def test_so_is_a_wrong_mention_in_a_sentence_or_a_comment() -> None:
    page = (
        "Give `noisylabels train --dtaset\ndigits`.\n\n    noisylabels doctor   # then: noisylabels snyc quickstart\n"
    )
    said = [objection(one) for one in shown_in(page)]
    assert len(said) == 3
    assert [bool(one) for one in said] == [False, True, True]


def test_a_mention_need_not_be_complete() -> None:
    whole, mentioned = Shown("", "corrupt translate", to_type=True), Shown("", "corrupt translate", to_type=False)
    assert "Missing" in objection(whole)
    assert objection(mentioned) == ""


RUN = [
    "list heads",
    "init mystudy",
    "check mystudy",
    "study freeze mystudy",
    "corrupt translate dividemix_symmetric --nominal 0.5 --classes 10",
    "corrupt translate elr_asymmetric --nominal 0.4 --classes 10",
    "corrupt translate dividemix_symmetric --effective 0.4 --classes 10",
    "export-sweep quickstart --out sweep.yaml",
]
"""In this order, in one empty folder, as they are shown."""

RUN_SLOWER = [
    "doctor",
    "dashboard quickstart --dry-run",
    "corrupt --dataset digits --corruption identity_merge:rate=0.2 --out merged",
    "corrupt verify merged",
    "corrupt apply merged --dataset digits --out again",
    "corrupt diff merged again",
    'corrupt --dataset digits --corruption "symmetric:rate=0.1 + identity_merge:rate=0.2" --out both',
    "corrupt --dataset digits --corruption legacy:rate=0.5,code=dividemix_symmetric --out theirs",
    "init mystudy",
    "sweep mystudy",
    "status mystudy",
    "report verify runs/mystudy",
    "study power mystudy --effect 2",
]
"""The same, for a minute: the first study of the tutorial is run as a reader would."""

BRIEFLY = "--set train.epochs=1 --set train.batch_size=16"
TINY = {
    "--dataset cifar10:per_class=500": "--dataset digits:per_class=8,test_per_class=5 --model small_cnn:width=4",
    "--rate 0,0.2,0.4": f"--rate 0,0.25 {BRIEFLY} --quiet",
    "--seeds 3": "--seeds 1",
    "--dataset digits ": f"--dataset digits:per_class=8,test_per_class=5 {BRIEFLY} ",
    "sweep mystudy --workers 2": "sweep mystudy --workers 2 --dry-run",
    "--figure-format svg,vl.json": "--figure-format vl.json",
}
"""What makes a command cheap: fewer and smaller images, one epoch, one seed."""

RUN_TINY = [
    "init mystudy",
    "sweep mystudy --workers 2",
    "sweep --dataset cifar10:per_class=500 --corruption symmetric,identity_merge --rate 0,0.2,0.4 "
    "--head softmax,arcface:margin=0.2,cam_softmax --seeds 3 --name mine",
    "status mine",
    "report mine",
    "report mine --format pdf,tex,csv --figures figures --figure-format svg,vl.json",
    "report verify runs/mine",
    "compare mine quickstart",
    "train --dataset digits --corruption symmetric:rate=0.4 --head cam_softmax --keep-model",
    "train --dataset digits --corruption symmetric:rate=0.4 --head softmax --loss gce",
    "train --dataset digits --corruption 'clean_subset:of=\"symmetric:rate=0.4\"' --head softmax",
]


def _run(commands: list[str], cli, edits: dict[str, str]) -> None:
    shown = {" ".join(one.text.split()) for one in ALL if one.to_type}
    for text in commands:
        assert text in shown, "no page shows this; run what is shown"
        for there, instead in edits.items():
            text = text.replace(there, instead)
        code, _, said = cli(*shlex.split(text))
        assert code == 0, f"noisylabels {text}: {said}"


def test_what_is_shown_runs(cli) -> None:
    _run(RUN, cli, {})


@pytest.mark.slow
def test_the_rest_of_it_runs(cli) -> None:
    _run(RUN_SLOWER, cli, {})


@pytest.mark.slow
def test_so_does_what_trains_in_small(cli) -> None:
    _run(RUN_TINY, cli, TINY)


@pytest.mark.slow
def test_the_published_reports_that_pages_ask_for_are_written(cli) -> None:
    """From committed records; drawing a whole report takes seconds."""
    commands = [
        "report quickstart",
        "report quickstart --format html,md,pdf,tex,csv --figures figures --figure-format svg,vl.json",
        "report quickstart --check",
        "compare quickstart digits_pulls",
    ]
    _run(commands, cli, {})
