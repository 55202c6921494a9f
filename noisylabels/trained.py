"""A trained model in a file: weights, what they are of, and how images must be standardised for them.

<folder>/model.pt          as ``torch.save`` writes it; loading executes nothing (``weights_only``)
         model.pt.sha256   its SHA-256, as ``sha256sum`` writes and checks it
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from noisylabels import catalog
from noisylabels.atomic import write_atomically
from noisylabels.heads import HEADS
from noisylabels.models import MODELS, ModelSpec
from noisylabels.problem import Problem
from noisylabels.spec import RunSpec
from noisylabels.training.images import ImageBatches
from noisylabels.training.model import Model

FILE = "model.pt"
LAYOUT = 1


class ModelFileError(Exception):
    """A file is not a model that can be used."""

    exit_code: ClassVar[int] = 5


@dataclass(frozen=True)
class Trained:
    """A model and how it wants its images.

    Attributes:
        model: embedder and head.
        mean, std: of each channel, in pixel units.
        channels: C.
        size: H = W.
        class_names: of the training set, all true classes; empty where they are not known.
        about: what was trained, in a line.
    """

    model: Model
    mean: Tensor
    std: Tensor
    channels: int
    size: int
    class_names: tuple[str, ...]
    about: str


def keep_trained(folder: Path, spec: RunSpec, model: Model, images: ImageBatches, problem: Problem) -> Path:
    """Write a run's model into its folder; whole or not at all.

    Args:
        folder: where to.
        spec: of the run.
        model: trained.
        images: that it was trained on; their standardisation is kept with it.
        problem: whose labels its head chooses among.
    """
    content = {
        "layout": LAYOUT,
        "spec": spec.model_dump_json(),
        "image": [images.shape[1], images.shape[2]],
        "labels": problem.num_given_classes,
        "class_names": list(problem.train.class_names),
        "mean": images.mean.flatten().cpu(),
        "std": images.std.flatten().cpu(),
        "state": model.state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    write_atomically(folder / FILE, buffer.getvalue())
    write_atomically(folder / f"{FILE}.sha256", f"{digest}  {FILE}\n".encode())
    return folder / FILE


def load_trained(path: Path, device: torch.device) -> Trained:
    """The model that :func:`keep_trained` wrote, from its file or its folder.

    Raises:
        ModelFileError: no such file, torn, altered, of another layout, or not such a file at all.
    """
    file = path / FILE if path.is_dir() else path
    content = _read(file)
    try:
        if content["layout"] != LAYOUT:
            raise ValueError(f"its layout must be {LAYOUT}; got {content['layout']!r}")
        spec = RunSpec.model_validate_json(content["spec"])
        channels, size = content["image"]
        embedder_spec: ModelSpec = spec.plugin("model")
        embedder = embedder_spec.build(channels, size)
        head = spec.plugin("head").build(content["labels"], embedder_spec.embedding_dim)
        model = Model(embedder.to(device), head.to(device), device, torch.float32)
        model.load(content["state"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelFileError(
            f"{file} is not a model of this program ({reason}); for weights of elsewhere give --model"
        ) from None
    about = f"{spec.short('model')} {spec.method} {spec.short('corruption')} seed {spec.seed}, run {spec.run_id}"
    names = tuple(map(str, content["class_names"]))
    return Trained(model, content["mean"], content["std"], channels, size, names, about)


def load_weights(path: Path, model: str, *, channels: int, size: int, device: torch.device) -> Trained:
    """An embedder of elsewhere: a file with its ``state_dict``, pixels standardised to [-1, 1], as face models are.

    Args:
        path: the file; its names may begin with ``module.``, as ``DataParallel`` leaves them.
        model: text of the model they are of, such as ``iresnet50``.
        channels: C.
        size: H = W.
        device: where to.

    Raises:
        ModelFileError: no such file, or weights that do not fit the model.
        UsageError: no such model.
    """
    spec: ModelSpec = catalog.build(MODELS, model, what="model")
    embedder = spec.build(channels, size).to(device)
    state = {name.removeprefix("module."): value for name, value in _read(path).items()}
    try:
        embedder.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(f"{path} does not hold weights of {model!r}: {reason}") from None
    head = HEADS["softmax"]().build(2, spec.embedding_dim).to(device)
    half = torch.full((channels,), 127.5)
    return Trained(Model(embedder, head, device, torch.float32), half, half, channels, size, (), f"{model} of {path}")


def _read(file: Path) -> dict[str, Any]:
    """The dictionary in a file that ``torch.save`` wrote, held to the SHA-256 beside it where there is one."""
    try:
        stored = file.read_bytes()
    except OSError as error:
        raise ModelFileError(f"no model at {file} ({error.strerror}); train with --keep-model to have one") from None
    beside = file.with_name(f"{file.name}.sha256")
    if beside.is_file() and beside.read_text(errors="replace").split()[:1] != [hashlib.sha256(stored).hexdigest()]:
        raise ModelFileError(f"{file} is torn or altered: its SHA-256 is not the one in {beside.name}")
    try:
        with warnings.catch_warnings(action="ignore"):  # torch remarks on files that are not its own
            content = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes of its reader
        raise ModelFileError(
            f"{file} cannot be read as weights ({type(error).__name__}); nothing in it was executed"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ModelFileError(f"{file} must hold a dictionary of names; got {type(content).__name__}")
    return content
