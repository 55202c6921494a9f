"""What every run will import, imported once in the process that runs are forked from.

Importing these afresh would cost every run seconds. None of them touches a device; torch's own thread pools do not
exist before the first computation, so a fork is safe.

That process ends with its supervisor and by nothing else: a terminal that closes and a batch system that ends a job
signal all processes at once, and workers whose parent is gone cannot be waited for.
"""

import signal
from importlib import import_module

HEAVY = ("noisylabels.engines.child", "torch._dynamo", "sklearn.datasets", "cleanlab.rank")
"""The run itself, and what is otherwise imported late: by torch's optimisers, the digits, the label-issue metric."""

for name in HEAVY:
    import_module(name)
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
