"""Named streams of randomness: each draw belongs to a purpose, never to whoever drew before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def stream_seed(name: str, seed: int) -> int:
    """A 63-bit seed for stream ``name`` (``init``, ``order``, ``augment``) of a run with that seed.

    From a ``SeedSequence`` keyed by the name's SHA-256, so that a new stream never shifts an old one.
    """
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return int(np.random.SeedSequence([seed, key]).generate_state(1, np.uint64)[0] >> 1)


def stream(name: str, seed: int) -> torch.Generator:
    """The stream as a torch generator on the CPU, whatever the device: the draws are the same everywhere."""
    return torch.Generator().manual_seed(stream_seed(name, seed))


@contextmanager
def initialised_by(name: str, seed: int) -> Iterator[None]:
    """Layers built inside draw their weights from the stream; torch's own generator is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(name, seed))
        yield
