"""Engines: where runs execute."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from noisylabels.engines.engine import Engine
from noisylabels.engines.local import Local
from noisylabels.engines.ray_engine import Ray
from noisylabels.engines.slurm_engine import Slurm

ENGINES: Mapping[str, type[Engine]] = MappingProxyType({"local": Local, "ray": Ray, "slurm": Slurm})
"""Printed name to frozen dataclass; an engine imports what it stands on (Ray, submitit) when it runs."""

__all__ = ["ENGINES", "Engine", "Local", "Ray", "Slurm"]
