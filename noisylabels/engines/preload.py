"""What every run will import, imported once in the process that runs are forked from.

Importing these afresh would cost every run seconds. None of them touches a device; torch's own thread pools do not
exist before the first computation, so a fork is safe.
"""

from importlib import import_module

HEAVY = ("noisylabels.engines.worker", "torch._dynamo", "sklearn.datasets", "cleanlab.rank")
"""The run itself, and what is otherwise imported late: by torch's optimisers, the digits, the label-issue metric."""

for name in HEAVY:
    import_module(name)
