"""How the numbers came about: data, model, training, noise asked and noise had, machines."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from noisylabels.report.document import Block, Entry, Section, Table
from noisylabels.report.grid import PlannedRun, corruption_and_rate
from noisylabels.report.wording import Quantity, count, percent
from noisylabels.result import RunResult
from noisylabels.spec import SCHEMA_VERSION, RunSpec
from noisylabels.study import Study

ORACLE_KNOWLEDGE = (
    "Who knew what: true training labels draw the noise and measure memorisation; they never train and choose no "
    "epoch. True validation labels choose an epoch only under the rule called an oracle. What is wrong at a low "
    "rate is wrong, in the same way, at a higher one, and all methods of one seed see the same labels."
)


UNTUNED = "no trials lie beside the study: every method ran with the values printed here, as its file gives them"


def protocol_section(study: Study, runs: Sequence[PlannedRun], shown: Quantity, *, trials: int | None) -> Section:
    """The protocol card: what was run, on what, with what noise, where.

    Args:
        study: whose report this is.
        runs: all that are planned.
        shown: the headline metric.
        trials: that each method had in the tuning behind the study's values; None without one.
    """
    results = [run.result for run in runs if run.result is not None]
    tuning = UNTUNED if trials is None else f"{count(trials, 'trial')} a method, see the section on tuning"
    tables = (_protocol(study, runs, shown, tuning), *_noise(runs), *_environment(results))
    return Section("protocol", "Protocol", (ORACLE_KNOWLEDGE, *_again(study, results)), (Block(tables=tables),))


def _again(study: Study, results: Sequence[RunResult]) -> tuple[str, ...]:
    """How to have the same numbers once more."""
    one = f"; one run alone and compared: noisylabels reproduce {results[0].run_id}" if results else ""
    return (f"To run all of it again: noisylabels sweep {study.name}{one}. A run is its id: equal ids, equal numbers.",)


def _protocol(study: Study, runs: Sequence[PlannedRun], shown: Quantity, tuning: str) -> Table:
    specs = [run.spec for run in runs]
    provenances = [run.result.provenance for run in runs if run.result is not None]
    items = [
        ("data set", _distinct(spec.dataset for spec in specs)),
        ("images", _distinct(_pairs(found.get("sizes")) for found in provenances)),
        ("fingerprints", _distinct(_pairs(found.get("fingerprints")) for found in provenances)),
        *_verified(provenances),
        ("model", _distinct(spec.model for spec in specs)),
        ("methods", _distinct(" + ".join((spec.head, spec.loss, spec.strategy)) for spec in specs)),
        ("told the truth", _distinct(filter(None, map(_oracle_knowledge, specs))) or "no method"),
        ("training", ", ".join(f"{key} {value}" for key, value in study.base.train.model_dump().items())),
        *_own_training(study),
        ("tuning", tuning),
        ("seeds", _seeds(study)),
        ("headline", f"{shown.name} at the epoch chosen by {shown.selection}, as the study file says"),
        ("intervals", "95 % t intervals over seeds, not cut off at 0 or 100 %; none for one seed or equal values"),
        ("runs", f"{len(runs)} planned, {sum(run.state == 'ok' for run in runs)} with a number"),
        ("schema version", str(SCHEMA_VERSION)),
    ]
    rows = tuple((Entry(item), Entry(text or "not recorded")) for item, text in items)
    return Table("What was run.", ("item", "value"), rows)


def _own_training(study: Study) -> Iterator[tuple[str, str]]:
    """Training fields that a method is given in place of the base run's."""
    base = study.base.train.model_dump()
    for run in study.method_runs():
        own = {key: value for key, value in run.train.model_dump().items() if value != base[key]}
        if own:
            yield f"training of {run.method}", ", ".join(f"{key} {value}" for key, value in own.items())


def _seeds(study: Study) -> str:
    if not study.seeds_are_crossed:
        seeds = ", ".join(map(str, study.seeds))
        return f"{seeds}; each draws the wrong labels, the initial weights, the order and the augmentation"
    noise, train = (", ".join(map(str, dict.fromkeys(side))) for side in zip(*study.seed_pairs, strict=True))
    return f"{noise} draw the wrong labels, each with {train} for weights, order and augmentation; a draw is one value"


