"""Strategies: which examples count in a step, and how much."""

from noisylabels.strategies.standard import Standard
from noisylabels.strategies.strategy import Strategy

STRATEGIES: dict[str, type[Strategy]] = {
    "standard": Standard,
}

__all__ = ["STRATEGIES", "Strategy"]
