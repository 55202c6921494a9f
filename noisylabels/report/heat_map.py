"""A matrix of shares as a drawing."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from noisylabels.report.document import HeatMap
from noisylabels.report.wording import plain

NAMED, PRINTED = 20, 12
"""Up to so many classes have their names beside the map, and their cells printed."""

NAME_LIMIT = 14


def draw_heat_map(axes: Axes, heat_map: HeatMap) -> None:
    """One pixel a cell, enlarged: white for none, on a square-root scale, so that a few per cent can be seen.

    Whatever is behind the page, a cell's ground is its own, and its number is dark on light or light on dark.
    """
    size = len(heat_map.names)
    share = np.array(heat_map.percent)
    colours = colormaps["magma_r"](PowerNorm(0.5, vmin=0, vmax=100)(share))
    colours[share == 0] = 1.0
    axes.imshow(colours, interpolation="none")
    axes.set_xlabel(heat_map.column_label)
    axes.set_ylabel(heat_map.row_label)
    if size <= NAMED:
        names = [plain(name, NAME_LIMIT) for name in heat_map.names]
        axes.set_xticks(range(size), names, rotation=90, fontsize=7)
        axes.set_yticks(range(size), names, fontsize=7)
    if size <= PRINTED:
        for (i, j), value in np.ndenumerate(share):
            if value >= 0.5:
                colour = "#ffffff" if value > 25 else "#111111"
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=6, color=colour)