def _verified(provenances: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The verification set, and whether it is really of new people; nothing where there is none."""
    facts = [found["verification"] for found in provenances if isinstance(found.get("verification"), dict)]
    if facts:
        yield "verification pairs", _distinct(_pairs_text(fact) for fact in facts)
        yield "overlap with the training set", _distinct(_overlap_text(fact) for fact in facts)
        yield "gallery and probes", _distinct(_gallery_text(fact) for fact in facts)


def _pairs_text(fact: dict[str, Any]) -> str:
    return f"{fact.get('pairs')} of {fact.get('published_pairs')}"


def _overlap_text(fact: dict[str, Any]) -> str:
    return f"{fact.get('shared_people')} people by name, {fact.get('identical_images')} identical images"


def _gallery_text(fact: dict[str, Any]) -> str:
    if fact.get("gallery_probes") is None:
        return "none"
    gallery, mated, strangers = fact["gallery_probes"]
    return (
        f"{gallery} enrolled, {mated} probes of them, {strangers} of strangers (list {fact['gallery_probes_sha256']})"
    )


def _oracle_knowledge(spec: RunSpec) -> str:
    """What a method is told that nobody has in practice; empty for most."""
    told = [spec.plugin(field).oracle_knowledge for field in ("loss", "strategy")]
    return f"{spec.method}: {' and '.join(filter(None, told))}" if any(told) else ""


def _noise(runs: Sequence[PlannedRun]) -> Iterator[Table]:
    """Asked against realised rate by data set and corruption, each noise record counted once a seed."""
    cells: dict[tuple[str, str, float], dict[int, dict[str, Any]]] = {}
    for run in runs:
        if run.result is not None and "realised_rate" in run.result.noise:
            key = (run.spec.short("dataset"), *corruption_and_rate(run.spec))
            cells.setdefault(key, {})[run.spec.noise_seed] = run.result.noise
    if not cells:
        return
    rows = []
    for (dataset, corruption, rate), by_seed in cells.items():
        records = [by_seed[seed] for seed in sorted(by_seed)]
        rows.append(tuple(map(Entry, (dataset, corruption, percent(rate), *_record_texts(records)))))
    yield Table(
        "Noise: what was asked and what was had, over the seeds. The audit record of each run has every cell of the "
        "transition matrix.",
        ("data set", "corruption", "asked rate", "realised rate (%)", "wrong labels", "seeds", "parameters"),
        tuple(rows),
        headers=3,
    )


def _record_texts(records: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    rates = [f"{100 * float(record['realised_rate']):.2f}" for record in records]
    flipped = [_counted(record) for record in records]
    asked = {k: v for k, v in records[0].get("parameters", {}).items() if k != "rate"}
    parameters = _pairs({k: json.dumps(v) if isinstance(v, dict | list) and v else v for k, v in asked.items()})
    low, high = min(rates, key=float), max(rates, key=float)
    return (
        low if low == high else f"{low} to {high}",
        ", ".join(dict.fromkeys(flipped)),
        str(len(records)),
        parameters or "none",
    )


def _counted(record: dict[str, Any]) -> str:
    """Wrong labels of the kept examples; records of the first version leave none out and do not say so."""
    dropped = record.get("num_dropped", 0)
    if not isinstance(record.get("num_examples"), int):
        return f"{record.get('num_flipped', '?')} of ?"
    left_out = f", {dropped} left out" if dropped else ""
    return f"{record.get('num_flipped', '?')} of {record['num_examples'] - dropped}{left_out}"


def _environment(results: Sequence[RunResult]) -> Iterator[Table]:
    """Each piece of the environment with the number of runs that had it: a mixed study shows."""
    if not results:
        return
    found = [result.provenance for result in results]
    items = [("versions", _tally(_pairs(one.get("versions")) for one in found))]
    items += [
        (key, _tally(str(one.get(key, "")) for one in found))
        for key in ("platform", "processor", "device", "precision", "threads")
    ]
    seconds = [float(one["seconds"]) for one in found if isinstance(one.get("seconds"), int | float)]
    if seconds:
        items.append(
            (
                "seconds a run",
                f"median {statistics.median(seconds):.1f}, longest {max(seconds):.1f}, all together {sum(seconds):.0f}",
            )
        )
    rows = tuple((Entry(item), Entry(text or "not recorded")) for item, text in items)
    yield Table("Where it was run.", ("item", "value"), rows)


def _pairs(values: Any) -> str:
    """A mapping as text; anything else as nothing."""
    return ", ".join(f"{key} {value}" for key, value in values.items()) if isinstance(values, dict) else ""


def _distinct(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _tally(texts: Iterable[str]) -> str:
    """Distinct texts; where there are several, each with its number of runs."""
    counted = Counter(text for text in texts if text)
    if len(counted) <= 1:
        return "".join(counted)
    return "; ".join(f"{text} ({count(number, 'run')})" for text, number in counted.items())
