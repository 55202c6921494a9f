"""Charts as Vega-Lite specifications, for whoever wants to draw them again."""

from __future__ import annotations

from typing import Any

from noisylabels.report.document import Chart, HeatMap, Panel

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


def to_vega_lite(chart: Chart) -> dict[str, Any]:
    """The chart's panels side by side, with their data inside; nothing is fetched to draw it."""
    panels = [_heat_map(panel) if isinstance(panel, HeatMap) else _panel(panel) for panel in chart.panels]
    return {
        "$schema": SCHEMA,
        "title": chart.title,
        "description": chart.description,
        "columns": chart.columns,
        "concat": panels,
        "resolve": {"scale": {"color": "shared", "shape": "shared"}},
    }


def _panel(panel: Panel) -> dict[str, Any]:
    values = [
        {"line": line.label, "piece": number, "x": point.x, "y": point.y}
        | {"low": point.low, "high": point.high, "hollow": point.hollow}
        for line in panel.lines
        for number, piece in enumerate(line.pieces)
        for point in piece
    ]
    x = {"field": "x", "type": "quantitative", "title": panel.x_label}
    y = {"field": "y", "type": "quantitative", "title": panel.y_label, "scale": {"zero": False}}
    colour = {"field": "line", "type": "nominal", "title": None}
    band = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    joined = any(line.joined for line in panel.lines)
    mark = {"type": "line", "point": True} if joined else {"type": "point", "filled": True}
    return {
        "title": panel.title,
        "data": {"values": values},
        "encoding": {"x": x, "color": colour, "detail": {"field": "piece", "type": "nominal"}},
        "layer": [
            {
                "transform": [{"filter": "datum.low != null"}],
                "mark": {"type": "area", "opacity": 0.13},
                "encoding": band,
            },
            {"mark": mark, "encoding": {"y": y, "shape": {"field": "line", "type": "nominal", "title": None}}},
        ],
    }


def _heat_map(heat_map: HeatMap) -> dict[str, Any]:
    values = [
        {"row": row, "column": column, "percent": share}
        for row, shares in zip(heat_map.names, heat_map.percent, strict=True)
        for column, share in zip(heat_map.names, shares, strict=True)
    ]
    return {
        "title": heat_map.title,
        "data": {"values": values},
        "mark": "rect",
        "encoding": {
            "y": {"field": "row", "type": "nominal", "title": heat_map.row_label, "sort": None},
            "x": {"field": "column", "type": "nominal", "title": heat_map.column_label, "sort": None},
            "color": {"field": "percent", "type": "quantitative", "title": "%", "scale": {"type": "sqrt"}},
        },
    }
