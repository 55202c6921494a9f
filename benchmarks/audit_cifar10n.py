"""The audit on real mistakes: CIFAR-10N's ``worse`` labels, and the verified label errors of CIFAR-10's test set.

    OMP_NUM_THREADS=1 python -m benchmarks.audit_cifar10n [--per-class 1000] [--model small_cnn:width=24] [--epochs 8]
        [--seeds 1] [--no-what-if] [--out benchmarks/results/audit_cifar10n.json]

Needs CIFAR-10, ``labels/CIFAR-10_human.pt`` and the label-errors files (``labels/cifar10_test_set_pyx.npy``,
``cifar10_test_set_original_labels.npy``, ``cifar10_mturk.json``) under ``$NOISYLABELS_DATA``.

The first part audits the subset and compares every detector, and all combined, with cleanlab's own functions on the
same out-of-fold probabilities; then the estimates with the truth, and what-if's forecast with what training on the true
labels really brings. The second part ranks the test set by the published probabilities: verified errors are those of
the 275 judged images whose given label fewer than three of five people chose: 54, as published. Only images that
cleanlab had found were judged, which favours its ranking.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import cleanlab
import numpy as np
import torch
from cleanlab.count import compute_confident_joint, estimate_latent, num_label_issues
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray

from noisylabels.atomic import write_atomically
from noisylabels.audit.audited import Audit, evidence_of, summary
from noisylabels.audit.auditing import Material, audit_with, scenarios
from noisylabels.audit.detector import Observed
from noisylabels.audit.evidence import combined
from noisylabels.audit.fitting import fitted
from noisylabels.audit.subject import Subject, subject
from noisylabels.data import ImageSet, data_root
from noisylabels.metrics.label_issues import auroc, average_precision, precision_at_count
from noisylabels.spec import RunSpec
from noisylabels.training.device import pick_device
from noisylabels.training.images import ImageBatches

OUT = Path(__file__).with_name("results") / "audit_cifar10n.json"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--model", default="small_cnn:width=24")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1, help="of the what-if comparison")
    parser.add_argument("--no-what-if", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = {
        "command": f"python -m benchmarks.audit_cifar10n --per-class {options.per_class} --model {options.model}"
        f" --epochs {options.epochs} --seeds {options.seeds}",
        "versions": {"torch": torch.__version__, "cleanlab": cleanlab.__version__, "numpy": np.__version__},
        "machine": f"{platform.machine()}, one thread",
        "label_errors": label_errors(data_root() / "labels"),
    }
    print(json.dumps(record["label_errors"], indent=1), flush=True)
    record["cifar10n_worse"] = human_labels(options)
    write_atomically(options.out, json.dumps(record, indent=1).encode() + b"\n")


def human_labels(options: argparse.Namespace) -> dict[str, Any]:
    """The audit of the ``worse`` labels."""
    dataset = f"cifar10:per_class={options.per_class}"
    values = {"dataset": dataset, "corruption": "human:labels=worse", "model": options.model}
    spec = RunSpec.checked({**values, "train": {"epochs": options.epochs}})
    about = subject(spec, data_root())
    assert about.true is not None
    began = time.process_time()
    audit, probabilities = audit_with(spec, about, Material(device="cpu"), on_fold=told("audit"))
    assert probabilities is not None
    found = {
        "cpu_seconds": round(time.process_time() - began),
        "true_noise_rate": float((about.given != about.true).mean()),
        "held_out_accuracy_on_true_labels": float((probabilities.argmax(axis=1) == about.true).mean()),
        "cleanlab": cleanlab_alone(probabilities, about.given, about.true),
        "audit": summary(audit),
        "transition_error": transition_errors(audit, probabilities, about),
        "relabelling": relabelling(audit, about),
    }
    print(json.dumps({name: value for name, value in found.items() if name != "audit"}, indent=1), flush=True)
    if not options.no_what_if:
        seeds = range(options.seeds)
        forecast = scenarios(spec, audit, folds=5, device="cpu", seeds=seeds, on_training=told("what-if"))
        found["what_if"] = [{**vars(one), "mean": one.mean} for one in forecast]
        found["really"] = really(spec, audit, about, list(seeds))
        print(json.dumps({name: found[name] for name in ("what_if", "really")}, indent=1), flush=True)
    return found


def told(what: str) -> Any:
    """A line for every finished training."""
    return lambda done, count: print(f"{what}: {done} of {count} trainings", flush=True)


def ranking(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> dict[str, float]:
    """Three measures of one ranking."""
    measures = (average_precision, auroc, precision_at_count)
    return {measure.__name__: round(measure(scores, wrong), 4) for measure in measures}


def cleanlab_alone(
    probabilities: NDArray[np.float64], given: NDArray[np.int64], true: NDArray[np.int64]
) -> dict[str, Any]:
    """What cleanlab's own functions make of the same probabilities."""
    wrong, methods = given != true, ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    found: dict[str, Any] = {
        method: ranking(-get_label_quality_scores(given, probabilities, method=method), wrong) for method in methods
    }
    issues = find_label_issues(given, probabilities, filter_by="confident_learning", n_jobs=1)
    joint = compute_confident_joint(given, probabilities)
    _, noise, _ = estimate_latent(joint, given)
    found["issues"] = {
        "precision": float(wrong[issues].mean()),
        "recall": float(issues[wrong].mean()),
        "share": float(issues.mean()),
    }
    found["noise_rate"] = {
        "num_label_issues": num_label_issues(given, probabilities) / len(given),
        "confident_joint": float(1 - np.trace(joint) / joint.sum()),
    }
    found["noise_matrix_diagonal"] = np.round(np.diag(noise), 4).tolist()
    return found


