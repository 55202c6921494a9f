"""YouTube Faces: pairs of videos, in ten folds, of as many of the videos as are there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from noisylabels.data.decoding import SUFFIXES
from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.face_source import FileFaces, listed_files
from noisylabels.data.pair_files import read_ytf_splits
from noisylabels.data.pairs import NamedPairs
from noisylabels.data.verification import VerificationSet

SPLITS = 10
PAIRS_PER_SPLIT = 250
"""Of the same person, and as many of different people: 5,000 pairs in all."""

_FLAT = re.compile(r"(?P<person>[^\d/]+)[_.](?P<video>\d+)[_.](?P<frame>[^/]+)")
_LAYOUT = "<person>/<video>/<frame>, or <person>_<video>_<frame> all in one folder"


def ytf_verification(
    root: Path,
    *,
    size: int = 112,
    grey: bool = False,
    frames: int | None = None,
    pairs_per_split: int = PAIRS_PER_SPLIT,
) -> VerificationSet:
    """The pairs of ``splits.txt`` whose videos are both there; an item is a video, its images are the frames.

    Frames are in the order of the numbers in their names. Most people of YouTube Faces are also in LFW: models trained
    on LFW must not be judged by them without ``shared_people`` being looked at.

    Args:
        root: the folder, with ``splits.txt`` and the frames as ``<person>/<video>/<frame>``, or flat, as
            ``<person>_<video>_<frame>`` or with dots.
        size: side of the square images, pixels.
        grey: one channel rather than three.
        frames: the first so many frames of each video; ``None`` for all.
        pairs_per_split: of the same person, and of different people, that each of the ten splits must list.

    Raises:
        MissingDataError: no list or no frames.
        DataError: the list is not the protocol's, no pair is covered, or a frame cannot be decoded.

    Source: L. Wolf, T. Hassner and I. Maoz, Face recognition in unconstrained videos with matched background
    similarity, CVPR 2011.
    """
    if frames is not None and frames < 1:
        raise DataError(f"frames must be at least 1; got {frames}")
    named = read_ytf_splits(root / "splits.txt")
    _require_protocol(named, root / "splits.txt", pairs_per_split)
    frames_of = _frames(root, set(named.items))
    covered = named.among({video: row for row, video in enumerate(frames_of)})
    used = np.unique(np.concatenate([covered.first, covered.second]))
    videos = [video for row, video in enumerate(frames_of) if row in set(used.tolist())]
    pairs = named.among({video: row for row, video in enumerate(videos)})
    people = sorted({video.partition("/")[0] for video in videos})
    listing = [(row, name) for row, video in enumerate(videos) for name in frames_of[video][:frames]]
    owners = [videos[row].partition("/")[0] for row, _ in listing]
    names = ((name, owner) for (_, name), owner in zip(listing, owners, strict=True))
    folder, files = listed_files(root, names, what="YouTube Faces")
    images = FileFaces(folder, tuple(people), files).decode(np.arange(len(files)), size=size, grey=grey)
    items = np.array([row for row, _ in listing], dtype=np.int64)
    whom = np.array([people.index(video.partition("/")[0]) for video in videos], dtype=np.int64)
    return VerificationSet(images, items, whom, tuple(people), pairs, published=len(named.pairs))


def _require_protocol(named: NamedPairs, path: Path, per_split: int) -> None:
    """Ten splits with as many pairs of either kind as the protocol has."""
    folds = named.pairs.fold
    if set(folds.tolist()) != set(range(SPLITS)):
        raise DataError(f"{path}: splits must be 1..{SPLITS}; got {sorted({fold + 1 for fold in folds.tolist()})}")
    for fold in range(SPLITS):
        same = int(named.pairs.is_same[folds == fold].sum())
        different = int((folds == fold).sum()) - same
        if (same, different) != (per_split, per_split):
            rule = f"split {fold + 1} must have {per_split} same and {per_split} different pairs"
            raise DataError(f"{path}: {rule}; got {same} and {different}")


def _frames(root: Path, wanted: set[str]) -> dict[str, list[str]]:
    """Frames of each wanted video that has any, videos sorted, as POSIX paths below the folder."""
    frames_of = {video: _in_folder(root, video) for video in sorted(wanted)}
    if not any(frames_of.values()):
        frames_of = {}
        for name in _image_names(root):
            match = _FLAT.fullmatch(name.rpartition(".")[0])
            video = f"{match['person']}/{match['video']}" if match else ""
            if video in wanted:
                frames_of.setdefault(video, []).append(name)
    found = {video: frames for video, frames in sorted(frames_of.items()) if frames}
    if not found:
        raise MissingDataError(f"no frames of YouTube Faces at {root} (looked for {_LAYOUT})")
    return found


def _in_folder(root: Path, video: str) -> list[str]:
    folder = root / video
    return [f"{video}/{name}" for name in _image_names(folder)] if folder.is_dir() else []


def _image_names(folder: Path) -> list[str]:
    with os.scandir(folder) as scan:
        names = [entry.name for entry in scan if not entry.name.startswith(".")]
    return sorted((name for name in names if name.lower().endswith(SUFFIXES)), key=_natural)


def _natural(name: str) -> tuple[list[int], str]:
    """Order by the numbers in a name: frame 9 before frame 10."""
    return [int(number) for number in re.findall(r"\d{1,18}", name)], name
