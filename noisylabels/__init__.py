"""Label-noise robustness studies: corrupt labels exactly, train heads on them, measure what is lost, report it.

A single run from Python; the command line does the same:

>>> from pathlib import Path
>>> from noisylabels.problem import pose
>>> from noisylabels.run import execute
>>> from noisylabels.spec import RunSpec
>>> spec = RunSpec(
...     dataset="digits:per_class=20,test_per_class=10",
...     corruption="symmetric:rate=0.25",
...     model="small_cnn:width=4",
...     head="cam_softmax",
...     train={"epochs": 2, "batch_size": 32, "augment": "none"},
... )
>>> result = execute(spec, pose(spec, Path("data")))
>>> result.realised_rate, len(result.history), result.value("accuracy") is not None
(0.25, 2, True)

A study: ``noisylabels.study.Study``. The noise alone, with NumPy only: ``corruptions``.
"""
