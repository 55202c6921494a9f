"""The Ray engine: one Ray Core task an attempt, on a cluster, or in an instance of its own on this machine."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from noisylabels.attempts import Ledger, Outcome
from noisylabels.catalog import UsageError
from noisylabels.engines.dispatch import Dispatch
from noisylabels.engines.engine import Engine, Observe
from noisylabels.engines.local import cores
from noisylabels.engines.ray_connection import connected, given_address
from noisylabels.engines.worker import Place, attempt
from noisylabels.spec import RunSpec
from noisylabels.store import StudyFolder

LOOK_SECONDS = 0.5
PROBE_SECONDS = 120.0
"""How long a node may take to start a worker that only looks whether it sees the study's folder."""

CANCEL_SECONDS = 10.0
MOST_AT_A_TIME = 256
"""Runs sent to a cluster at a time where nobody says how many; never more than it has room for."""


@dataclass(frozen=True)
class Ray(Engine):
    """Ray Core tasks, one an attempt; the study's folder must lie on a disk that all nodes share.

    A worker or a node that is lost costs its attempts only: they are made again elsewhere.

    Attributes:
        address: of the cluster, such as ``10.0.0.1:6379`` or ``auto``. Empty: ``$RAY_ADDRESS``; without that, an
            instance of its own, which listens on this machine's loopback interface only and ends with the sweep.
        cpus: that one run takes, above 0; may be a fraction.
        gpus: that one run takes, at least 0; a fraction lets several share a device.
        max_attempts: how often a run is tried in one sweep, at least 1; an error that another attempt would meet again
            is not tried again.
    """

    kind: ClassVar[str] = "ray"

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0
    max_attempts: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.cpus < math.inf:
            raise UsageError(f"cpus must be above 0; got {self.cpus:g}")
        if not 0 <= self.gpus < math.inf or (self.gpus > 1 and self.gpus % 1):
            raise UsageError(f"gpus must be a fraction in [0, 1] or a whole number; got {self.gpus:g}")
        if self.max_attempts < 1:
            raise UsageError(f"max_attempts must be at least 1; got {self.max_attempts}")

    def default_workers(self) -> int:
        return MOST_AT_A_TIME if given_address(self.address) else max(1, int(cores() / self.cpus))

    def run(
        self, specs: Sequence[RunSpec], folder: StudyFolder, place: Place, *, workers: int, observe: Observe
    ) -> None:
        """See ``Engine.run``.

        Raises:
            MissingExtraError: Ray is not installed.
            UsageError: no cluster answers, no node can ever hold such a run, or a node does not see the study's folder.
        """
        with connected(self.address, cpus=cores()) as ray:
            room = self._room(ray)
            self._refuse_nodes_without(folder.path.absolute(), ray)
            dispatch = Dispatch(specs, folder, engine=self.kind, max_attempts=self.max_attempts)
            tasks = _Tasks(ray, folder, place, self.needs())
            try:
                while not dispatch.is_over(len(tasks.running)):
                    while len(tasks.running) < min(workers, room) and (spec := dispatch.next()):
                        tasks.start(spec)
                    for spec, outcome, reason in tasks.ended():
                        dispatch.settle(spec, outcome, reason)
                    observe(dispatch.progress(tasks.running.values()))
                    room = self._room(ray)  # nodes come and go
            finally:
                tasks.cancel()

    def needs(self) -> dict[str, float]:
        """What one run takes of a node, in Ray's names."""
        return {name: amount for name, amount in {"CPU": self.cpus, "GPU": self.gpus}.items() if amount}

    def _room(self, ray: Any) -> int:
        return room_for(self.needs(), [node["Resources"] for node in ray.nodes() if node["Alive"]])

    def _refuse_nodes_without(self, path: Path, ray: Any) -> None:
        """Ask each node that may get runs whether it sees what this process writes into the study's folder."""
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        probe = ray.remote(num_cpus=0, max_retries=0)(_sees)
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".seen-from-all-nodes-") as file:
            asked = {
                probe.options(scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(file.name): node
                for node in ray.nodes()
                if node["Alive"] and fits(self.needs(), node["Resources"])
            }
            answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS)
            for answer in answered:
                where = f"node {asked[answer]['NodeManagerAddress']} of the Ray cluster"
                try:
                    if not ray.get(answer):
                        raise UsageError(f"{where} does not see {path}: put --runs on a disk that all nodes share")
                except ray.exceptions.RayTaskError as error:
                    raise UsageError(f"{where} cannot run noisylabels: {_first_line(error.cause)}") from None
                except ray.exceptions.RayError:
                    continue  # it was lost meanwhile; runs will go elsewhere


