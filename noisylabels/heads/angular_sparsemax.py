"""Angular sparsemax: ArcFace's scores for the sparsemax loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noisylabels.heads.arcface import ArcFace


@dataclass(frozen=True)
class AngularSparsemax(ArcFace):
    """Angular sparsemax: scores ``scale * cos(theta + margin)`` on the target for the loss ``sparsemax``.

    The loss is exactly 0, and so is its gradient, once the target's score leads by 1: on cosines a margin of 1/scale on
    top of this one. An additive angular margin on the score vector, and a Fenchel-Young loss of sparsemax, are all that
    the paper's abstract tells; where the margin's slope ends (past pi) it is continued as ArcFace's.

    Args:
        margin: m in [0, pi], radians; 0.5, ArcFace's: the paper's value is not known.
        scale: s > 0; 20, as for every head: the paper's value is not known.

    Raises:
        ValueError: a parameter is out of its range.

    Reference: Chan & Kittler, Angular Sparsemax for Face Recognition, ICPR 2020, abstract only: how margin and loss
    meet, and both defaults, are reconstructed. Tag: reconstruction.
    """

    kind: ClassVar[str] = "angular_sparsemax"
    requires_loss: ClassVar[str | None] = "sparsemax"
