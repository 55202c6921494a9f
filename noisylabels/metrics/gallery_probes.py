"""Who is enrolled and who is searched for: a gallery and its probes, drawn once and then frozen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisylabels.bounds import check_at_least

FORMAT = 1
PARTS = ("gallery", "mated", "non_mated")

Entry = tuple[str, str]
"""An image's name and the identity it shows."""


@dataclass(frozen=True)
class Placed:
    """One part of a manifest as places in a list of images.

    Attributes:
        rows: ``int64 (n,)``, where in the list each image stands.
        identities: ``int64 (n,)``, numbers of identities, the same in every part of a manifest.
    """

    rows: NDArray[np.int64]
    identities: NDArray[np.int64]


@dataclass(frozen=True)
class GalleryProbes:
    """A fixed open-set protocol: images by name, so that it means the same images on every machine.

    Attributes:
        gallery: enrolled images; those of one identity stand together.
        mated: probes whose identity is in the gallery.
        non_mated: probes whose identity is not.
        seed: what it was drawn with.

    Raises:
        ValueError: an image that stands twice, a mated probe whose identity is not enrolled, a non-mated one whose
            identity is, or a gallery whose identities do not stand together.
    """

    gallery: tuple[Entry, ...]
    mated: tuple[Entry, ...]
    non_mated: tuple[Entry, ...]
    seed: int

    def __post_init__(self) -> None:
        images = [image for part in PARTS for image, _ in getattr(self, part)]
        if len(set(images)) < len(images):
            raise ValueError(f"an image may stand once in a manifest; {len(images) - len(set(images))} stand again")
        enrolled = {identity for _, identity in self.gallery}
        runs = 1 + sum(a[1] != b[1] for a, b in zip(self.gallery, self.gallery[1:], strict=False))
        if self.gallery and runs > len(enrolled):
            raise ValueError("the gallery's images of one identity must stand together")
        if lost := {identity for _, identity in self.mated} - enrolled:
            raise ValueError(f"mated probes must show enrolled identities; got {min(lost)!r}")
        if known := {identity for _, identity in self.non_mated} & enrolled:
            raise ValueError(f"non-mated probes must not show enrolled identities; got {min(known)!r}")

    @property
    def sha256(self) -> str:
        """SHA-256 of the three lists in JSON without spaces, in hexadecimal digits: who is where, and nothing else."""
        lists = [[list(entry) for entry in getattr(self, part)] for part in PARTS]
        return hashlib.sha256(json.dumps(lists, separators=(",", ":")).encode("ascii")).hexdigest()

    def to_json(self) -> str:
        """The manifest as a JSON object with its ``sha256``; :meth:`from_json` gives it back."""
        parts = {part: [list(entry) for entry in getattr(self, part)] for part in PARTS}
        return json.dumps({"format": FORMAT, "seed": self.seed, "sha256": self.sha256, **parts}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> GalleryProbes:
        """The manifest that :meth:`to_json` wrote.

        Raises:
            ValueError: not such a manifest, or one whose lists do not have the SHA-256 it says they have.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"a gallery-and-probes manifest must be a JSON object of format {FORMAT}")
        missing = {"seed", "sha256", *PARTS} - values.keys()
        if missing:
            raise ValueError(f"a gallery-and-probes manifest must have {', '.join(sorted(missing))}")
        if type(values["seed"]) is not int:
            raise ValueError(f"seed must be an integer; got {values['seed']!r}")
        manifest = cls(**{part: _entries(part, values[part]) for part in PARTS}, seed=values["seed"])
        if manifest.sha256 != values["sha256"]:
            raise ValueError(f"the lists must have the SHA-256 {values['sha256']}; got {manifest.sha256}")
        return manifest

    @classmethod
    def draw(
        cls,
        images: Sequence[str],
        identities: Sequence[str],
        held_out: Iterable[str],
        *,
        enrolled: int,
        images_each: int = 1,
        seed: int,
    ) -> GalleryProbes:
        """A protocol from identities that training never saw.

        Of the held-out identities with more than ``images_each`` images, ``enrolled`` are drawn; of each, that many
        images are drawn for the gallery and the others are mated probes. All images of all other held-out identities
        are non-mated probes. Neither the order of images nor that of identities matters.

        Args:
            images: names, ``N`` of them, each once.
            identities: who each shows.
            held_out: identities that no training saw; no image of anyone else is used.
            enrolled: identities in the gallery, at least 1.
            images_each: gallery images of each, at least 1.
            seed: of the draw.

        Raises:
            ValueError: too few held-out identities with enough images, or a number or name that does not fit.
        """
        check_at_least(1, enrolled=enrolled, images_each=images_each)
        owned = _owned(images, identities, held_out)
        possible = sorted(identity for identity, names in owned.items() if len(names) > images_each)
        if len(possible) < enrolled:
            raise ValueError(
                f"enrolled must be at most {len(possible)}, the held-out identities with more than {images_each}"
                f" images; got {enrolled}"
            )
        generator = np.random.default_rng(seed)
        known = sorted(generator.permutation(len(possible))[:enrolled].tolist())
        gallery: list[Entry] = []
        mated: list[Entry] = []
        for identity in (possible[place] for place in known):
            order = generator.permutation(len(owned[identity])).tolist()
            names = [owned[identity][place] for place in order]
            gallery += [(name, identity) for name in sorted(names[:images_each])]
            mated += [(name, identity) for name in sorted(names[images_each:])]
            del owned[identity]
        non_mated = [(name, identity) for identity in sorted(owned) for name in owned[identity]]
        return cls(tuple(gallery), tuple(mated), tuple(non_mated), seed)

    def placed(self, images: Sequence[str]) -> dict[str, Placed]:
        """Each part (``gallery``, ``mated``, ``non_mated``) as rows of a list of image names.

        Raises:
            ValueError: an image of the manifest is not in the list.
        """
        rows = {image: row for row, image in enumerate(images)}
        names = sorted({identity for part in PARTS for _, identity in getattr(self, part)})
        numbers = {identity: number for number, identity in enumerate(names)}
        missing = [image for part in PARTS for image, _ in getattr(self, part) if image not in rows]
        if missing:
            raise ValueError(f"{len(missing)} images of the manifest are not here; the first is {missing[0]!r}")
        return {
            part: Placed(
                np.array([rows[image] for image, _ in getattr(self, part)], dtype=np.int64),
                np.array([numbers[identity] for _, identity in getattr(self, part)], dtype=np.int64),
            )
            for part in PARTS
        }


def _owned(images: Sequence[str], identities: Sequence[str], held_out: Iterable[str]) -> dict[str, list[str]]:
    """Sorted image names of each held-out identity."""
    if len(images) != len(identities):
        raise ValueError(f"every image needs its identity; got {len(images)} images and {len(identities)} identities")
    wanted = set(held_out)
    if absent := wanted - set(identities):
        raise ValueError(f"held-out identities must have images; {min(absent)!r} has none")
    owned: dict[str, list[str]] = {identity: [] for identity in wanted}
    for image, identity in zip(images, identities, strict=True):
        if identity in wanted:
            owned[identity].append(image)
    return {identity: sorted(names) for identity, names in owned.items()}


def _entries(part: str, values: Any) -> tuple[Entry, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{part} must be a list of [image, identity]; got {type(values).__name__}")
    for value in values:
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)):
            raise ValueError(f"{part} must hold [image, identity], two texts; got {value!r:.60}")
    return tuple((value[0], value[1]) for value in values)
