"""What the data sets of faces share: people chosen, images decoded, a test set of the people trained on."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from noisylabels.catalog import UsageError, parameters_of
from noisylabels.data.dataset import TEST_SEED, Dataset, data_root
from noisylabels.data.errors import DataError
from noisylabels.data.face_source import FaceSource
from noisylabels.data.identities import ChosenFaces, choose_faces
from noisylabels.data.images import ImageSet
from noisylabels.data.selection import share_of, smallest_draws


@dataclass(frozen=True, kw_only=True)
class Faces(Dataset):
    """Images of people: some are trained on, and some of *their* images tested on (closed-set accuracy).

    What open-set figures need, pairs of people never trained on, is ``verification``.

    Attributes:
        root: the folder; a relative path starts at the data folder.
        content: the first 16 hex digits of the SHA-256 of all that is used, as in ``Folder``: run ids hold it in place
            of the path, and files that have changed since are refused.
        size: side of the square images, pixels.
        grey: one channel (luma) rather than RGB.
        test: share of each person's images kept for testing; rounded as ``validation`` is. The choice hangs on each
            image's name alone.
        min_images: people with fewer images are left out.
        identities: at most so many people, chosen by draws of their names; ``None`` for all.
        max_images: at most so many images of a person, chosen likewise; ``None`` for all.
        outside: further people, with at least one image, whose classes come after all others: ids K - outside .. K - 1.
            They are for the corruption ``outlier``, which is told those ids; they have no test images. Every other
            corruption trains on them as on anybody. ``outlier`` needs enough of their images in the training and in the
            validation split each, and people with few images are seldom in the latter: ``validation=0`` leaves it out.
    """

    root: str
    content: str = ""
    size: int = 32
    grey: bool = False
    test: float = 0.2
    min_images: int = 2
    identities: int | None = None
    max_images: int | None = None
    outside: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.size <= 1024:
            raise UsageError(f"size must be in [1, 1024]; got {self.size}")
        if not 0 < self.test < 1:
            raise UsageError(f"test must be in (0, 1); got {self.test}")
        for name, lowest in (("min_images", 1), ("identities", 2), ("max_images", 1), ("outside", 0)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise UsageError(f"{name} must be at least {lowest}; got {value}")
        if self.outside and self.test_per_class is not None:
            raise UsageError("test_per_class cannot be had with people outside, who have no test images")

    @abstractmethod
    def _source(self, root: Path) -> FaceSource:
        """All images there are to train on.

        Raises:
            MissingDataError, DataError: as ``_load``.
        """

    def _choose(self, source: FaceSource) -> ChosenFaces:
        return choose_faces(
            source,
            min_images=self.min_images,
            identities=self.identities,
            max_images=self.max_images,
            outside=self.outside,
        )

    def _digest(self, root: Path, source: FaceSource, chosen: ChosenFaces) -> str:
        """SHA-256 of all that is used, hex digits."""
        return source.digest(chosen.rows)

    def pinned(self) -> Self:
        """With ``content`` filled in from the files under ``data_root()``: reads every byte that is used, once.

        Raises:
            MissingDataError, DataError: as ``prepare``.
        """
        if self.content:
            return self
        source = self._source(data_root())
        return replace(self, content=self._digest(data_root(), source, self._choose(source))[:16])

    def identity(self) -> dict[str, Any]:
        """As ``Dataset.identity``, with the content in place of the path."""
        parameters = {"kind": self.kind, **parameters_of(self.pinned())}
        del parameters["root"]
        return parameters

    def _load(self, root: Path, *, download: bool) -> tuple[ImageSet, ImageSet]:
        source, chosen = self._checked(root)
        images = source.decode(chosen.rows, size=self.size, grey=self.grey)
        everything = ImageSet(images, chosen.labels, source.ids[chosen.rows], chosen.names)
        return self._divided(everything, source, chosen)

    def _divided(self, everything: ImageSet, source: FaceSource, chosen: ChosenFaces) -> tuple[ImageSet, ImageSet]:
        """Training pool and test set: some images of everybody but those outside are tested on."""
        counts = share_of(everything.class_sizes(), self.test)
        counts[chosen.num_inside :] = 0
        if not counts.any():
            largest = everything.class_sizes()[: chosen.num_inside].max()
            raise DataError(f"somebody must have a test image; got test={self.test} of at most {largest} images")
        keys = source.keys[chosen.rows]
        is_test = smallest_draws(everything.labels, keys, counts, seed=TEST_SEED, purpose="test")
        return everything.take(~is_test), everything.take(is_test)

    def _checked(self, root: Path) -> tuple[FaceSource, ChosenFaces]:
        """The images and the choice among them, once their content has been found to be the pinned one."""
        source = self._source(root)
        chosen = self._choose(source)
        if self.content and self.content != (now := self._digest(root, source, chosen)[:16]):
            raise DataError(f"{self._folder(root)} has changed: its content must be {self.content}; got {now}")
        return source, chosen

    def _folder(self, root: Path) -> Path:
        return root / Path(self.root).expanduser()
