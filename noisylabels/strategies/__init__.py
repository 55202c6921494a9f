"""Strategies: which examples count in a step, and how much."""

from noisylabels.strategies.boundaryface import BoundaryFace
from noisylabels.strategies.co_teaching import CoTeaching
from noisylabels.strategies.co_teaching_plus import CoTeachingPlus
from noisylabels.strategies.cores import Cores
from noisylabels.strategies.dividemix import DivideMix
from noisylabels.strategies.drpl import Drpl
from noisylabels.strategies.elr import Elr
from noisylabels.strategies.elr_plus import ElrPlus
from noisylabels.strategies.jocor import Jocor
from noisylabels.strategies.mixup import Mixup
from noisylabels.strategies.noiseface import NoiseFace
from noisylabels.strategies.p_diff import PDiff
from noisylabels.strategies.probability_guided_maxout import ProbabilityGuidedMaxout
from noisylabels.strategies.regularised import Regularised
from noisylabels.strategies.sop import Sop
from noisylabels.strategies.standard import Standard
from noisylabels.strategies.strategy import Learning, Look, Outcome, Scored, Step, Strategy, StrategyContext
from noisylabels.strategies.subcenter_cleaning import SubcenterCleaning

STRATEGIES: dict[str, type[Strategy]] = {
    "standard": Standard,
    "mixup": Mixup,
    "regularised": Regularised,
    "elr": Elr,
    "elr_plus": ElrPlus,
    "sop": Sop,
    "co_teaching": CoTeaching,
    "co_teaching_plus": CoTeachingPlus,
    "jocor": Jocor,
    "dividemix": DivideMix,
    "cores": Cores,
    "p_diff": PDiff,
    "drpl": Drpl,
    "noiseface": NoiseFace,
    "boundaryface": BoundaryFace,
    "subcenter_cleaning": SubcenterCleaning,
    "probability_guided_maxout": ProbabilityGuidedMaxout,
}

__all__ = ["STRATEGIES", "Learning", "Look", "Outcome", "Scored", "Step", "Strategy", "StrategyContext"]
