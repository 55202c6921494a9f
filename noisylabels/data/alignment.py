"""Bring a face into a standard position by five points that are known on it; no detector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisylabels.catalog import unknown
from noisylabels.data.errors import DataError

Floats = NDArray[np.float64]


class Aligner(Protocol):
    """Whatever turns a photograph into an aligned crop: by landmarks, by a detector of the user's, or not at all."""

    def align(self, name: str, image: Image.Image) -> Image.Image:
        """The aligned crop.

        Args:
            name: what the photograph is called, for aligners that look something up.
            image: the photograph.

        Raises:
            DataError: it cannot be aligned.
        """


@dataclass(frozen=True)
class Template:
    """Where the five points of an aligned face lie.

    Attributes:
        width: of the crop, pixels.
        height: of the crop, pixels.
        points: x and y of the person's right eye, left eye, nose, right and left corner of the mouth, as they appear
            from left to right; pixels, whole numbers are pixel centres.
    """

    width: int
    height: int
    points: tuple[tuple[float, float], ...]


SPHEREFACE = Template(
    96,
    112,
    ((30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655), (62.7299, 92.2041)),
)
"""112 x 96 crops (height x width) of SphereFace and cam-softmax."""

INSIGHTFACE = Template(112, 112, tuple((x + 8, y) for x, y in SPHEREFACE.points))
"""112 x 112 crops of ArcFace and its successors: the same points, eight pixels further in."""


@dataclass(frozen=True, eq=False)
class LandmarkAligner:
    """Aligns by the similarity transform that brings a photograph's five points closest to the template's.

    A photograph that is shrunk to less than half is averaged down by a whole factor first, so that no pixel is skipped;
    the rest is bilinear. Outside the photograph the crop is black.

    Attributes:
        landmarks: five points, float64[5, 2], of each photograph by name.
        template: where they shall come to lie.
    """

    landmarks: Mapping[str, Floats]
    template: Template = INSIGHTFACE

    def align(self, name: str, image: Image.Image) -> Image.Image:
        """The aligned crop, RGB.

        Raises:
            DataError: there are no points of that name, or they do not define a transform.
        """
        if name not in self.landmarks:
            raise DataError(unknown("photograph", name, list(self.landmarks)[:1000]))
        points = self.landmarks[name]
        try:
            matrix = similarity_transform(points, np.array(self.template.points))
            factor = max(1, math.floor(1 / float(np.hypot(matrix[0, 0], matrix[1, 0]))))
            if factor > 1:
                image = image.convert("RGB").reduce(factor)
                matrix = similarity_transform((points + 0.5) / factor - 0.5, np.array(self.template.points))
        except DataError as error:
            raise DataError(f"{name!r}: {error}") from None
        return warp(image.convert("RGB"), matrix, self.template.width, self.template.height)


def similarity_transform(source: Floats, target: Floats) -> Floats:
    """Scale, rotation and shift (s, R, t) that minimise the squared distance to the target points, in closed form.

        minimise sum_i |s R a_i + t - b_i|^2,  R a rotation, never a reflection

    Args:
        source: a, float64[n, 2], n >= 2.
        target: b, float64[n, 2].

    Returns:
        float64[2, 3], [s R | t].

    Raises:
        DataError: shapes differ, a number is not finite, or all source points are one, or the best scale is 0.

    Source: S. Umeyama, Least-squares estimation of transformation parameters between two point patterns, IEEE TPAMI
    13(4), 1991, equations 40 to 43.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise DataError(f"points must be as many (n, 2) as the template's; got {source.shape} and {target.shape}")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise DataError("points must be finite")
    centre, aim = source.mean(axis=0), target.mean(axis=0)
    a, b = source - centre, target - aim
    spread = float((a * a).sum())
    left, singular, right = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    scale = float(singular @ signs) / spread if spread > 0 else 0.0
    if not scale > 1e-9:
        raise DataError("points must be spread out, as on a face; no transform brings these to the template")
    rotation = scale * (left * signs) @ right
    return np.column_stack([rotation, aim - rotation @ centre])


def warp(image: Image.Image, matrix: Floats, width: int, height: int) -> Image.Image:
    """The image under an affine map of its pixel centres, bilinear, black outside.

    Args:
        image: the photograph.
        matrix: float64[2, 3] from its coordinates to the crop's; whole numbers are pixel centres, as in OpenCV.
        width: of the crop.
        height: of the crop.
    """
    inverse = np.linalg.inv(matrix[:, :2])
    shift = -inverse @ matrix[:, 2]
    corner = shift + 0.5 - inverse @ np.array([0.5, 0.5])  # Pillow counts from the corner of a pixel, not its centre
    data = (*inverse[0], corner[0], *inverse[1], corner[1])
    return image.transform(
        (width, height), Image.Transform.AFFINE, tuple(map(float, data)), resample=Image.Resampling.BILINEAR
    )
