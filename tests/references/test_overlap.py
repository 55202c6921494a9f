"""What two sources share, against planted copies, against SciPy in a slow loop, and against the published lists of two
face sets; and wrong twins, each a mistake of the field."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.ndimage import convolve1d

from noisylabels.catalog import UsageError
from noisylabels.data import DATASETS, DataError, MissingDataError, data_root
from noisylabels.data.compared import Compared, compared
from noisylabels.data.near_duplicates import CUTS, WHOLE, best_matches, detail_vectors
from noisylabels.data.overlap import SIMILARITY, overlap
from noisylabels.data.pack_source import pack_source
from noisylabels.data.packing import PackOptions, pack

SIDE = 64


def jpeg(picture: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "jpeg", quality=quality)
    return stream.getvalue()


def png(picture: Image.Image, level: int = 6) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "png", compress_level=level)
    return stream.getvalue()


def cut(picture: Image.Image, share: float) -> Image.Image:
    margin = round(share * picture.width / 2)
    return picture.crop((margin, margin, picture.width - margin, picture.height - margin)).resize(picture.size)


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "same_file": png,
    "same_pixels": lambda picture: png(picture, level=0),
    "jpeg_75": lambda picture: jpeg(picture, 75),
    "jpeg_30": lambda picture: jpeg(picture, 30),
    "brighter": lambda picture: png(ImageEnhance.Brightness(picture).enhance(1.2)),
    "darker": lambda picture: jpeg(ImageEnhance.Brightness(picture).enhance(0.6), 90),
    "contrast": lambda picture: png(ImageEnhance.Contrast(picture).enhance(1.4)),
    "half": lambda picture: png(picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BILINEAR)),
    "grey": lambda picture: png(picture.convert("L")),
}
CUT_COPIES = {f"cut_{share}": (lambda picture, s=share: png(cut(picture, s))) for share in (0.06, 0.1, 0.16)}
TOO_FAR = "cut_0.16"


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Pictures as alike as aligned faces are: two thirds of each is what all have in common."""
    draws = np.random.default_rng(0)
    common, own = draws.integers(0, 256, (14, 14, 3)), draws.integers(0, 256, (200, 14, 14, 3))
    blocks = ((2 * common + own) // 3).astype(np.uint8)
    return [Image.fromarray(block).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for block in blocks]


@pytest.fixture
def planted(tmp_path: Path, pictures: list[Image.Image]) -> Path:
    """A: 100 pictures. B: 100 others, and copies of some of A's, each altered in its own way under another name."""
    for number, picture in enumerate(pictures):
        side = "a" if number < 100 else "b"
        folder = tmp_path / side / f"person_{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03d}.png").write_bytes(png(picture))
    (tmp_path / "b/copies").mkdir()
    for number, (name, altered) in enumerate((COPIES | CUT_COPIES).items()):
        (tmp_path / "b/copies" / f"{name}.png").write_bytes(altered(pictures[number]))
    return tmp_path


def found_in(root: Path, **options: bool) -> dict[str, str]:
    """Kind and planted name of what was found, and what should not have been."""
    a, b = (compared(f"folder:root={side}", root, DATASETS) for side in "ab")
    shared = overlap(a, b, side=SIDE, cuts=options.get("cuts", False))
    planted = list(COPIES | CUT_COPIES)
    found = {}
    for kind in ("same_files", "same_pixels", "near"):
        for match in getattr(shared, kind):
            number = int(a.image_names[match.first].partition("/")[2].removesuffix(".png"))
            name = b.image_names[match.second].partition("/")[2].removesuffix(".png")
            right = number < len(planted) and planted[number] == name
            found[name if right else f"wrong: {number} {name}"] = kind
    return found


def test_planted_copies_are_found_and_nothing_else(planted: Path) -> None:
    found = found_in(planted)
    expected = {"same_file": "same_files", "same_pixels": "same_pixels"}
    expected |= {name: "near" for name in COPIES if name not in expected}
    assert {name: kind for name, kind in found.items() if not name.startswith("cut")} == expected


def test_cuts_are_found_where_they_are_looked_for(planted: Path) -> None:
    whole, with_cuts = found_in(planted), found_in(planted, cuts=True)
    assert set(whole) == set(COPIES)
    assert set(with_cuts) == set(COPIES) | set(CUT_COPIES) - {TOO_FAR}
    assert with_cuts["cut_0.06"] == with_cuts["cut_0.1"] == "near"


