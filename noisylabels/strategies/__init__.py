"""Strategies: which examples count in a step, and how much."""

from noisylabels.strategies.co_teaching import CoTeaching
from noisylabels.strategies.cores import Cores
from noisylabels.strategies.elr import Elr
from noisylabels.strategies.jocor import Jocor
from noisylabels.strategies.mixup import Mixup
from noisylabels.strategies.regularised import Regularised
from noisylabels.strategies.standard import Standard
from noisylabels.strategies.strategy import Learning, Look, Outcome, Scored, Step, Strategy, StrategyContext

STRATEGIES: dict[str, type[Strategy]] = {
    "standard": Standard,
    "mixup": Mixup,
    "regularised": Regularised,
    "elr": Elr,
    "co_teaching": CoTeaching,
    "jocor": Jocor,
    "cores": Cores,
}

__all__ = ["STRATEGIES", "Learning", "Look", "Outcome", "Scored", "Step", "Strategy", "StrategyContext"]
