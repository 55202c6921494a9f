"""Faults put into LFW, embeddings trained on the faulty labels, and what the audit finds of them.

    python -m benchmarks.audit_lfw [--min-images 10 5] [--noise-seeds 3 2] [--trainings 3] [--epochs 20]
                                   [--embeddings FOLDER] [--out benchmarks/results/audit_lfw.json]

The people of View 1 with at least so many images (at most 30 of each) get ``identity_merge`` and ``identity_split`` of
10 % of the people and ``identity_flip`` of 10 % of the images, composed. Several trainings that differ in their seed
alone are told these labels and nothing else; of each the directions of an image and of its mirror image are added, and
the trainings stand side by side in one embedding. ``face_findings`` is then asked, in sample, as a user would.

Of merged labels and split pairs (people that two labels share) it says:

    found      share of the injected that are among the findings, and the precision of these
    at_half    the largest share found with a precision of at least 50 %, going down the ranking of *all* classes, or of
               all pairs that are each other's best match
    by_size    at_half of merged labels ranked by their number of images, or of split pairs by the cosine of their
               centres: what needs no audit

and of wrong single labels the average precision of each evidence, ``found`` and ``precision`` of the findings, and how
often a suggested label is the true one. An image is wrong where its person has no home under its label: merges and
splits move homes, flips do not. With ``--embeddings`` these are kept in a folder, and trained but once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from noisylabels.audit.evidence import combined
from noisylabels.audit.faces import FaceGeometry, face_findings, face_geometry
from noisylabels.audit.finding import Finding
from noisylabels.data import data_root
from noisylabels.metrics.by_class import as_directions
from noisylabels.problem import Problem, pose
from noisylabels.run import execute
from noisylabels.spec import RunSpec, TrainSpec
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model

NOISE = "identity_merge:rate=0.1 + identity_split:rate=0.1 + identity_flip:rate=0.1"
LEARNING_RATE, BATCH_SIZE = 0.1, 32
Truth = Callable[[tuple[int, ...]], bool]


@dataclass(frozen=True)
class Injected:
    """What is wrong by design.

    Attributes:
        homes: the people of each label, flips apart.
        merged: labels of two people.
        split: pairs of labels that share a person.
    """

    homes: dict[int, set[int]]
    merged: set[int]
    split: set[tuple[int, int]]


def injected(problem: Problem) -> Injected:
    """Read off the record of the corruption."""
    details = problem.noisy_train.record.details
    homes = {label: {label} for label in range(problem.num_classes)}
    for absorbed, absorber in details["absorbed_into"]:
        homes[absorber].add(absorbed)
        homes[absorbed].clear()
    for label, person in details["split_from"]:
        homes[label] = {person}
    labels_of: dict[int, list[int]] = {}
    for label, people in homes.items():
        for person in people:
            labels_of.setdefault(person, []).append(label)
    split = {(min(labels), max(labels)) for labels in labels_of.values() if len(labels) == 2}
    return Injected(homes, {label for label, people in homes.items() if len(people) == 2}, split)


def embedded(spec: RunSpec, problem: Problem, trainings: int) -> NDArray[np.float32]:
    """Embeddings of the training images by several trainings, side by side, ``(N, trainings * D)``."""
    alone = replace(problem, verification=None)
    parts: list[NDArray[np.float64]] = []

    def keep(model: Model, images: ImageBatches) -> None:
        both = [as_directions(model.embeddings(images, mirrored=mirrored).numpy()) for mirrored in (False, True)]
        parts.append(as_directions(both[0] + both[1]))

    for seed in range(trainings):
        execute(spec.model_copy(update={"seed": seed}), alone, device="cpu", on_trained=keep)
    return np.concatenate(parts, axis=1).astype(np.float32)


def kept_or_embedded(spec: RunSpec, problem: Problem, options: argparse.Namespace) -> NDArray[np.float32]:
    """The embeddings, from the folder of ``--embeddings`` where they are there; the runs' ids name them."""
    if options.embeddings is None:
        return embedded(spec, problem, options.trainings)
    file = options.embeddings / f"{spec.run_id}-{options.trainings}.npy"
    if not file.is_file():
        np.save(file, embedded(spec, problem, options.trainings))
    stored: NDArray[np.float32] = np.load(file)
    return stored


def at_half(hits: Sequence[bool], total: int) -> float:
    """The largest share of ``total`` found at a precision of at least one half, going down a ranking."""
    found = np.cumsum(hits)
    good = 2 * found >= np.arange(1, len(found) + 1)
    return float(found[good].max() / total) if good.any() else 0.0


def of_kind(found: Sequence[Finding], total: int, is_true: Truth) -> dict[str, Any]:
    """Counts of one kind's findings."""
    right = len({tuple(sorted(one.classes)) for one in found if is_true(one.classes)})
    return {"injected": total, "reported": len(found), "right": right}


