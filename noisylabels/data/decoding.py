"""One image file to one uint8 array, and a plain reason for every file that cannot be one."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif")
MAX_PIXELS = 50_000_000
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "TIFF", "GIF")  # none that starts another program, as EPS does


class UndecodableError(Exception):
    """A file is not a usable image; the text is the reason without the file's name."""


def decode(path: Path, *, size: int, grey: bool) -> NDArray[np.uint8]:
    """Read an image, scale its short side to ``size`` (bilinear, antialiased) and cut out the centre square.

    Grey, palette and CMYK images are converted; 16-bit grey is scaled to 8 bits; transparency is dropped; of an
    animation the first frame counts; EXIF orientation is not applied, as torchvision's ``ImageFolder`` does not. The
    size in the header is judged before any pixel is decoded.

    Returns:
        uint8[C, size, size], C = 1 if ``grey`` else 3.

    Raises:
        UndecodableError: empty, truncated, not an image, of too many pixels, or of a range that 8 bits cannot say.
    """
    converted = open_image(path, mode="L" if grey else "RGB")
    square = ImageOps.fit(converted, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(square).reshape(size, size, -1).transpose(2, 0, 1)


def open_image(path: Path, mode: str = "RGB") -> Image.Image:
    """A file's pixels in their own size, eight bits a channel, converted as :func:`decode` says.

    Args:
        path: the file.
        mode: ``RGB``, or ``L`` for grey.

    Raises:
        UndecodableError: as :func:`decode`.
    """
    try:
        if path.stat().st_size == 0:
            raise UndecodableError("the file is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files: what matters is an error below
            with Image.open(path, formats=_FORMATS) as image:
                _refuse_bomb(image.size)
                return _eight_bit(image, mode)
    except UndecodableError:
        raise
    except UnidentifiedImageError as error:
        raise UndecodableError("not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise UndecodableError(f"more than {MAX_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # a decoder fed hostile bytes may raise anything
        raise UndecodableError(f"cannot be decoded: {error or type(error).__name__}") from error


def _refuse_bomb(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise UndecodableError(f"{width} x {height} is more than {MAX_PIXELS // 10**6} megapixels")


def _eight_bit(image: Image.Image, mode: str) -> Image.Image:
    """Convert, scaling 0..65535 to 0..255 where Pillow alone would clip."""
    if image.mode == "F":
        raise UndecodableError("floating-point pixels have no fixed range")
    if not image.mode.startswith("I"):
        return image.convert(mode)
    values = np.asarray(image).astype(np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise UndecodableError(f"grey values must be in [0, 65535]; got {values.min()} to {values.max()}")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert(mode)
