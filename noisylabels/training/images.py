"""Images as one tensor on the device: standardised and augmented a batch at a time, with no loader between."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


class ImageBatches:
    """All images of one set, ``(N, C, H, W)`` uint8, on the device.

    ``plain`` and ``augmented`` give standardised float32 batches, channels last; the stored images are never edited.

    Args:
        images: uint8, shape (N, C, H, W).
        mean, std: per-channel statistics of the *training* images, shape (C,), in pixel units [0, 255].
        padding: pixels of mirrored border for ``augmented``; 0 shifts nothing.
        mirror: whether ``augmented`` mirrors left-right half of the time.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        mean: Tensor,
        std: Tensor,
        *,
        padding: int = 0,
        mirror: bool = False,
        device: torch.device,
    ) -> None:
        self.images = torch.tensor(images, device=device)
        self.padding, self.mirror, self.device = padding, mirror, device
        self.mean, self.std = (s.view(1, -1, 1, 1).to(device) for s in (mean, std))
        side = min(self.images.shape[2:])
        if padding >= side:
            raise ValueError(f"crop_padding must be below the image side {side}; got {padding}")
        self.bordered = F.pad(self.images, (padding,) * 4, mode="reflect") if padding else self.images

    def __len__(self) -> int:
        return len(self.images)

    def plain(self, rows: Tensor | slice) -> Tensor:
        """Those images, as they are."""
        return self._standardised(self.images[rows])

    def augmented(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Those images, each shifted and mirrored by its own draw; ``rows`` and the draws live on the CPU."""
        count, (height, width) = len(rows), self.images.shape[2:]
        shifts = torch.randint(0, 2 * self.padding + 1, (2, count, 1), generator=generator)
        mirrored = torch.rand(count, 1, generator=generator) < (0.5 if self.mirror else 0.0)
        down = shifts[0] + torch.arange(height)
        right = shifts[1] + torch.arange(width)
        right = torch.where(mirrored, right.flip(1), right)
        channels = torch.arange(self.images.shape[1])
        where = (rows[:, None, None, None], channels[:, None, None], down[:, None, :, None], right[:, None, None, :])
        return self._standardised(self.bordered[tuple(index.to(self.device) for index in where)])

    def _standardised(self, images: Tensor) -> Tensor:
        floats = images.to(torch.float32).sub_(self.mean).div_(self.std)
        return floats.contiguous(memory_format=torch.channels_last)


def channel_statistics(images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation a channel, each shape (C,), float32, in pixel units; a constant channel gets 1."""
    total = images.shape[0] * images.shape[2] * images.shape[3]
    counts = np.stack([np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])])
    levels = np.arange(256.0)
    mean = counts @ levels / total
    std = np.sqrt(counts @ levels**2 / total - mean**2)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(np.where(std > 0, std, 1.0), dtype=torch.float32)
