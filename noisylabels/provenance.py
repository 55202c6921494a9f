"""Where a run's numbers come from: versions, code, machine, data, time. Nothing here takes part in its identity."""

from __future__ import annotations

import functools
import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from noisylabels.drawn_arrays import MAX_MATRIX
from noisylabels.open_set import facts_of
from noisylabels.problem import Problem
from noisylabels.training.model import Model

PACKAGES = ("noisylabels", "torch", "numpy", "scikit-learn", "cleanlab")
SOURCES = ("corruptions", "noisylabels")
"""The import packages whose code decides a run's numbers."""


def provenance(problem: Problem, model: Model, *, started: datetime, seconds: float) -> dict[str, Any]:
    """What a result records beside its numbers, JSON-able; no host name, no user name, no path.

    Args:
        problem: what was trained on.
        model: as trained; says where and in which precision.
        started: when the attempt began that came to an end, with its time zone.
        seconds: how long it took, by a clock that is never set.
    """
    return {
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "source_sha256": source_sha256(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "device": torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else model.device.type,
        "precision": str(model.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "sizes": {"train": len(problem.train), "validation": len(problem.validation), "test": len(problem.splits.test)},
        "fingerprints": {name: getattr(problem.splits, name).fingerprint() for name in ("train", "validation", "test")},
        **_named_classes(problem),
        **_verified_on(problem),
    }


def _named_classes(problem: Problem) -> dict[str, Any]:
    """What classes are called, where there are few enough for a report to show them by name."""
    names = problem.splits.train.class_names
    return {"class_names": list(names)} if len(names) <= MAX_MATRIX else {}


def _verified_on(problem: Problem) -> dict[str, Any]:
    if problem.verification is None:
        return {}
    return {"verification": facts_of(problem.verification, problem.splits.train)}


@functools.cache
def source_sha256() -> str:
    """SHA-256 over the installed source files: the name and bytes of each ``.py`` file, by sorted name, hexadecimal.

    The version alone does not tell two states of a working copy apart. Read once a process: a file that is edited
    while runs go on is not the code that they run.
    """
    folders = {package: Path(str(files(package))) for package in SOURCES}
    names = {
        f"{package}/{file.relative_to(folder).as_posix()}": file
        for package, folder in folders.items()
        for file in folder.rglob("*.py")
    }
    digest = hashlib.sha256()
    for name in sorted(names):
        content = names[name].read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model and the instructions torch uses of it, such as ``"Intel(R) Xeon(R) CPU @ 2.20GHz, AVX2"``.

    Sums of the same numbers come out otherwise on other instructions, hence both.

    Args:
        cpuinfo: where Linux says what the processor is; elsewhere Python's own answer has to do.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    model = next(named, "") or platform.processor() or platform.machine()
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}"
