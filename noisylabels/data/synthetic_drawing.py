"""Drawings of made-up people: what stays the same about a person, what differs from picture to picture, and the pixels.

Only additions, multiplications, divisions and comparisons in float64 are used, in a fixed order, so that the same
numbers give the same pixels on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.draws import example_draws, unit_floats

Floats = NDArray[np.float64]

PERSON: tuple[str, ...] = (
    *("width", "height", "jaw", "eye_gap", "eye_height", "eye_size", "brow_height", "brow_slope"),
    *("nose_length", "nose_width", "mouth_height", "mouth_width", "lip", "hairline", "parting", "beard"),
    *("skin_red", "skin_green", "skin_blue", "hair_red", "hair_green", "hair_blue", "iris_red", "iris_green"),
)
"""Traits of a person, each uniform in [0, 1)."""

PICTURE: tuple[str, ...] = (
    *("shift_x", "shift_y", "turn", "tilt", "zoom", "gain", "warmth", "light_x", "light_y", "smile", "open", "blink"),
    *("cover", "cover_x", "cover_y", "cover_width", "cover_height", "cover_grey", "hair_light"),
    *("back_red", "back_green", "back_blue", "back_slope"),
)
"""Circumstances of a picture, each uniform in [0, 1)."""

_NOISE = 30.0
"""Pixel noise is uniform in +- half of it, of 255."""


def traits(names: tuple[str, ...], purpose: str, numbers: NDArray[np.int64], seed: int) -> dict[str, Floats]:
    """Each named quantity, float64[n, 1, 1] in [0, 1), a function of seed, name and number alone."""
    return {
        name: unit_floats(example_draws(seed, f"{purpose}/{name}", numbers))[:, np.newaxis, np.newaxis]
        for name in names
    }


def draw_faces(people: NDArray[np.int64], pictures: NDArray[np.int64], *, size: int, seed: int) -> NDArray[np.uint8]:
    """Draw n pictures.

    Args:
        people: int64[n], whom each shows.
        pictures: int64[n], a number that no other picture of anybody has.
        size: side, pixels.
        seed: of all traits and circumstances.

    Returns:
        uint8[n, 3, size, size].
    """
    person = traits(PERSON, "synthetic/person", people, seed)
    picture = traits(PICTURE, "synthetic/picture", pictures, seed)
    axis: Floats = (np.arange(size, dtype=np.float64) + 0.5) * (2 / size) - 1
    x, y = _placed(axis[np.newaxis, np.newaxis, :], axis[np.newaxis, :, np.newaxis], picture)
    canvas = _background(axis, picture)
    canvas = _head(canvas, x, y, person, picture)
    canvas = _features(canvas, x, y, person, picture)
    canvas = _lit(canvas, axis, picture)
    canvas = _covered(canvas, axis, picture)
    cells = pictures[:, np.newaxis] * (3 * size * size) + np.arange(3 * size * size)
    noise = unit_floats(example_draws(seed, "synthetic/noise", cells.ravel())).reshape(canvas.shape) - 0.5
    return np.clip(canvas * 255 + noise * _NOISE + 0.5, 0, 255).astype(np.uint8)


def _placed(x: Floats, y: Floats, picture: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Coordinates of the face at each pixel: shifted, rotated in the plane, zoomed."""
    x = x - (picture["shift_x"] - 0.5) * 0.3
    y = y - (picture["shift_y"] - 0.5) * 0.3
    half = (picture["tilt"] - 0.5) * 0.35  # the tangent of half the angle: sine and cosine without a library
    cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    zoom = 1.15 + (picture["zoom"] - 0.5) * 0.4
    return (x * cosine + y * sine) * zoom, (y * cosine - x * sine) * zoom


def _background(axis: Floats, picture: dict[str, Floats]) -> Floats:
    slope = (picture["back_slope"] - 0.5) * 0.5 * axis[np.newaxis, np.newaxis, :] * np.ones((1, len(axis), 1))
    return np.stack([picture[f"back_{colour}"] * 0.3 + 0.35 + slope for colour in ("red", "green", "blue")], axis=1)


def _head(canvas: Floats, x: Floats, y: Floats, person: dict[str, Floats], picture: dict[str, Floats]) -> Floats:
    """Hair behind, then the face, narrower towards the jaw."""
    width, height = 0.52 + 0.2 * person["width"], 0.68 + 0.2 * person["height"]
    hair = [person[f"hair_{c}"] * 0.6 + 0.1 * picture["hair_light"] for c in ("red", "green", "blue")]
    skin = [0.35 + 0.55 * person["skin_red"]]
    skin += [skin[0] * (0.65 + 0.25 * person[f"skin_{c}"]) for c in ("green", "blue")]
    canvas = _paint(canvas, _ellipse(x, y + 0.12, width * 1.2, height * 1.12), hair)
    narrowed = x * (1 + (0.15 + 0.45 * person["jaw"]) * np.clip(y, 0, 1))
    face = _ellipse(narrowed, y - 0.03, width, height)
    canvas = _paint(canvas, face, skin)
    line = 0.3 + 0.35 * person["hairline"] - (person["parting"] - 0.5) * 0.6 * x
    canvas = _paint(canvas, face * _edge(-(y + line)), hair)
    stubble = [0.5 * (s + h) for s, h in zip(skin, hair, strict=True)]
    return _paint(canvas, face * _edge(y - 0.4) * np.clip(person["beard"] * 3 - 2, 0, 1), stubble)


