"""Import torchvision beside a CPU-only torch.

The registry's Linux wheel of torchvision links the CUDA libraries. Where torch is the CPU build they are missing, the
compiled part does not load, and ``import torchvision`` dies with ``RuntimeError: operator torchvision::nms does not
exist``, although its data sets, models and transforms are pure Python and need none of it. Declaring the schemas of the
two operators lets the import go through; calling them still fails, as it should. A healthy installation is not touched.

Known upstream as pytorch/vision#9077 and #9085.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Literal

_SYMPTOM = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []  # the torch.library.Library; its operators vanish with it


def import_torchvision() -> ModuleType:
    """The torchvision module, its two missing operators declared if, and only if, their absence stops the import.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
        RuntimeError: the import fails for any other reason.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _declared or _SYMPTOM not in str(error):
            raise
    _forget_failed_import()
    _declare_operators()
    return importlib.import_module("torchvision")


def shim_state() -> Literal["native", "shimmed", "absent"]:
    """How torchvision comes to be importable here: as installed, through the shim, or not at all."""
    if importlib.util.find_spec("torchvision") is None:
        return "absent"
    import_torchvision()
    return "shimmed" if _declared else "native"


def _forget_failed_import() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_operators() -> None:
    import torch

    torch_library: Any = torch.library  # untyped upstream
    library = torch_library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)
