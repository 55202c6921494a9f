"""``noisylabels doctor``: what this machine has, and what a run would use."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from noisylabels.cli import options

PACKAGES = ("noisylabels", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "cleanlab", "pydantic")


def doctor(
    data: options.DataFolder = None,
    runs: options.RunsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Report versions, device, precision, torchvision's state and which data sets are in place."""
    found = _findings(options.data_folder(data), options.runs_folder(runs))
    if as_json:
        typer.echo(json.dumps(found))
        return
    for key, value in found.items():
        if isinstance(value, dict):
            typer.echo(f"{key}:")
            for name, text in value.items():
                typer.echo(f"  {name:16} {text}")
        else:
            typer.echo(f"{key:18} {value}")


def _findings(data: Path, runs: Path) -> dict[str, Any]:
    import torch

    from noisylabels.engines.local import cores
    from noisylabels.torchvision_shim import shim_state
    from noisylabels.training.device import pick_device, pick_precision

    device = pick_device()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision (auto)": str(pick_precision("auto", device)).removeprefix("torch."),
        "torchvision": shim_state(),
        "packages": {package: _version(package) for package in PACKAGES},
        "data folder": f"{data} ({'there' if data.is_dir() else 'not there'})",
        "data sets": _datasets(data),
        "runs folder": f"{runs} ({'there' if runs.is_dir() else 'not there yet'})",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _datasets(data: Path) -> dict[str, str]:
    folders = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
    state = {
        name: "there" if (data / folder).is_dir() else f"not at {data / folder}" for name, folder in folders.items()
    }
    return {"digits": "built in"} | state
