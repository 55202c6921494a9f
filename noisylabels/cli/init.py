"""``noisylabels init``: a study file to begin with, every line of it explained."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from noisylabels.catalog import UsageError

TEMPLATE = """\
# A study: one question, and the runs that answer it.
#
#   noisylabels check {name}     all mistakes at once, or what is planned and what it may cost
#   noisylabels sweep {name}     run it; the same command goes on after an interruption
#   noisylabels study freeze {name}   write the plan down, with its hash, before the first run
#
# Lines that begin with "# " and a key are options at their defaults, or examples. Editors complete this file from
# a JSON Schema: noisylabels check --schema > study.schema.json, and a first line "#:schema ./study.schema.json".

# The study's name, also its folder under runs/: letters, digits, - and _. Without it: the name of this file's folder.
# name = "my-study"

# What the study asks, in a sentence; the report prints it first.
question = "What do two heads lose when labels are wrong at random?"

# What you expect to find; the report says of each claim whether it is supported, refuted or neither. Two forms:
# "A degrades less than B in METRIC under CORRUPTION" and "A is better than B in METRIC under CORRUPTION".
# claims = ["cam_softmax degrades less than softmax in accuracy under symmetric"]

# The headline metric (noisylabels list metrics). Choose it before the first run.
primary = "accuracy"

# Seeds. Each draws the wrong labels and the training of one run, so that runs of one seed are paired over methods.
# A number n means 0, ..., n - 1. Fewer than 6 pairs cannot reach p < 0.05 in an exact sign-flip test.
seeds = 3

# Instead of seeds: every draw of wrong labels with every seed of training, to tell apart what each adds to the spread.
# noise_seeds = 3
# train_seeds = [0, 1]

# Controls beside every corruption, with the same seeds: clean_subset leaves out the images that it makes wrong,
# drop_identities the people that it merges. What a method loses beyond its control is due to wrong labels. true: all.
# controls = ["clean_subset"]

# The run that all runs share where no axis below says otherwise; what an axis names has no place here too.
[base]
dataset = "{dataset}"     # noisylabels list datasets; digits is built in and small
model = "small_cnn:width=16"     # noisylabels list models; a colon comes before parameters
# head = "softmax"     # noisylabels list heads: where a margin lives
# loss = "ce"     # noisylabels list losses
# strategy = "standard"     # noisylabels list strategies: which examples count, with which targets
# corruption = "clean"     # noisylabels list corruptions; for a study without [axes] corruption
# selection = "last_epoch"     # the epoch of the headline accuracy; or noisy_val; clean_val_oracle peeks at the truth

# How a model is trained.
[base.train]
epochs = 8     # passes over the training set
batch_size = 64     # examples a step
learning_rate = 0.1     # its peak
# optimizer = "sgd"     # or adamw
# momentum = 0.9     # of sgd
# weight_decay = 5e-4     # on weights only, never on norms and biases
# schedule = "one_cycle"     # linear up and down; or cosine, down as half a cosine
# warmup = 0.25     # share of all steps on the way up
augment = "crop"     # none, crop, or crop_flip, which also mirrors (digits should not be mirrored)
crop_padding = 1     # how far crop shifts, in pixels
# precision = "auto"     # float32, bfloat16, or auto: bfloat16 where the processor computes in it

# What varies. Runs are the product of all axes and the seeds.
[axes]
head = ["softmax", "cam_softmax"]
corruption = ["symmetric"]     # kinds without a rate are crossed with it; "symmetric:rate=0.6" stands for itself
rate = [0.0, 0.2, 0.4]     # asked noise rates; all kinds share one clean run at rate 0
# loss = ["ce", "gce"]
# strategy = ["standard", "elr"]
# dataset = ["digits"]     # then without dataset in [base]
# model = ["small_cnn"]     # then without model in [base]

# Instead of the axes head, loss and strategy: methods one by one, each with its own training where it needs it.
# [[methods]]
# head = "cam_softmax"
# loss = "ce"
# strategy = "standard"
# train = {{ learning_rate = 0.05 }}
"""


def init(
    name: Annotated[str | None, typer.Argument(help="A new folder, or a .toml file. Default: study.toml here.")] = None,
    dataset: Annotated[str, typer.Option(help="e.g. digits, cifar10:per_class=500")] = "digits",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a study file to begin with; every field is explained in it."""
    from noisylabels.atomic import write_atomically

    file = _file(name)
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; --force replaces it")
    called = shlex.quote(str(file) if name is None else name)
    write_atomically(file, study_text(dataset, called).encode())
    typer.echo(f"wrote {file}; next: noisylabels check {called}")


def study_text(dataset: str, name: str) -> str:
    """The file's text.

    Args:
        dataset: a data set's text.
        name: how the study is called on the command line.

    Raises:
        UsageError: there is no such data set.
    """
    from noisylabels.catalog import build, short_text
    from noisylabels.data import DATASETS

    text = short_text(build(DATASETS, dataset, what="dataset"))
    return TEMPLATE.format(dataset=text.replace("\\", "\\\\").replace('"', '\\"'), name=name)


def _file(name: str | None) -> Path:
    from noisylabels.study_file import NAME

    if name is None:
        return Path("study.toml")
    path = Path(name)
    if not name.isprintable():
        raise UsageError(f"a study's file must have a name that can be printed; got {name!r:.80}")
    if path.suffix == ".toml":
        return path
    if not re.fullmatch(NAME, path.name):
        raise UsageError(f"a study's folder must have a name of letters, digits, - and _; got {name!r:.80}")
    return path / "study.toml"
