"""Images standardised and augmented a batch at a time: held on the device, or read from the disk as needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from noisylabels.data.mapped_images import MappedImages


class ImageBatches:
    """All images of one set, ``(N, C, H, W)`` uint8.

    ``plain`` and ``augmented`` give standardised float32 batches, channels last; the stored images are never edited.
    An array is held on the device. ``MappedImages``, which are larger than memory, stay where they are: every batch
    reads its own rows, and is the same batch to the last bit.

    Args:
        images: uint8, shape (N, C, H, W).
        mean, std: per-channel statistics of the *training* images, shape (C,), in pixel units [0, 255].
        padding: pixels of mirrored border for ``augmented``; 0 shifts nothing.
        mirror: whether ``augmented`` mirrors left-right half of the time.
    """

    def __init__(
        self,
        images: NDArray[np.uint8] | MappedImages,
        mean: Tensor,
        std: Tensor,
        *,
        padding: int = 0,
        mirror: bool = False,
        device: torch.device,
    ) -> None:
        side = min(images.shape[2:])
        if padding >= side:
            raise ValueError(f"crop_padding must be below the image side {side}; got {padding}")
        self.padding, self.mirror, self.device = padding, mirror, device
        self.shape: tuple[int, ...] = tuple(images.shape)
        self.mean, self.std = (s.view(1, -1, 1, 1).to(device) for s in (mean, std))
        self._stored: _Stored
        if isinstance(images, MappedImages):
            self._stored = _Streamed(images, padding, device)
        else:
            self._stored = _Held(images, padding, device)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def images(self) -> Tensor | MappedImages:
        """The stored images: a uint8 tensor on the device, or what is read from."""
        return self._stored.images

    def plain(self, rows: Tensor | slice) -> Tensor:
        """Those images, as they are."""
        return self._standardised(self._stored.plain(rows))

    def augmented(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Those images, each shifted and mirrored by its own draw; ``rows`` and the draws live on the CPU."""
        count, (height, width) = len(rows), self.shape[2:]
        shifts = torch.randint(0, 2 * self.padding + 1, (2, count, 1), generator=generator)
        mirrored = torch.rand(count, 1, generator=generator) < (0.5 if self.mirror else 0.0)
        down = shifts[0] + torch.arange(height)
        right = shifts[1] + torch.arange(width)
        right = torch.where(mirrored, right.flip(1), right)
        channels = torch.arange(self.shape[1])
        bordered, places = self._stored.bordered(rows)
        where = (places[:, None, None, None], channels[:, None, None], down[:, None, :, None], right[:, None, None, :])
        return self._standardised(bordered[tuple(index.to(self.device) for index in where)])

    def _standardised(self, images: Tensor) -> Tensor:
        floats = images.to(torch.float32).sub_(self.mean).div_(self.std)
        return floats.contiguous(memory_format=torch.channels_last)


class _Stored(Protocol):
    """Where images are."""

    @property
    def images(self) -> Tensor | MappedImages: ...

    def plain(self, rows: Tensor | slice) -> Tensor:
        """uint8 on the device: some images."""

    def bordered(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 on the device: images with their border; and the places of those rows among them."""


class _Held:
    """All of them on the device, with and without border."""

    def __init__(self, images: NDArray[np.uint8], padding: int, device: torch.device) -> None:
        self.images = torch.tensor(images, device=device)
        self.with_border = _bordered(self.images, padding)

    def plain(self, rows: Tensor | slice) -> Tensor:
        return self.images[rows]

    def bordered(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.with_border, rows


class _Streamed:
    """On the disk; what is asked for is read into the CPU's memory and brought to the device."""

    def __init__(self, images: MappedImages, padding: int, device: torch.device) -> None:
        self.images, self.padding, self.device = images, padding, device

    def plain(self, rows: Tensor | slice) -> Tensor:
        found = self.images[rows if isinstance(rows, slice) else rows.cpu().numpy()]
        return torch.from_numpy(found).to(self.device)

    def bordered(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return _bordered(self.plain(rows), self.padding), torch.arange(len(rows))


def _bordered(images: Tensor, padding: int) -> Tensor:
    return F.pad(images, (padding,) * 4, mode="reflect") if padding else images


def channel_statistics(images: NDArray[np.uint8] | MappedImages) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation a channel, each shape (C,), float32, in pixel units; a constant channel gets 1."""
    total = images.shape[0] * images.shape[2] * images.shape[3]
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for block in _blocks(images):
        counts += np.stack([np.bincount(block[:, c].ravel(), minlength=256) for c in range(images.shape[1])])
    levels = np.arange(256.0)
    mean = counts @ levels / total
    std = np.sqrt(counts @ levels**2 / total - mean**2)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(np.where(std > 0, std, 1.0), dtype=torch.float32)


def _blocks(images: NDArray[np.uint8] | MappedImages) -> Iterator[NDArray[np.uint8]]:
    """All images, a part at a time, as counting takes eight bytes a pixel."""
    if isinstance(images, MappedImages):
        yield from images.blocks()
    else:
        step = max(1, (1 << 24) // max(1, images.nbytes // max(1, len(images))))
        yield from (images[start : start + step] for start in range(0, len(images), step))
