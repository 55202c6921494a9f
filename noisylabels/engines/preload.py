"""What every run will import, imported once in the process that runs are forked from.

Importing these afresh costs a run three to six seconds. None of them touches a device; torch's own thread pools do not
exist before the first computation, so a fork is safe.
"""

from importlib import import_module

import noisylabels.engines.worker

HEAVY = ("torch._dynamo", "sklearn.datasets", "cleanlab.rank")
"""Imported lazily elsewhere: by torch's optimisers at their first step, the digits, the label-issue metric."""

for name in HEAVY:
    import_module(name)

__all__ = ["noisylabels"]
