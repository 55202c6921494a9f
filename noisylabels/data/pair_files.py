"""Pair lists as they are published: LFW's, YouTube Faces' and OpenSphere's text files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from noisylabels.data.errors import DataError, MissingDataError
from noisylabels.data.pairs import NamedPairs, VerificationPairs, contiguous_folds

MAX_BYTES = 100_000_000
"""A pair list of a million lines is smaller."""

_NAME = re.compile(r"[^\s/\\.][^\s/\\]*")
"""A name that a folder below the data folder can have, and no path that leads out of it."""

Line = tuple[int, str]
Row = tuple[str, str, bool, int]
"""First item, second item, whether they are of the same person, fold."""


def read_lfw_pairs(path: Path) -> NamedPairs:
    """LFW's ``pairs.txt`` (View 2), ``pairsDevTrain.txt`` and ``pairsDevTest.txt`` (View 1).

    View 2 starts with a line ``10 300`` and has ten blocks, each of 300 lines ``name i j`` (same person, images i and
    j) and then 300 lines ``name i other j``; the fold is the block. View 1 starts with one number, of same pairs and of
    different pairs in one block.

    Items are named ``<name>/<name>_<number, four digits>``, as the images are without their suffix.

    Raises:
        MissingDataError: no such file.
        DataError: a line, or the number of lines, is not so; the message has the line's number and text.
    """
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path}: must start with the number of pairs; the file is empty")
    header = lines[0][1].split()
    if len(header) not in (1, 2) or not all(_is_count(word) for word in header):
        raise _error(path, lines[0], "must be the number of pairs, or of blocks and of pairs")
    blocks, per_kind = (1, int(header[0])) if len(header) == 1 else (int(header[0]), int(header[1]))
    if len(lines) - 1 != 2 * blocks * per_kind:
        stated = f"{blocks} x ({per_kind} + {per_kind}) pairs"
        raise DataError(f"{path}: must have {stated} after its first line; got {len(lines) - 1} lines")
    rows = []
    for row, line in enumerate(lines[1:]):
        fold, place = divmod(row, 2 * per_kind)
        rows.append((*_lfw_items(path, line, is_same=place < per_kind), place < per_kind, fold))
    return _named(rows)


def read_ytf_splits(path: Path) -> NamedPairs:
    """YouTube Faces' ``splits.txt``: lines ``split, pair number, first video, second video, is-same``.

    The first line may be a header. Splits count from 1 (fold = split - 1), is-same is 1 for the same person, else 0. A
    video is named ``<person>/<number>``.

    Raises:
        MissingDataError, DataError: as ``read_lfw_pairs``.
    """
    lines = _lines(path)
    if lines and not lines[0][1].split(",")[0].strip().isdigit():
        lines = lines[1:]
    if not lines:
        raise DataError(f"{path}: must have a line a pair; got none")
    return _named(_ytf_row(path, line) for line in lines)


def read_labelled_paths(path: Path, *, folds: int = 10) -> NamedPairs:
    """OpenSphere's pair lists: lines ``label path0 path1``, label 1 for the same person, else 0.

    Items are the paths, below the folder of the images. The file states no folds: they are ``contiguous_folds``.

    Raises:
        MissingDataError, DataError: as ``read_lfw_pairs``; also for a path that is absolute or leaves the folder.
    """
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path}: must have a line a pair; got none")
    number = contiguous_folds(len(lines), folds).tolist()
    rows = []
    for line, fold in zip(lines, number, strict=True):
        fields = line[1].split()
        if len(fields) != 3 or fields[0] not in ("0", "1") or not all(map(_stays, fields[1:])):
            raise _error(path, line, "must be 'label path0 path1' with label 0 or 1 and paths below the images' folder")
        if fields[1] == fields[2]:
            raise _error(path, line, "must be of two different items")
        rows.append((fields[1], fields[2], fields[0] == "1", fold))
    return _named(rows)


def read_people(path: Path) -> tuple[tuple[str, int], ...]:
    """LFW's ``peopleDevTrain.txt`` and ``peopleDevTest.txt``: the number of people, then lines ``name images``.

    Raises:
        MissingDataError: no such file.
        DataError: a line or their number is not so, or a name comes twice.
    """
    lines = _lines(path)
    if not lines or not _is_count(lines[0][1].strip()):
        raise DataError(f"{path}: must start with the number of people; got {lines[0][1] if lines else ''!r:.60}")
    people: dict[str, int] = {}
    for line in lines[1:]:
        fields = line[1].split()
        if len(fields) != 2 or not _NAME.fullmatch(fields[0]) or not _is_count(fields[1]) or fields[0] in people:
            raise _error(path, line, "must be a new name and its number of images")
        people[fields[0]] = int(fields[1])
    if len(people) != int(lines[0][1]):
        raise DataError(f"{path}: must have the {lines[0][1].strip()} people it says; got {len(people)}")
    return tuple(people.items())


def lfw_item(name: str, number: int) -> str:
    """An LFW image's name without its suffix.

    >>> lfw_item("Abel_Pacheco", 1)
    'Abel_Pacheco/Abel_Pacheco_0001'
    """
    return f"{name}/{name}_{number:04d}"


def _lfw_items(path: Path, line: Line, *, is_same: bool) -> tuple[str, str]:
    fields = line[1].split()
    if is_same and len(fields) == 3:
        fields.insert(2, fields[0])
        wanted = fields[1] != fields[3]
    else:
        wanted = not is_same and len(fields) == 4 and fields[0] != fields[2]
    if not (wanted and all(map(_NAME.fullmatch, fields[::2])) and all(map(_is_count, fields[1::2]))):
        rule = "'name i j' with i and j different" if is_same else "'name i other j' with different names"
        raise _error(path, line, f"must be {rule}")
    return lfw_item(fields[0], int(fields[1])), lfw_item(fields[2], int(fields[3]))


def _ytf_row(path: Path, line: Line) -> Row:
    fields = [field.strip() for field in line[1].split(",")]
    videos = fields[2:4]
    if len(fields) != 5 or not all(map(_is_count, fields[:2])) or fields[4] not in ("0", "1"):
        raise _error(path, line, "must be 'split, pair number, first video, second video, is-same' with is-same 0 or 1")
    people = [video.partition("/")[0] for video in videos]
    if not all(video.count("/") == 1 and all(map(_NAME.fullmatch, video.split("/"))) for video in videos):
        raise _error(path, line, "videos must be '<person>/<number>'")
    if videos[0] == videos[1] or (people[0] == people[1]) != (fields[4] == "1"):
        raise _error(path, line, "is-same must be 1 for two videos of one person and 0 for two people")
    return videos[0], videos[1], fields[4] == "1", int(fields[0]) - 1


def _named(rows: Iterable[Row]) -> NamedPairs:
    places: dict[str, int] = {}
    place: Callable[[str], int] = lambda name: places.setdefault(name, len(places))  # noqa: E731
    columns = [(place(first), place(second), is_same, fold) for first, second, is_same, fold in rows]
    first, second, is_same, fold = (np.array(column) for column in zip(*columns, strict=True))
    return NamedPairs(tuple(places), VerificationPairs(first, second, is_same, fold))


def _lines(path: Path) -> list[Line]:
    """The lines that are not blank, with their numbers."""
    if not path.is_file():
        raise MissingDataError(f"no pair or people list at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: must have at most {MAX_BYTES:,} bytes; got {path.stat().st_size:,}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: must be UTF-8 text") from None
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 10 and int(word) > 0


def _stays(path: str) -> bool:
    return "\\" not in path and not path.startswith("/") and ".." not in path.split("/")


def _error(path: Path, line: Line, rule: str) -> DataError:
    return DataError(f"{path}, line {line[0]}: {rule}; got {line[1].strip()[:80]!r}")
