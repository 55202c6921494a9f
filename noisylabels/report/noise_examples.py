"""Examples of wrong labels as pictures: for those who have the images, and may show them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter, field_validator

from noisylabels.problem import pose
from noisylabels.report.contact_sheet import contact_sheet
from noisylabels.report.document import Block, Picture, Section
from noisylabels.report.grid import corruption_and_rate
from noisylabels.report.wording import count, percent
from noisylabels.spec import Frozen, RunSpec
from noisylabels.store import StoreError

FILE = "examples.json"
ROWS = 2
MOST_BYTES = 5_000_000
"""Of a picture that is read back; one of two rows has a tenth of it."""

TEXT = (
    "The first wrong training labels of each class in turn, as the lowest seed drew them at the corruption's highest "
    "rate: what the image is, and what it is now said to be."
)


class ExamplePicture(Frozen):
    """Wrong labels of one corruption.

    Attributes:
        dataset, corruption: short texts.
        rate: asked, in [0, 1].
        wrong: how many training labels are wrong, of so many that were kept.
        png_base64: the picture.
    """

    dataset: str
    corruption: str
    rate: float = Field(ge=0, le=1)
    wrong: int = Field(ge=0)
    kept: int = Field(ge=0)
    png_base64: str = Field(max_length=MOST_BYTES)

    @field_validator("png_base64")
    @classmethod
    def _is_png(cls, text: str) -> str:
        try:
            starts = base64.b64decode(text, validate=True)[:8]
        except binascii.Error as error:
            raise ValueError(f"png_base64 must be base64; {error}") from None
        if starts != b"\x89PNG\r\n\x1a\n":
            raise ValueError("png_base64 must be a PNG")
        return text

    def picture(self) -> Picture:
        """For a page."""
        title = f"{self.corruption}, asked {percent(self.rate)}"
        said = f"{self.wrong} of {count(self.kept, 'training label')} of {self.dataset} are wrong; some of them."
        return Picture(title, f"{title}: {said}", self.png_base64)


_FILE = TypeAdapter(tuple[ExamplePicture, ...])


def draw_examples(specs: Sequence[RunSpec], root: Path) -> tuple[ExamplePicture, ...]:
    """One picture for each data set and corruption of a plan, at its highest rate, by the lowest seed.

    Args:
        specs: the plan.
        root: the data folder.

    Raises:
        MissingDataError, UsageError: the images, or the labels, cannot be had.
    """
    chosen: dict[tuple[str, str], RunSpec] = {}
    for spec in sorted(specs, key=lambda spec: (-corruption_and_rate(spec)[1], spec.noise_seed)):
        if corruption_and_rate(spec)[1] > 0:
            chosen.setdefault((spec.short("dataset"), corruption_and_rate(spec)[0]), spec)
    return tuple(_drawn(chosen[key], root) for key in sorted(chosen))


def _drawn(spec: RunSpec, root: Path) -> ExamplePicture:
    problem = pose(spec, root)
    corruption, rate = corruption_and_rate(spec)
    record = problem.noisy_train.record
    sheet = contact_sheet(problem.splits.train, problem.noisy_train, rows=ROWS)
    return ExamplePicture(
        dataset=spec.short("dataset"),
        corruption=corruption,
        rate=rate,
        wrong=record.num_flipped,
        kept=record.num_examples - record.num_dropped,
        png_base64=base64.b64encode(sheet).decode(),
    )


def examples_section(examples: Sequence[ExamplePicture]) -> Section | None:
    """The pictures; None where there are none."""
    blocks = tuple(Block(picture=example.picture(), title=example.picture().title) for example in examples)
    return Section("examples", "Wrong labels, some of them", (TEXT,), blocks) if blocks else None


def to_file(examples: tuple[ExamplePicture, ...]) -> bytes:
    """The content of ``examples.json``."""
    return _FILE.dump_json(examples, indent=1) + b"\n"


def read_examples(path: Path) -> tuple[ExamplePicture, ...]:
    """The pictures in ``path``; none if there is no such file.

    Raises:
        StoreError: it holds something else.
    """
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except ValueError as error:
        raise StoreError(f"{path} holds no examples ({str(error).splitlines()[0]})") from None
