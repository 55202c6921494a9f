"""Label noise: true labels in, given labels and an audit record out. NumPy and the standard library only.

>>> noise = CORRUPTIONS["symmetric"](rate=0.25).apply([0, 1, 2, 3], num_classes=4, seed=7)
>>> noise.record.num_flipped, noise.record.realised_rate
(1, 0.25)
"""

from corruptions.asymmetric import Asymmetric
from corruptions.clean import Clean
from corruptions.clean_subset import CleanSubset
from corruptions.clustered import Clustered
from corruptions.composition import Composition
from corruptions.confusion import Confusion
from corruptions.control import Control
from corruptions.corrupted import CorruptedLabels
from corruptions.corruption import Corruption, Decision
from corruptions.draws import example_draws, integers_below, unit_floats
from corruptions.drop_identities import DropIdentities
from corruptions.examples import Examples
from corruptions.human import Human
from corruptions.identity_flip import IdentityFlip
from corruptions.identity_merge import IdentityMerge
from corruptions.identity_split import IdentitySplit
from corruptions.instance import Instance
from corruptions.legacy import Legacy
from corruptions.outlier import Outlier
from corruptions.pair import Pair
from corruptions.random_labels import RandomLabels
from corruptions.record import DROPPED, NoiseRecord
from corruptions.symmetric import Symmetric
from corruptions.transitions import Transitions

CORRUPTIONS: dict[str, type[Corruption]] = {
    "asymmetric": Asymmetric,
    "clean": Clean,
    "clean_subset": CleanSubset,
    "clustered": Clustered,
    "confusion": Confusion,
    "drop_identities": DropIdentities,
    "human": Human,
    "identity_flip": IdentityFlip,
    "identity_merge": IdentityMerge,
    "identity_split": IdentitySplit,
    "instance": Instance,
    "legacy": Legacy,
    "outlier": Outlier,
    "pair": Pair,
    "random_labels": RandomLabels,
    "symmetric": Symmetric,
}
"""Printed name to class. A new corruption is one new file and one line here; the law tests then cover it. Several in a
row are no kind of their own but a sum: ``Symmetric(0.1) + IdentityMerge(0.2)``.
"""

__all__ = [
    "CORRUPTIONS",
    "DROPPED",
    "Asymmetric",
    "Clean",
    "CleanSubset",
    "Clustered",
    "Composition",
    "Confusion",
    "Control",
    "CorruptedLabels",
    "Corruption",
    "Decision",
    "DropIdentities",
    "Examples",
    "Human",
    "IdentityFlip",
    "IdentityMerge",
    "IdentitySplit",
    "Instance",
    "Legacy",
    "NoiseRecord",
    "Outlier",
    "Pair",
    "RandomLabels",
    "Symmetric",
    "Transitions",
    "example_draws",
    "integers_below",
    "unit_floats",
]
