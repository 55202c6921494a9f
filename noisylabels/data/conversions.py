"""What decoding an image changes beside its scale and its edges, in words: so that no such change is silent."""

from __future__ import annotations

import io
import warnings

from PIL import Image

_ORIENTATION = 0x0112
_MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "CMYK": "CMYK",
    "RGBA": "transparency dropped",
    "RGBX": "fourth channel dropped",
    "YCbCr": "YCbCr",
    "LAB": "LAB",
    "HSV": "HSV",
}


def conversions(content: bytes, *, grey: bool) -> tuple[str, ...]:
    """What ``decoding.decode`` does to this picture beyond scaling and cutting; empty for most.

    Told are: a change of channels or depth that nobody asked for (grey, palette, CMYK, transparency, 16 bits), further
    frames left out, and an EXIF orientation, which is not applied. Only the header is read.

    Args:
        content: a file that was decoded.
        grey: whether one channel was asked for.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                return tuple(_told(image, grey=grey))
    except Exception:  # a header that could be decoded but not described: nothing to tell
        return ()


def _told(image: Image.Image, *, grey: bool) -> list[str]:
    told = []
    if image.mode not in ("RGB", "L" if grey else "RGB"):
        told.append("16 bits scaled to 8" if image.mode.startswith("I") else _MODES.get(image.mode, image.mode))
    elif ";16" in str(getattr(image, "tile", "")):  # the decoder's raw mode, such as a PNG's RGB;16B
        told.append("16 bits cut to 8")
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        told.append("transparency dropped")
    if getattr(image, "is_animated", False):
        told.append("first frame of several")
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation not in (0, 1):
        told.append(f"EXIF orientation {orientation!r:.20} not applied")
    return told
