"""Images standardised and augmented a batch at a time: held on the device, or read from the disk as needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

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
        stored = _Streamed(images, device) if isinstance(images, MappedImages) else _Held(images, device)
        self._stored: _Held | _Streamed = stored

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
        shifts = torch.randint(0, 2 * self.padding + 1, (2, count, 1), generator=generator)[..., 0]
        mirrored = torch.rand(count, 1, generator=generator) < (0.5 if self.mirror else 0.0)
        bordered = self._bordered(self._stored.plain(rows))
        # Every place a crop can have, as a view: a batch is then copied a row of pixels at a time.
        crops = bordered.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 4, 5, 1)
        where = (torch.arange(count), shifts[0], shifts[1])
        chosen = crops[tuple(index.to(self.device) for index in where)].permute(0, 3, 1, 2)
        turned = mirrored.to(self.device).view(-1, 1, 1, 1)
        return self._standardised(torch.where(turned, chosen.flip(3), chosen))

    def _bordered(self, images: Tensor) -> Tensor:
        bordered = F.pad(images, (self.padding,) * 4, mode="reflect") if self.padding else images
        return bordered.contiguous(memory_format=torch.channels_last)

    def _standardised(self, images: Tensor) -> Tensor:
        laid_out = images.contiguous(memory_format=torch.channels_last)
        return laid_out.to(torch.float32).sub_(self.mean).div_(self.std)


class _Held:
    """All of them on the device; the CPU shares the array's memory."""

    def __init__(self, images: NDArray[np.uint8], device: torch.device) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nor is it ever written to
            self.images = torch.from_numpy(images).to(device)

    def plain(self, rows: Tensor | slice) -> Tensor:
        """uint8 on the device: some images."""
        return self.images[rows]


class _Streamed:
    """On the disk; what is asked for is read into the CPU's memory and brought to the device."""

    def __init__(self, images: MappedImages, device: torch.device) -> None:
        self.images, self.device = images, device

    def plain(self, rows: Tensor | slice) -> Tensor:
        """uint8 on the device: some images."""
        found = self.images[rows if isinstance(rows, slice) else rows.cpu().numpy()]
        return torch.from_numpy(found).to(self.device)


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
