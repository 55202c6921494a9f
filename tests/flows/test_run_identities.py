"""Run ids: those of published records stand, and a plan's are what each run alone would have."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

import studies
from noisylabels.data import MissingDataError
from noisylabels.spec import SCHEMA_VERSION, RunSpec
from noisylabels.study import Study

PUBLISHED = [name for name in studies.names() if studies.path(name).with_name("records.jsonl").exists()]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_study_is_planned_into_the_runs_that_were_published(name: str) -> None:
    lines = studies.path(name).with_name("records.jsonl").read_text().splitlines()
    published = {(record := json.loads(line))["run_id"]: record["spec"] for line in lines}
    try:
        study = Study.find(name)
    except MissingDataError as error:
        pytest.skip(f"the study is of images that everybody brings: {error}")
    plan = {spec.run_id: spec.model_dump(mode="json") for spec in study.plan()}
    assert sorted(plan) == sorted(published)
    for run_id, spec in published.items():
        assert plan[run_id] == spec
        assert RunSpec.checked(spec).run_id == run_id


def spelt_out(spec: RunSpec) -> str:
    """The identity as it is defined: SHA-256 of canonical JSON, all of it written anew."""
    content = spec.model_dump(mode="json") | {"dataset": spec.plugin("dataset").identity()}
    text = json.dumps({"schema": SCHEMA_VERSION, "spec": content}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


STUDY: dict[str, Any] = {
    "name": "crossed",
    "base": {"dataset": "digits", "train": {"epochs": 2}, "selection": "noisy_val"},
    "axes": {
        "dataset": ["digits:per_class=20", "digits"],
        "model": ["small_cnn:width=4", "small_cnn"],
        "corruption": ["symmetric", 'clean_subset:of="symmetric"', "asymmetric:map=[[3,5],[5,3]],rate=0.25"],
        "rate": [0.4, 0.0, 0.1],
    },
    "methods": [
        {"head": "softmax", "loss": "gce:q=0.7", "train": {"learning_rate": 0.05}},
        {"head": "cam_softmax:schedule=ramp", "strategy": "co_teaching"},
        {"head": 'softmax', "strategy": "elr", "train": {"epochs": 4, "optimizer": "adamw"}},
    ],
    "seeds": [3, 1],
}  # fmt: skip


def slow_plan(study: Study) -> list[RunSpec]:
    """Every run checked by itself, in reading order, each once."""
    axes, base = study.axes, study.base.model_dump()
    found: dict[str, RunSpec] = {}
    crossed = itertools.product(axes.dataset, axes.model, study.methods, axes.corruptions(), study.seeds)
    for dataset, model, method, corruption, seed in crossed:
        other = {"dataset": dataset, "model": model, "corruption": corruption, "seed": seed, "noise_seed": seed}
        spec = RunSpec.checked(method.over(base) | other)
        found.setdefault(spelt_out(spec), spec)
    return list(found.values())


def a_plan_is_what_each_run_alone_would_be(plan: Callable[[Study], list[RunSpec]]) -> None:
    study = Study.checked(STUDY)
    expected, planned = slow_plan(study), plan(study)
    assert [spec.model_dump() for spec in planned] == [spec.model_dump() for spec in expected]
    assert [spec.run_id for spec in planned] == [spelt_out(spec) for spec in expected]
    assert len({spec.run_id for spec in planned}) == len(planned) == 2 * 2 * 3 * 6 * 2


def test_a_plan_is_what_each_run_alone_would_be() -> None:
    a_plan_is_what_each_run_alone_would_be(Study.plan)


def test_a_copied_identity_is_caught() -> None:
    """Wrong twin: runs made from one another by a plain copy, which takes the remembered id along."""

    def copied(study: Study) -> list[RunSpec]:
        plan = study.plan()
        return [
            plan[0].model_copy(update={name: getattr(spec, name) for name in RunSpec.model_fields}) for spec in plan
        ]

    with pytest.raises(AssertionError):
        a_plan_is_what_each_run_alone_would_be(copied)


def test_varied_runs_have_identities_of_their_own() -> None:
    spec = RunSpec.checked({"dataset": "digits"})
    assert spec.run_id == spelt_out(spec)
    other = spec.varied(seed=7, corruption="symmetric:rate=0.4,inclusive=false")
    assert other.run_id == spelt_out(other) == RunSpec.checked(other.model_dump()).run_id != spec.run_id
    assert spec.run_id == spelt_out(spec)
    assert other == RunSpec.checked(other.model_dump())