def rankings(geometry: FaceGeometry, embeddings: NDArray[np.float32], faults: Injected) -> dict[str, dict[str, float]]:
    """``at_half`` of the full rankings, and of the plain ones."""
    classes = geometry.classes
    labels = [int(classes.labels[one.place]) for one in geometry.identities]
    gains = np.array([one.gain for one in geometry.identities])
    is_merged = np.array([label in faults.merged for label in labels])
    pairs = [
        tuple(sorted(int(classes.labels[geometry.groups[g].place]) for g in (pair.first, pair.second)))
        for pair in geometry.pairs
    ]
    units = as_directions(embeddings)
    centres = as_directions(np.stack([units[classes.rows(place)].sum(axis=0) for place in range(len(classes))]))
    first, second = np.triu_indices(len(centres), 1)
    cosines = (centres[first] * centres[second]).sum(axis=1)
    by_cosine = np.argsort(-cosines, kind="stable")
    named = [(int(classes.labels[first[i]]), int(classes.labels[second[i]])) for i in by_cosine]
    return {
        "merged": {
            "at_half": at_half(is_merged[np.argsort(-gains, kind="stable")].tolist(), len(faults.merged)),
            "by_size": at_half(is_merged[np.argsort(-classes.counts, kind="stable")].tolist(), len(faults.merged)),
        },
        "split": {
            "at_half": at_half([pair in faults.split for pair in dict.fromkeys(pairs)], len(faults.split)),
            "by_cosine": at_half([pair in faults.split for pair in named], len(faults.split)),
        },
    }


def audited(min_images: int, noise_seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One data set of faults: trained, audited, counted."""
    spec = RunSpec(
        dataset=f"lfw:min_images={min_images},max_images=30,size={options.size},test=0.02,validation=0",
        corruption=NOISE,
        model=f"small_cnn:width={options.width}",
        head="softmax",
        noise_seed=noise_seed,
        train=TrainSpec(epochs=options.epochs, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE),
    )
    problem = pose(spec, data_root())
    faults, given, true = injected(problem), problem.train_given, problem.train.labels
    started = time.monotonic()
    embeddings = kept_or_embedded(spec, problem, options)
    trained = time.monotonic()
    findings, evidence = face_findings(embeddings, given)
    seconds = time.monotonic() - trained
    of = {kind: [one for one in findings if one.kind == kind] for kind in ("merged", "split", "flip", "outlier")}
    kinds = {
        "merged": of_kind(of["merged"], len(faults.merged), lambda about: about[0] in faults.merged),
        "split": of_kind(of["split"], len(faults.split), lambda about: (min(about), max(about)) in faults.split),
    }
    for kind, plain in rankings(face_geometry(embeddings, given), embeddings, faults).items():
        kinds[kind] |= plain
    wrong = np.array(
        [person not in faults.homes[label] for label, person in zip(given.tolist(), true.tolist(), strict=True)]
    )
    said = [one.examples[0] for one in of["flip"] + of["outlier"]]
    suggested = [one for one in of["flip"] if wrong[one.examples[0]]]
    return {
        "min_images": min_images,
        "noise_seed": noise_seed,
        "images": len(given),
        "labels": len(np.unique(given)),
        "seconds_training": round(trained - started, 1),
        "seconds_audit": round(seconds, 1),
        "kinds": kinds,
        "single_labels": {
            "wrong": int(wrong.sum()),
            "reported": len(said),
            "right": int(wrong[said].sum()),
            "relabelled_right": sum(
                true[one.examples[0]] in faults.homes[one.target] for one in suggested if one.target is not None
            ),
            "relabelled": len(suggested),
            "average_precision": {
                one.name: round(float(average_precision_score(wrong, one.scores)), 4)
                for one in [*evidence, combined(evidence)]
            },
        },
    }


def together(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The runs with one ``min_images``, added up; shares at a precision of one half are averaged."""
    summary: dict[str, Any] = {"min_images": runs[0]["min_images"], "noise_seeds": len(runs)}
    for kind, plain in (("merged", "by_size"), ("split", "by_cosine")):
        kinds = [run["kinds"][kind] for run in runs]
        total, reported, right = (sum(one[name] for one in kinds) for name in ("injected", "reported", "right"))
        summary[kind] = {
            "injected": total,
            "found": round(right / total, 3),
            "precision": round(right / max(reported, 1), 3),
            **{name: round(float(np.mean([one[name] for one in kinds])), 3) for name in ("at_half", plain)},
        }
    singles = [run["single_labels"] for run in runs]
    wrong, reported, right = (sum(one[name] for one in singles) for name in ("wrong", "reported", "right"))
    summary["single_labels"] = {
        "wrong": wrong,
        "found": round(right / wrong, 3),
        "precision": round(right / max(reported, 1), 3),
        "average_precision": {
            name: round(float(np.mean([one["average_precision"][name] for one in singles])), 3)
            for name in singles[0]["average_precision"]
        },
    }
    return summary


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--min-images", type=int, nargs="+", default=[10, 5])
    parser.add_argument("--noise-seeds", type=int, nargs="+", default=[3, 2], help="for each of --min-images")
    for name, default in (("trainings", 3), ("epochs", 20), ("size", 32), ("width", 24)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--embeddings", type=Path, help="folder where embeddings are kept")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs, summaries = [], []
    for min_images, noise_seeds in zip(options.min_images, options.noise_seeds, strict=True):
        mine = []
        for noise_seed in range(noise_seeds):
            mine.append(audited(min_images, noise_seed, options))
            print(json.dumps(mine[-1]), flush=True)
        summaries.append(together(mine))
        print(json.dumps(summaries[-1], indent=1), flush=True)
        runs += mine
    if options.out is not None:
        asked = {name: value for name, value in vars(options).items() if name not in ("embeddings", "out")}
        machine = {"python": platform.python_version(), "cores": os.cpu_count(), "busy_with": os.getloadavg()[0]}
        content = {"asked": asked | {"corruption": NOISE}, **machine, "summaries": summaries, "runs": runs}
        options.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
