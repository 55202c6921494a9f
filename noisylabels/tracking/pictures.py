"""Matrices and points as small PNGs, for trackers that draw nothing themselves."""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, ImageDraw

from noisylabels.tracking.items import Matrix, Picture, Points

CELL, LABEL, SIDE, DOT = 28, 78, 420, 3  # pixels
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000", "#ee7733", "#009988")


def matrix_picture(matrix: Matrix) -> Picture:
    """Counts as a heat map, rows to one: white is 0, dark blue all of a true class."""
    counts = matrix.counts.astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    cells = len(matrix.names)
    picture = Image.new("RGB", (LABEL + cells * CELL, LABEL + cells * CELL), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((2, 2), f"rows: true\ncolumns: {matrix.labels}", fill="black", font_size=9)
    for row, name in enumerate(matrix.names):
        place = LABEL + row * CELL
        draw.text((2, place + 8), name[:12], fill="black", font_size=10)
        draw.text((place + 2, LABEL - 14), name[:4], fill="black", font_size=10)
        for column, share in enumerate(shares[row]):
            left = LABEL + column * CELL
            shade = tuple(round(255 + (dark - 255) * float(share)) for dark in (16, 48, 112))
            draw.rectangle((left, place, left + CELL - 2, place + CELL - 2), fill=shade)
            text = f"{100 * share:.0f}"
            draw.text((left + 6, place + 8), text, fill="white" if share > 0.5 else "black", font_size=10)
    return Picture(_png(picture), f"{matrix.title}; per cent of each true class")


def points_picture(points: Points) -> Picture:
    """Dots in a square, a colour a class."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    places = np.array([(x, y) for x, y, _ in points.rows]).reshape(-1, 2)
    reach = float(np.abs(places).max()) if len(places) else 0.0
    for (x, y), (_, _, name) in zip(places, points.rows, strict=True):
        left, top = (SIDE / 2 * (1 + 0.95 * sign * value / (reach or 1.0)) for sign, value in ((1, x), (-1, y)))
        draw.ellipse((left - DOT, top - DOT, left + DOT, top + DOT), fill=_colour(name))
    return Picture(_png(picture), points.title)


def _colour(name: str) -> str:
    """The same for a class in every picture."""
    number = int(name) if name.isdecimal() else zlib.crc32(name.encode())
    return COLOURS[number % len(COLOURS)]


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return buffer.getvalue()
