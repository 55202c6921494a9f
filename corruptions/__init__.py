"""Label noise: true labels in, given labels and an audit record out. NumPy and the standard library only.

>>> noise = CORRUPTIONS["symmetric"](rate=0.25).apply([0, 1, 2, 3], num_classes=4, seed=7)
>>> noise.record.num_flipped, noise.record.realised_rate
(1, 0.25)
"""

from corruptions.asymmetric import Asymmetric
from corruptions.clean import Clean
from corruptions.corruption import CorruptedLabels, Corruption
from corruptions.draws import example_draws, integers_below, unit_floats
from corruptions.identity_merge import IdentityMerge
from corruptions.record import NoiseRecord, Transitions
from corruptions.symmetric import Symmetric

CORRUPTIONS: dict[str, type[Corruption]] = {
    "asymmetric": Asymmetric,
    "clean": Clean,
    "identity_merge": IdentityMerge,
    "symmetric": Symmetric,
}
"""Printed name to class. A new corruption is one new file and one line here; the law tests then cover it."""

__all__ = [
    "CORRUPTIONS",
    "Asymmetric",
    "Clean",
    "CorruptedLabels",
    "Corruption",
    "IdentityMerge",
    "NoiseRecord",
    "Symmetric",
    "Transitions",
    "example_draws",
    "integers_below",
    "unit_floats",
]