def test_hashes_of_files_alone_miss_what_pixels_tell(planted: Path) -> None:
    """The field's shortcut: a duplicate is a file with the same hash."""
    contents = [{path.read_bytes() for path in (planted / side).rglob("*.png")} for side in "ab"]
    assert len(contents[0] & contents[1]) == 1
    assert set(found_in(planted)) >= set(COPIES)


def test_thumbnails_without_detail_taken_out_take_strangers_for_copies(planted: Path) -> None:
    """The field's shortcut: the correlation of small grey pictures, which all aligned faces have in common."""
    vectors = []
    for side in "ab":
        paths = sorted((planted / side).rglob("person_*/*.png"))
        grey = np.stack([np.asarray(Image.open(path).convert("L").resize((16, 16)), dtype=float) for path in paths])
        flat = grey.reshape(len(grey), -1) - grey.reshape(len(grey), -1).mean(1, keepdims=True)
        vectors.append(flat / np.linalg.norm(flat, axis=1, keepdims=True))
    strangers = (vectors[0] @ vectors[1].T).max()
    assert strangers > 0.8
    assert not [name for name in found_in(planted) if name.startswith("wrong")]


# --- the similarity ------------------------------------------------------------------------------------------------


def thumbnails(count: int, seed: int = 0, side: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)


