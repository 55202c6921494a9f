"""Half a million embeddings of ten thousand identities audited, and cleanlab at the largest size that it can hold.

    python -m benchmarks.audit [--count 500000] [--identities 10572] [--dim 512] [--memory-mib 3072]
                               [--cleanlab 1000x10572 23648x500 47295x1000 94589x2000 141884x3000]
                               [--parts audit cleanlab] [--out benchmarks/results/audit.json]

Synthetic embeddings are written to a temporary memory-mapped file: unit centres, Gaussian noise of length ``SPREAD``
around them, identities of geometric sizes with two images at least. 5 % of the identities are merged into others, 5 %
are split, 10 % of the labels are then drawn anew. A fresh process of one thread maps the file and runs
``face_findings``; its peak is the kernel's ``ru_maxrss``, which counts Python, NumPy and the mapped pages of the file
too, and ``anonymous`` the largest private memory seen. It also says what it found of what was put in.

Then cleanlab's ``find_label_issues`` with its defaults is given random float32 probabilities, one fresh process for
each size ``images x identities``: by default 1,000 images of all the identities, whose K x K tables alone are too much,
and fewer identities with as many images each. The largest size within the memory is named. (cleanlab's
``find_label_issues_batched`` reads probabilities from the disk in batches; that file would be 20 GiB here, and it knows
nothing of merged or split classes.) With ``--parts`` only one of the two is measured and the other one stays as it is
in the file of ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.private_memory import PrivateMemory

CHUNK = 20_000
SPREAD = 1.2
CLEANLAB_SIZES = ["1000x10572", "23648x500", "47295x1000", "94589x2000", "141884x3000"]


def write_embeddings(folder: Path, count: int, identities: int, dim: int) -> None:
    """``embeddings.npy``, and ``labels.npz`` with true and given labels and what was merged and split."""
    draws = np.random.default_rng(0)
    shares = draws.dirichlet(np.ones(identities))
    true = np.concatenate(
        [np.repeat(np.arange(identities), 2), draws.choice(identities, count - 2 * identities, p=shares)]
    )
    true = true[draws.permutation(count)]
    centres = draws.standard_normal((identities, dim), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    out = np.lib.format.open_memmap(folder / "embeddings.npy", mode="w+", dtype=np.float32, shape=(count, dim))
    for start in range(0, count, CHUNK):
        noise = draws.standard_normal((min(CHUNK, count - start), dim), dtype=np.float32)
        out[start : start + CHUNK] = centres[true[start : start + CHUNK]] + noise * np.float32(SPREAD / np.sqrt(dim))
    out.flush()
    chosen = draws.permutation(identities)[: 3 * (identities // 20)].reshape(3, -1)
    absorbed, absorber, split = chosen
    given = true.copy()
    label_of = np.arange(identities)
    label_of[absorbed] = absorber
    given = label_of[given]
    number = np.full(identities, -1)
    number[split] = np.arange(len(split))
    halved = (number[true] >= 0) & (draws.random(count) < 0.5)
    given[halved] = identities + number[true[halved]]
    flipped = draws.choice(count, count // 10, replace=False)
    homes = given.copy()
    given[flipped] = draws.choice(homes, len(flipped))
    pairs = np.stack([split, identities + np.arange(len(split))], axis=1)
    np.savez(folder / "labels.npz", given=given, homes=homes, merged=absorber, pairs=pairs)


def audit(folder: Path) -> dict[str, Any]:
    """``face_findings`` on the mapped file, and what it found."""
    from noisylabels.audit.faces import face_findings

    embeddings = np.load(folder / "embeddings.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npz")
    given = labels["given"]
    findings, evidence = face_findings(embeddings, given, in_sample=False)
    wrong = given != labels["homes"]
    merged, pairs = set(labels["merged"].tolist()), set(map(tuple, labels["pairs"].tolist()))
    of = {kind: [one for one in findings if one.kind == kind] for kind in ("merged", "split", "flip", "outlier")}
    right = {
        "merged": sum(one.classes[0] in merged for one in of["merged"]),
        "split": sum(tuple(sorted(one.classes)) in pairs for one in of["split"]),
        "flip": sum(bool(wrong[one.examples[0]]) for one in of["flip"]),
        "outlier": sum(bool(wrong[one.examples[0]]) for one in of["outlier"]),
    }
    injected = {"merged": len(merged), "split": len(pairs), "flip": int(wrong.sum())}
    return {
        "reported": {kind: len(found) for kind, found in of.items()},
        "right": right,
        "injected": injected,
        "evidence": [one.name for one in evidence],
    }


def cleanlab_issues(count: int, identities: int) -> dict[str, Any]:
    """``find_label_issues`` on random probabilities; every class has an image while there are enough."""
    from cleanlab.filter import find_label_issues

    draws = np.random.default_rng(0)
    labels = np.concatenate(
        [np.arange(min(count, identities)), draws.integers(0, identities, max(0, count - identities))]
    )
    probabilities = draws.random((count, identities), dtype=np.float32)
    for row in probabilities:  # one by one: a copy of all of them is not cleanlab's
        row /= row.sum()
    with warnings.catch_warnings(action="ignore"):  # one warning a class with few examples
        found = find_label_issues(labels, probabilities, n_jobs=1)
    return {"reported": int(found.sum())}


def measured(what: str, *arguments: object) -> dict[str, Any]:
    """One of the two in a fresh process of one thread; ``killed`` where the kernel or a MemoryError ended it."""
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.audit", "--one", what, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=7200, env=environment, check=False)
    if done.returncode != 0:
        return {"killed": done.stderr.strip().splitlines()[-1:] or [f"signal {-done.returncode}"]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def one(what: str, *arguments: str) -> None:
    """One of the two, in this process; prints JSON."""
    with PrivateMemory() as private:
        started, computed = time.perf_counter(), time.process_time()
        answer = audit(Path(arguments[0])) if what == "audit" else cleanlab_issues(*map(int, arguments))
        answer["seconds"] = round(time.perf_counter() - started, 1)
        answer["cpu_seconds"] = round(time.process_time() - computed, 1)
    answer["anonymous_mib"] = round(private.peak)
    answer["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # kB on Linux
    print(json.dumps(answer))


def audited(options: argparse.Namespace) -> dict[str, Any]:
    """The audit's figures, printed."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_embeddings(Path(folder), options.count, options.identities, options.dim)
        got = measured("audit", folder)
    print(f"audit of {options.count:,} x {options.identities:,}:", json.dumps(got), flush=True)
    kept = got.get("peak_mib", options.memory_mib + 1) <= options.memory_mib
    print(f"bar of {options.memory_mib} MiB of peak memory {'kept' if kept else 'MISSED'}", flush=True)
    return got


