"""Where a run computes, and in which precision."""

from __future__ import annotations

from typing import Literal

import torch

from noisylabels.catalog import UsageError

Precision = Literal["auto", "float32", "bfloat16"]


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is the first CUDA device if there is one, else the CPU; any other text is torch's own.

    Raises:
        UsageError: torch knows no such device, or it is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device must be auto, cpu, cuda or cuda:N of this machine; got {name!r} ({reason})") from None


def pick_precision(wish: Precision, device: torch.device) -> torch.dtype:
    """The type that convolutions and products are computed in.

    ``auto`` takes bfloat16 only where the processor has instructions for it: emulated, it is an order of magnitude
    *slower* (an AVX2 core trained a ResNet-8 at 470 images a second in float32 and at 42 in bfloat16). The choice
    looks at the processor, never at a clock, so the same machine always computes the same bits.
    """
    if wish == "auto":
        wish = "bfloat16" if _computes_bfloat16(device) else "float32"
    return torch.bfloat16 if wish == "bfloat16" else torch.float32


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)
