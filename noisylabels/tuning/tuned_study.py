"""The tuned study as a TOML file: the study's own axes and seeds, and every method with its preset."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from noisylabels.atomic import write_atomically
from noisylabels.axes import METHOD_FIELDS, Method
from noisylabels.catalog import MissingExtraError, UsageError, build, short_text
from noisylabels.spec import TABLES, RunSpec
from noisylabels.study import Study
from noisylabels.tuning.record import Tuning

HEADER = "# Written by noisylabels tune; the trials behind these presets are in tuning.json beside this file.\n"
UNSAID = {"loss": "ce", "strategy": "standard"}
"""What a method has where its entry says nothing: the file's base names neither."""


def toml_writer() -> Any:
    """The ``tomli_w`` module: the standard library reads TOML and does not write it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("tomli_w") is None:
        raise MissingExtraError("tune needs tomli-w, which is not installed: pip install 'noisylabels[tune]'")
    return importlib.import_module("tomli_w")


def tuned_study(study: Study, tuning: Tuning) -> Study:
    """The study with its presets: same question, axes and seeds, the methods listed one by one, a name of its own."""
    values = study.model_dump(mode="json")
    values["axes"] |= {field: [] for field in (*METHOD_FIELDS, "dataset", "model")}
    values["base"] |= {field: RunSpec.model_fields[field].default for field in METHOD_FIELDS}
    values["base"] |= {"dataset": tuning.dataset, "model": tuning.model}
    presets = [method.preset.model_dump(mode="json") for method in tuning.methods]
    return Study.checked(values | {"name": tuning.tuned_study, "methods": presets})


def study_text(study: Study) -> str:
    """A study of listed methods as TOML that ``Study.from_toml`` reads as the same study.

    What has its default is left out, and so is what an axis says in place of the base run.
    """
    values: dict[str, Any] = study.model_dump(mode="json", exclude_defaults=True, exclude={"methods"})
    overridden = {field for field, texts in study.axes.model_dump().items() if texts} | {"seed", "noise_seed"}
    values["base"] = {key: value for key, value in values["base"].items() if key not in overridden}
    return HEADER + str(toml_writer().dumps({"name": study.name, **values})) + "".join(map(_entry, study.methods))


def write_study(path: Path, study: Study) -> None:
    """Write the file, whole or not at all."""
    write_atomically(path, study_text(study).encode())


def refuse_to_replace(path: Path) -> None:
    """Refuse to write over a study file that somebody else wrote.

    Raises:
        UsageError: there is a file, and not one that a tuning wrote.
    """
    try:
        ours = path.read_bytes().startswith(HEADER.encode())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    if not ours:
        raise UsageError(f"{path} is there and was not written by tune: give another --out")


def _entry(method: Method) -> str:
    """One ``[[methods]]``, defaults left out of its texts."""
    texts = {field: short_text(build(TABLES[field], getattr(method, field), what=field)) for field in METHOD_FIELDS}
    said = {field: text for field, text in texts.items() if text != UNSAID.get(field)}
    train = f"[methods.train]\n{toml_writer().dumps(method.train)}" if method.train else ""
    return f"\n[[methods]]\n{toml_writer().dumps(said)}{train}"
