"""A connection to Ray: to somebody's cluster, or to an instance that lives as long as the sweep."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noisylabels.catalog import MissingExtraError, UsageError

OBJECT_STORE_BYTES = 100_000_000
"""Enough: results go to the disk, not through Ray. By default it would take a third of the machine's memory."""


def given_address(address: str) -> str:
    """The cluster's address: the one given, else ``$RAY_ADDRESS``; empty for an instance of this machine's own."""
    return address or os.environ.get("RAY_ADDRESS", "")


@contextlib.contextmanager
def connected(address: str, *, cpus: int) -> Iterator[Any]:
    """The ``ray`` module, connected; afterwards an instance started here is gone, a cluster stays as it is.

    A process that is connected already stays so. Ray tells standard output what it meets on its way, where a command's
    answer belongs; meanwhile nothing is written there.

    Args:
        address: see ``given_address``.
        cpus: of an instance of its own.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: nothing answers at the address.
    """
    cluster = given_address(address)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere), _environment(_settings(cluster)):
        ray = _import()
        if ray.is_initialized():
            yield ray
            return
        with _own_signals():
            _connect(ray, cluster, cpus)
        try:
            yield ray
        finally:
            ray.shutdown()


def _import() -> Any:
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError as error:
        raise MissingExtraError(f"the engine 'ray' needs Ray: pip install 'noisylabels[ray]' ({error})") from None
    return ray


def _connect(ray: Any, cluster: str, cpus: int) -> None:
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    if not cluster:
        ray.init(address="local", num_cpus=cpus, object_store_memory=OBJECT_STORE_BYTES, **quiet)
        return
    try:
        ray.init(address=cluster, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"no Ray cluster can be reached at {cluster!r} ({reason}); start one (ray start --head)"
        ) from None


def _settings(cluster: str) -> dict[str, str]:
    """What Ray reads when it starts: nobody is told of it, and an instance of its own is this machine's alone."""
    if cluster:
        return {"RAY_USAGE_STATS_ENABLED": "0"}
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # in spite of its name: loopback addresses only, on every system
        "RAY_worker_niceness": "0",  # as the local engine's; Ray's default, 15, starves beside other work
        "RAY_AUTH_TOKEN": _token(),  # or Ray would write one into the home folder
    }


@functools.cache
def _token() -> str:
    """What an instance of this process lets nobody in without; one a process, for Ray reads it once."""
    return secrets.token_hex(32)


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """These variables, and afterwards Ray's as they were; it sets some itself."""
    before = _of_ray()
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in _of_ray():
            del os.environ[name]
        os.environ.update(before)


def _of_ray() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_")}


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this program's answer to SIGTERM: Ray would put its own in its place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
