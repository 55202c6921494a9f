"""How many dimensions the embeddings really use."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from noisylabels.metrics.by_class import as_points
from noisylabels.metrics.evaluation import Floats, Labels
from noisylabels.metrics.metric import EmbeddingMetric


def effective_rank(embeddings: Floats) -> float:
    """Exponential of the entropy of the normalised singular values.

        exp(-sum_r p_r log p_r),   p_r = s_r / sum_q s_q,   0 log 0 = 0

    with s_r the singular values of the ``(M, D)`` embedding matrix, raw and *not centred*, so that a shared offset
    counts as a direction. RankMe adds 1e-7 to every p_r; we do not, so that embeddings on a line score exactly 1.

    Returns:
        Dimensions in [1, min(M, D)]; higher is better: low values mean that directions were lost (dimensional
        collapse). A classifier at full neural collapse nevertheless ends near its number of classes, so compare runs
        of one study only.

    Raises:
        Undefined: no embedding, or one of length zero or not finite.

    Reference: Roy & Vetterli, The effective rank, EUSIPCO 2007; RankMe, Garrido et al., ICML 2023.

    >>> round(effective_rank(np.eye(3)), 12)
    3.0
    """
    singular = np.linalg.svd(as_points(embeddings), compute_uv=False)
    shares = singular[singular > 0] / singular.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


@dataclass(frozen=True)
class EffectiveRank(EmbeddingMetric):
    """:func:`effective_rank` of the test set, which needs no labels; n counts its images."""

    kind = "effective_rank"
    unit = "dimensions"
    higher_is_better = True
    lower = 1.0
    upper = inf
    directions_only = False

    def of(self, embeddings: Floats, labels: Labels) -> float:
        return effective_rank(embeddings)