def compared(options: argparse.Namespace) -> dict[str, Any]:
    """Cleanlab's figures at each size, printed, and the largest size that it held."""
    found = {}
    for size in options.cleanlab:
        found[size] = got = measured("cleanlab", *size.split("x"))
        print(f"cleanlab of {size}:", json.dumps(got), flush=True)
    held = [size for size, got in found.items() if got.get("peak_mib", np.inf) <= options.memory_mib]
    largest = max(held, key=lambda size: int(np.prod([int(n) for n in size.split("x")])), default=None)
    print(f"the largest that cleanlab held within {options.memory_mib} MiB: {largest}", flush=True)
    return {"sizes": found, "largest_held": largest}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("count", 500_000), ("identities", 10_572), ("dim", 512), ("memory-mib", 3072)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--cleanlab", nargs="*", default=CLEANLAB_SIZES, metavar="IMAGESxIDENTITIES")
    parser.add_argument("--parts", nargs="+", choices=("audit", "cleanlab"), default=["audit", "cleanlab"])
    parser.add_argument(
        "--folder", type=Path, help="where the temporary embeddings are written (default: the system's)"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    asked = {name: getattr(options, name) for name in ("count", "identities", "dim", "memory_mib")}
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "busy_with": os.getloadavg()[0]}
    result: dict[str, Any] = {"asked": asked, **machine, "numpy": np.__version__}
    if options.out is not None and options.out.is_file() and len(options.parts) == 1:
        result = json.loads(options.out.read_text()) | result
    if "audit" in options.parts:
        result["audit"] = audited(options)
    if "cleanlab" in options.parts:
        result["cleanlab"] = compared(options)
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