def fits(needs: Mapping[str, float], node: Mapping[str, float]) -> bool:
    """Whether a node, when idle, can hold one run."""
    return all(node.get(name, 0) >= amount for name, amount in needs.items())


def room_for(needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """How many runs all nodes, when idle, can hold at a time.

    Args:
        needs: of one run, by Ray's names of resources; not empty.
        nodes: what each node has.

    Raises:
        UsageError: not one: Ray would wait for such a node for ever.

    >>> room_for({"CPU": 1, "GPU": 0.5}, [{"CPU": 8, "GPU": 2}, {"CPU": 8}])
    4
    """
    room = sum(min(int(node[name] / amount) for name, amount in needs.items()) for node in nodes if fits(needs, node))
    if room:
        return room
    asked = ", ".join(f"{amount:g} {name}" for name, amount in needs.items())
    most = ", ".join(f"{max((node.get(name, 0) for node in nodes), default=0):g} {name}" for name in needs)
    raise UsageError(
        f"one run needs {asked} on one node, and no node of the Ray cluster has that "
        f"({len(nodes)} nodes, at most {most}): ask for less (--engine ray:cpus=...,gpus=...) or add such a node"
    )


class _Tasks:
    """The attempts that are with Ray, which retries none by itself: the store is asked first, and they are counted."""

    def __init__(self, ray: Any, folder: StudyFolder, place: Place, needs: Mapping[str, float]) -> None:
        self.ray, self.folder = ray, StudyFolder(folder.path.absolute())
        self.place = replace(place, data=place.data.absolute())
        self.task = ray.remote(num_cpus=needs["CPU"], num_gpus=needs.get("GPU", 0), max_retries=0)(_attempt)
        self.running: dict[Any, RunSpec] = {}

    def start(self, spec: RunSpec) -> None:
        named = self.task.options(name=f"noisylabels {spec.run_id}")
        self.running[named.remote(self.folder, spec.run_id, self.place)] = spec

    def ended(self) -> list[tuple[RunSpec, Outcome, str]]:
        """Wait a moment or until one has ended; those that have, with what Ray says of it."""
        tasks = list(self.running)
        if not tasks:
            time.sleep(LOOK_SECONDS)  # the rest is done elsewhere
            return []
        self.ray.wait(tasks, timeout=LOOK_SECONDS)
        ready, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=0)
        return [(self.running.pop(task), *self._said_of(task)) for task in ready]

    def _said_of(self, task: Any) -> tuple[Outcome, str]:
        errors = self.ray.exceptions
        try:
            self.ray.get(task)
        except errors.OutOfMemoryError:
            return "oom", "out of memory: Ray ended the worker, for its node had none left"
        except errors.RayTaskError as error:
            return "error", _first_line(error.cause)
        except errors.RayError as error:
            return "killed", f"the worker or its node was lost ({type(error).__name__}: {_first_line(error)})"
        return "killed", "the worker ended and left no result"

    def cancel(self) -> None:
        """End what is left: first by a KeyboardInterrupt there, then by force."""
        for force in (False, True):
            if self.running:
                for task in self.running:
                    with contextlib.suppress(self.ray.exceptions.RayError):
                        self.ray.cancel(task, force=force)
                tasks = list(self.running)
                ended, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=CANCEL_SECONDS)
                for task in ended:
                    del self.running[task]


def _attempt(folder: StudyFolder, run_id: str, place: Place) -> None:
    """One attempt, in a Ray worker."""
    os.environ["NOISYLABELS_DATA"] = str(place.data)  # where data sets named by a relative path lie
    run = folder.run(run_id)
    ledger = Ledger(run.path, engine=Ray.kind)
    try:
        attempt(run, place, ledger)
    except KeyboardInterrupt:  # how Ray cancels a task
        ledger.end("killed", "stopped with its sweep")
        raise


def _sees(path: str) -> bool:
    return Path(path).exists()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