def transition_errors(audit: Audit, probabilities: NDArray[np.float64], about: Subject) -> dict[str, float]:
    """Mean absolute error of the estimated transition matrix, ours and cleanlab's, and how often cells are covered."""
    estimates, K = audit.estimates, about.images.num_classes
    assert estimates is not None
    assert estimates.transition_matrix is not None
    assert about.true is not None
    true = np.zeros((K, K))
    np.add.at(true, (about.true, about.given), 1)
    true /= true.sum(axis=1, keepdims=True)
    _, noise, _ = estimate_latent(compute_confident_joint(about.given, probabilities), about.given)
    assert estimates.transition_low is not None
    assert estimates.transition_high is not None
    covered = (true >= estimates.transition_low) & (true <= estimates.transition_high)
    return {
        "ours": float(np.abs(estimates.transition_matrix - true).mean()),
        "ours_diagonal": float(np.abs(np.diag(estimates.transition_matrix - true)).mean()),
        "cleanlab": float(np.abs(noise.T - true).mean()),
        "cleanlab_diagonal": float(np.abs(np.diag(noise.T - true)).mean()),
        "cells_covered": float(covered.mean()),
    }


def relabelling(audit: Audit, about: Subject) -> dict[str, float]:
    """How the suggested relabellings fare against the truth."""
    assert about.true is not None
    cleaned = relabelled(audit, about)
    changed = cleaned != about.given
    return {
        "relabelled": int(changed.sum()),
        "of_which_now_right": float((cleaned == about.true)[changed].mean()),
        "of_which_were_wrong": float((about.given != about.true)[changed].mean()),
        "wrong_before": float((about.given != about.true).mean()),
        "wrong_after": float((cleaned != about.true).mean()),
    }


def relabelled(audit: Audit, about: Subject) -> NDArray[np.int64]:
    """The given labels with every suggested relabelling taken."""
    cleaned = about.given.copy()
    for one in audit.findings:
        if one.action == "relabel" and one.target is not None:
            cleaned[one.examples[0]] = one.target
    return cleaned


def really(spec: RunSpec, audit: Audit, about: Subject, seeds: list[int]) -> dict[str, list[float]]:
    """Test accuracy after training on the true, the given and the relabelled labels: what what-if forecasts."""
    assert about.true is not None
    assert about.test is not None
    accuracies: dict[str, list[float]] = {}
    for seed in seeds:
        for name, labels in (("true", about.true), ("given", about.given), ("relabelled", relabelled(audit, about))):
            images = ImageSet(about.images.images, labels, about.images.ids, about.images.class_names)
            model, batches = fitted(spec.model_copy(update={"seed": seed}), images, pick_device("cpu"))
            test = ImageBatches(about.test.images, batches.mean.flatten(), batches.std.flatten(), device=batches.device)
            right = model.predictions(test).numpy() == about.test.labels
            accuracies.setdefault(name, []).append(float(right.mean()))
            print(f"{name} labels, seed {seed}: {right.mean():.4f}", flush=True)
    return accuracies


def label_errors(folder: Path) -> dict[str, Any]:
    """The label-errors files: cleanlab's ranking, ours and the combined one of the published probabilities."""
    probabilities = np.load(folder / "cifar10_test_set_pyx.npy", allow_pickle=False)
    given = np.load(folder / "cifar10_test_set_original_labels.npy", allow_pickle=False).astype(np.int64)
    judged = json.loads((folder / "cifar10_mturk.json").read_bytes())
    votes = {item["id"]: item["mturk"] for item in judged}
    error = np.zeros(len(given), dtype=np.bool_)
    error[[image for image, vote in votes.items() if vote["given"] < 3]] = True
    seen = np.zeros(len(given), dtype=np.bool_)
    seen[list(votes)] = True
    evidences = evidence_of(Observed(given, 10, probabilities))
    found: dict[str, Any] = {"judged": len(votes), "verified_errors": int(error.sum()), "images": len(given)}
    for one in [*evidences, combined(evidences)]:
        found[one.name] = {
            "all_images": ranking(one.scores, error),
            "judged_alone": ranking(one.scores[seen], error[seen]),
        }
    for method in ("self_confidence", "normalized_margin"):
        theirs = get_label_quality_scores(given, probabilities, method=method)
        ours = next(one.scores for one in evidences if one.name == method)
        same = np.argsort(theirs, kind="stable") == np.argsort(-ours, kind="stable")
        found[f"{method}_ranking_equal_to_cleanlab"] = bool(same.all())
    return found


if __name__ == "__main__":
    main()