def slow_similarity(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    details = []
    for thumbnail in (first, second):
        smooth = thumbnail.astype(np.float64)
        for _ in range(4):
            for axis in (0, 1):
                smooth = convolve1d(smooth, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
        details.append((thumbnail - smooth).ravel())
    return float(details[0] @ details[1] / np.linalg.norm(details[0]) / np.linalg.norm(details[1]))


def test_the_best_match_is_that_of_a_slow_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noisylabels.data.near_duplicates._ROWS", 7)
    monkeypatch.setattr("noisylabels.data.near_duplicates._COLUMNS", 5)
    first, second = thumbnails(23), thumbnails(31, seed=1)
    first[4] = second[30] // 2 + 20
    second[11] = second[2]
    first[9] = second[2]
    found = best_matches(first, second, threshold=0.1)
    for row in range(23):
        scores = [slow_similarity(first[row], other) for other in second]
        best = int(np.argmax(scores))
        if max(scores) < 0.1:
            assert found.rows[row] == -1
        else:
            assert found.rows[row] == best
            assert found.scores[row] == pytest.approx(scores[best], abs=1e-5)
    assert found.rows[9] == 2  # the first of two that are equal
    assert found.rows[4] == 30


def test_a_picture_without_detail_is_like_no_other() -> None:
    flat = np.full((3, 16, 16), 77, dtype=np.uint8)
    assert (detail_vectors(flat) == 0).all()
    assert (best_matches(flat, flat, threshold=0.01).rows == -1).all()


@pytest.mark.parametrize("box", [WHOLE, *CUTS])
def test_a_cut_is_the_mean_over_the_pixels_it_covers(box: tuple[float, float, float]) -> None:
    left, top, side = (round(value * 64 * 25) for value in box)  # edges lie at 25ths of a pixel
    (image,) = thumbnails(1, side=64)
    fine = np.repeat(np.repeat(image, 25, axis=0), 25, axis=1)[top : top + side, left : left + side]
    small = fine.reshape(16, side // 16, 16, side // 16).mean((1, 3))
    smooth = small
    for axis in (0, 1) * 4:
        smooth = convolve1d(smooth, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    wanted = (small - smooth) / np.linalg.norm(small - smooth)
    np.testing.assert_allclose(detail_vectors(image[None], box).reshape(16, 16), wanted, atol=1e-5)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_similarity_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="similarity of near duplicates"):
        best_matches(thumbnails(2), thumbnails(2), threshold=threshold)


# --- sources -------------------------------------------------------------------------------------------------------


def test_a_store_overlaps_with_what_it_was_packed_from(planted: Path) -> None:
    (planted / "b/person_0/bad.png").write_bytes(b"no image")
    for size in (32, 48):
        pack(pack_source(planted / "b"), planted / f"store{size}", PackOptions(size=size, errors="skip"))
    small, large, folder = (
        compared(text, planted, DATASETS) for text in ("packed:root=store32", "packed:root=store48", "folder:root=b")
    )
    shared = overlap(small, folder)
    assert (shared.side, shared.unreadable) == (32, (0, 1))
    assert len(shared.same_files) == len(small) == len(folder) - 1
    assert all(small.image_names[m.first] == folder.image_names[m.second] for m in shared.same_files)
    assert shared.people == small.names
    without_files = Compared(
        small.text,
        small.names,
        small.people,
        small.image_names,
        32,
        False,
        lambda side, grey: ((pixels, None) for pixels, _ in small.look(side, grey)),
    )
    assert len(overlap(without_files, folder).same_pixels) == len(small)
    scaled_twice = overlap(without_files, large)  # no pixel need be equal, nearness must tell
    assert len(scaled_twice.same_pixels) + len(scaled_twice.near) == len(small)


def test_splits_in_memory_are_a_source(tmp_path: Path) -> None:
    digits = compared("digits:per_class=20,test_per_class=5", tmp_path, DATASETS)
    shared = overlap(digits, digits)
    assert (len(digits), digits.grey, shared.side) == (250, True, 8)
    assert len(shared.same_pixels) == 250
    assert shared.same_files == ()


def test_sources_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown dataset 'lwf'; did you mean 'lfw'"):
        compared("lwf", tmp_path, DATASETS)
    with pytest.raises(MissingDataError, match="no images at"):
        compared("ytf", tmp_path, DATASETS)
    (tmp_path / "ytf/somebody/1").mkdir(parents=True)
    with pytest.raises(MissingDataError, match="no images at"):
        compared("ytf", tmp_path, DATASETS)
    (tmp_path / "ytf/somebody/1/0.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of its 1 images can be decoded"):
        overlap(compared("ytf", tmp_path, DATASETS), compared("ytf", tmp_path, DATASETS))
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (tmp_path / "ytf/somebody/1/1.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(DataError, match="symlinks must stay inside"):
        compared("ytf", tmp_path, DATASETS)


# --- real faces ----------------------------------------------------------------------------------------------------


def real(name: str) -> Path:
    folder = data_root() / name
    if not folder.is_dir():
        pytest.skip(f"no {name} under {data_root()} (NOISYLABELS_DATA)")
    return folder


@pytest.mark.data
def test_lfw_and_youtube_faces_share_346_people() -> None:
    lfw, ytf = real("lfw"), real("ytf")
    ours = set(compared("lfw", data_root(), DATASETS).names) & set(compared("ytf", data_root(), DATASETS).names)
    listed = {line.split("\t")[0] for line in (lfw / "people.txt").read_text().splitlines() if "\t" in line}
    with_frames = {path.name for path in ytf.iterdir() if path.is_dir() and any(path.rglob("*.jpg"))}
    assert ours == listed & with_frames
    assert len(ours) == 346


@pytest.mark.data
def test_photographs_that_lfw_holds_under_two_names(tmp_path: Path) -> None:
    """The three such pairs are found among those who surround them, and no pair of other people."""
    twice = {
        "Bart_Hendricks/Bart_Hendricks_0001.jpg": "Ricky_Ray/Ricky_Ray_0001.jpg",
        "Emmy_Rossum/Emmy_Rossum_0001.jpg": "Eva_Amurri/Eva_Amurri_0001.jpg",
        "Gabrielle_Rose/Gabrielle_Rose_0001.jpg": "Martha_Bowen/Martha_Bowen_0002.jpg",
    }
    images = real("lfw") / "images"
    people = sorted(path.name for path in images.iterdir())[::8]
    seconds = {name.partition("/")[0] for name in twice.values()}
    for number, person in enumerate(sorted({*people, *seconds, *(name.partition("/")[0] for name in twice)})):
        side = "b" if person in seconds or (number % 2 and f"{person}/{person}_0001.jpg" not in twice) else "a"
        shutil.copytree(images / person, tmp_path / side / person)
    a, b = (compared(f"folder:root={side}", tmp_path, DATASETS) for side in "ab")
    shared = overlap(a, b, similarity=SIMILARITY)
    assert {a.image_names[m.first]: b.image_names[m.second] for m in shared.near} == twice
    assert shared.same_files == shared.same_pixels == ()