def _features(canvas: Floats, x: Floats, y: Floats, person: dict[str, Floats], picture: dict[str, Floats]) -> Floats:
    """Eyes, brows, nose and mouth; a turned head moves them all to one side."""
    x = x - (picture["turn"] - 0.5) * 0.45
    gap, level = 0.2 + 0.14 * person["eye_gap"], 0.05 + 0.18 * person["eye_height"]
    eye = 0.08 + 0.07 * person["eye_size"]
    lid = eye * (0.75 - 0.6 * np.clip(picture["blink"] * 4 - 3, 0, 1))
    iris = [0.15 + 0.5 * person["iris_red"], 0.2 + 0.5 * person["iris_green"], 0.4 + 0 * lid]
    dark = [0.12 + 0 * lid] * 3
    white = [0.92 + 0 * lid] * 3
    slope = (person["brow_slope"] - 0.5) * 0.6
    for side in (-1, 1):
        across = x - side * gap
        canvas = _paint(canvas, _ellipse(across, y + level, eye * 1.3, lid), white)
        canvas = _paint(canvas, _ellipse(across, y + level, eye * 0.6, lid * 0.9), iris)
        brow = y + level + 0.12 + 0.12 * person["brow_height"] + side * slope * across
        canvas = _paint(canvas, _ellipse(across, brow, eye * 1.7, 0.035 + 0 * lid), dark)
    length, breadth = 0.1 + 0.16 * person["nose_length"], 0.05 + 0.09 * person["nose_width"]
    canvas = _paint(canvas, _ellipse(x, y - length, breadth, 0.06 + 0 * lid) * 0.55, dark)
    mouth = 0.36 + 0.16 * person["mouth_height"]
    wide = 0.14 + 0.16 * person["mouth_width"]
    bent = y - mouth + (picture["smile"] - 0.5) * 0.9 * x * x / wide
    red = [0.5 + 0.35 * person["lip"], 0.18 + 0 * lid, 0.22 + 0 * lid]
    canvas = _paint(canvas, _ellipse(x, bent, wide, 0.045 + 0.05 * person["lip"] + 0.06 * picture["open"]), red)
    return _paint(canvas, _ellipse(x, bent, wide * 0.7, 0.07 * picture["open"] + 0.005), dark)


def _lit(canvas: Floats, axis: Floats, picture: dict[str, Floats]) -> Floats:
    """Brighter on one side, brighter or darker and warmer or colder in all."""
    across = axis[np.newaxis, np.newaxis, :] * (picture["light_x"] - 0.5)
    light = (
        0.55 + 0.75 * picture["gain"] + 0.8 * (across + axis[np.newaxis, :, np.newaxis] * (picture["light_y"] - 0.5))
    )
    warmth = (picture["warmth"] - 0.5) * 0.2
    return canvas * np.stack([light * (1 + warmth), light, light * (1 - warmth)], axis=1)


def _covered(canvas: Floats, axis: Floats, picture: dict[str, Floats]) -> Floats:
    """A grey rectangle somewhere, in two of five pictures."""
    beside = np.abs(axis[np.newaxis, np.newaxis, :] - (picture["cover_x"] * 1.6 - 0.8))
    above = np.abs(axis[np.newaxis, :, np.newaxis] - (picture["cover_y"] * 1.6 - 0.8))
    within = (beside < 0.15 + 0.35 * picture["cover_width"]) & (above < 0.1 + 0.2 * picture["cover_height"])
    mask = within & (picture["cover"] < 0.4)
    return _paint(canvas, mask.astype(np.float64), [picture["cover_grey"]] * 3)


def _ellipse(x: Floats, y: Floats, width: Floats, height: Floats) -> Floats:
    """1 inside, 0 outside, a soft edge between."""
    distance = x * x / (width * width) + y * y / (height * height)
    return np.clip((1.15 - distance) * 3, 0, 1)


def _edge(distance: Floats) -> Floats:
    return np.clip(distance * 8 + 0.5, 0, 1)


def _paint(canvas: Floats, mask: Floats, colour: list[Floats]) -> Floats:
    """Lay a colour over the canvas where the mask is."""
    return np.stack([canvas[:, c] + mask * (colour[c] - canvas[:, c]) for c in range(3)], axis=1)
