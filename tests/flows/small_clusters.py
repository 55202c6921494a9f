"""What tests of cluster engines share: a small study, a Ray cluster on this machine, and who works at a run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from noisylabels.engines.engine import Engine, Progress
from noisylabels.engines.worker import Place
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""Processor time may be scarce where tests run; nothing waits so long where it is not."""


def specs_of(count: int, *, epochs: int = 1) -> list[RunSpec]:
    """Different runs, each about a second of work beside the epochs."""
    heads, corruptions = ("softmax", "cam_softmax", "arcface"), ("symmetric:rate=0.4", "clean")
    return [
        RunSpec.checked(
            {
                "dataset": "digits:per_class=20,test_per_class=20",
                "model": "small_cnn:width=4",
                "head": heads[number % 3],
                "corruption": corruptions[number % 2],
                "seed": number // 6,
                "train": {"epochs": epochs, "batch_size": 32, "learning_rate": 0.1},
            }
        )
        for number in range(count)
    ]


def run(
    engine: Engine,
    specs: list[RunSpec],
    folder: StudyFolder,
    *,
    workers: int = 2,
    observe: Callable[[Progress], None] = lambda progress: None,
) -> None:
    engine.run(specs, folder, Place(folder.path, device="cpu"), workers=workers, observe=observe)


def process_at(folder: StudyFolder, spec: RunSpec) -> int | None:
    """The process that holds a run's lock, asked of the kernel; None if nobody does."""
    try:
        inode = (folder.run(spec.run_id).path / ".lock").stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "->" not in fields and int(fields[5].rpartition(":")[2]) == inode and int(fields[4]) != os.getpid():
            return int(fields[4])
    return None


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_for(condition: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """What the condition gives once it holds."""
    end = time.monotonic() + seconds
    while not (came := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return came


@contextmanager
def ray_nodes(*nodes: dict[str, float]) -> Iterator[tuple[Any, list[Any]]]:
    """A Ray cluster on loopback addresses: a head that runs nothing and these nodes, as urgent as other processes."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'noisylabels[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_worker_niceness", "0")
        from ray.cluster_utils import Cluster

        memory = {"object_store_memory": 100_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
        try:
            yield cluster, [cluster.add_node(**node, **memory) for node in nodes]
        finally:
            cluster.shutdown()
