"""Laws of the audit by embeddings, and wrong twins that they must reject."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noisylabels.audit import Evidence, Finding, given_classes
from noisylabels.audit.centre_margin import centre_margin
from noisylabels.audit.faces import face_findings
from noisylabels.audit.given_classes import GivenClasses
from noisylabels.audit.identity_margin import untrimmed
from noisylabels.audit.identity_model import IdentityModel, fit
from noisylabels.audit.merged_identities import class_identities
from noisylabels.audit.near_copies import near_copies
from noisylabels.audit.neighbours import nearest_images
from noisylabels.audit.split_identities import Group, one_person_pairs
from tests.laws.made_faces import make_faces, photographs

FACES = make_faces()
AUDITED = face_findings(FACES.embeddings, FACES.given)

Audit = tuple[list[Finding], list[Evidence]]


def _same(
    audit: Audit,
    expected: Audit = AUDITED,
    position: NDArray[np.int64] | None = None,
    label: NDArray[np.int64] | None = None,
) -> None:
    """Hold an audit to another one, whose positions and labels are renamed as told."""
    position = np.arange(len(FACES.given)) if position is None else position
    label = np.arange(FACES.given.max() + 1) if label is None else label
    for one, other in zip(audit[1], expected[1], strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.scores[position], other.scores, rtol=1e-4, atol=2e-4)
        if other.suggested is not None:
            renamed = np.where(other.suggested < 0, -1, label[other.suggested])
            assert one.suggested is not None
            np.testing.assert_array_equal(one.suggested[position], renamed)
    assert {_key(found) for found in audit[0]} == {
        (
            found.kind,
            frozenset(position[list(found.examples)].tolist()),
            frozenset(label[list(found.classes)].tolist()),
            found.action,
            None if found.target is None else int(label[found.target]),
        )
        for found in expected[0]
    }


def _key(found: Finding) -> tuple[Any, ...]:
    return found.kind, frozenset(found.examples), frozenset(found.classes), found.action, found.target


def test_the_order_of_the_images_changes_nothing() -> None:
    order = np.random.default_rng(1).permutation(len(FACES.given))
    place = np.argsort(order)
    _same(face_findings(FACES.embeddings[order], FACES.given[order]), position=place)


def test_the_names_of_the_classes_change_nothing() -> None:
    names = np.random.default_rng(2).permutation(2 * (FACES.given.max() + 1))[: FACES.given.max() + 1]
    _same(face_findings(FACES.embeddings, names[FACES.given]), label=names)


def test_the_lengths_of_the_embeddings_change_nothing() -> None:
    lengths = np.exp(np.random.default_rng(3).standard_normal((len(FACES.given), 1))).astype(np.float32)
    _same(face_findings(FACES.embeddings * lengths, FACES.given))


def test_a_rotation_of_the_embeddings_changes_nothing() -> None:
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((24, 24)))[0]
    _same(face_findings((FACES.embeddings @ turn).astype(np.float32), FACES.given))


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_classes, "BLOCK", 37)
    _same(face_findings(FACES.embeddings, FACES.given, memory_bytes=1 << 20))


def test_mapped_embeddings_are_read_and_not_edited(tmp_path: Path) -> None:
    np.save(tmp_path / "embeddings.npy", FACES.embeddings)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    given = FACES.given.copy()
    given.flags.writeable = False
    _same(face_findings(mapped, given))
    np.testing.assert_array_equal(given, FACES.given)


@pytest.mark.parametrize("seed", [0, 1])
def test_injected_faults_are_found(seed: int) -> None:
    """At this spread (0.9 of the centres' length in 24 directions) the truth is there to be found."""
    faces = make_faces(seed)
    found, evidence = face_findings(faces.embeddings, faces.given)
    of = {kind: [f for f in found if f.kind == kind] for kind in ("merged", "split", "flip", "outlier")}
    assert {f.classes[0] for f in of["merged"]} == faces.merged
    assert {tuple(sorted(f.classes)) for f in of["split"]} >= faces.split
    assert len(of["split"]) <= len(faces.split) + 1
    wrong = faces.is_wrong
    said = np.array([f.examples[0] for f in of["flip"] + of["outlier"]])
    assert wrong[said].mean() > 0.7
    assert np.isin(np.flatnonzero(wrong), said).mean() > 0.7
    for one in evidence:
        assert one.scores[wrong].mean() > np.quantile(one.scores[~wrong], 0.9)


def test_a_merged_class_comes_with_its_partition() -> None:
    for found in AUDITED[0]:
        if found.kind == "merged":
            rows = np.flatnonzero(FACES.given == found.classes[0])
            moved = np.isin(rows, found.examples)
            people = FACES.true[rows]
            majority = np.bincount(people[moved]).argmax()
            assert np.mean(people[moved] == majority) > 0.8
            assert np.mean(people[~moved] != majority) > 0.8


# ---- wrong twins -----------------------------------------------------------------------------------------------------


def _own_gain(model: IdentityModel, points: NDArray[np.float32], classes: GivenClasses) -> NDArray[np.float64]:
    return np.array([class_identities(model, points, classes, place).gain for place in range(len(classes))])


def _class_size(model: IdentityModel, points: NDArray[np.float32], classes: GivenClasses) -> NDArray[np.float64]:
    """Wrong: two people have more photographs than one, so the largest class must be merged."""
    return classes.counts.astype(np.float64)


@pytest.mark.parametrize(("gain", "holds"), [(_own_gain, True), (_class_size, False)])
def test_merged_classes_rank_first_whatever_their_size(gain: Callable[..., NDArray[np.float64]], holds: bool) -> None:
    """Merged classes of 4 + 4 images stand among single people of 5 to 30."""
    draws = np.random.default_rng(5)
    true = np.repeat(np.arange(40), np.concatenate([np.full(10, 4), draws.integers(5, 31, 30)]))
    given = np.where(true < 10, true // 2, true)
    embeddings = photographs(true, 24, np.full(len(true), 0.9), draws)
    classes = GivenClasses.of(given)
    model = fit(embeddings, classes, np.ones(len(given), dtype=np.bool_))
    scores = gain(model, model.points(embeddings), classes)
    assert bool(scores[:5].min() > scores[5:].max()) is holds


def _margins(embeddings: NDArray[np.float32], given: NDArray[np.int64]) -> NDArray[np.float64]:
    everybody = np.ones(len(given), dtype=np.bool_)
    return centre_margin(embeddings, GivenClasses.of(given), everybody, in_sample=True).scores


def _margins_with_itself(embeddings: NDArray[np.float32], given: NDArray[np.int64]) -> NDArray[np.float64]:
    """Wrong: the image is a part of the centre that it is compared with."""
    x = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    centres = np.stack([x[given == label].sum(axis=0) for label in range(given.max() + 1)])
    cosines = x @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
    own = cosines[np.arange(len(x)), given]
    cosines[np.arange(len(x)), given] = -2
    return np.asarray(cosines.max(axis=1) - own, dtype=np.float64)


@pytest.mark.parametrize(("margins", "holds"), [(_margins, True), (_margins_with_itself, False)])
def test_an_image_does_not_speak_for_itself(margins: Callable[..., NDArray[np.float64]], holds: bool) -> None:
    """In classes of two images, of which one is somebody else's, that one lies nearer to its own person."""
    draws = np.random.default_rng(6)
    true = np.concatenate([np.repeat(np.arange(6), 8), [0, 6, 1, 7]])
    given = np.concatenate([np.repeat(np.arange(6), 8), [6, 6, 7, 7]])
    embeddings = photographs(true, 24, np.full(len(true), 1.2), draws)
    assert bool(margins(embeddings, given)[[48, 50]].min() > 0) is holds


def _own_spread(model: IdentityModel, points: NDArray[np.float32], groups: list[Group]) -> set[int]:
    first = one_person_pairs(model, points, groups)[0]
    return {groups[first.first].place, groups[first.second].place}


def _plain_centres(model: IdentityModel, points: NDArray[np.float32], groups: list[Group]) -> set[int]:
    """Wrong: the two nearest centres, however little the photographs of either person vary."""
    centres = np.stack([points[group.rows].mean(axis=0) for group in groups])
    apart = np.linalg.norm(centres[:, None] - centres, axis=2) + 1e9 * np.eye(len(groups))
    return {groups[number].place for number in np.unravel_index(apart.argmin(), apart.shape)}


def _common_spread(model: IdentityModel, points: NDArray[np.float32], groups: list[Group]) -> set[int]:
    """Wrong: likelihoods, but with one spread for everybody."""
    sums = np.stack([points[group.rows].sum(axis=0, dtype=np.float64) for group in groups])
    counts = np.array([len(group.rows) for group in groups])
    alone = model.log_evidence(sums, counts)
    together = model.log_evidence(sums[:, None] + sums, counts[:, None] + counts)
    table = together - alone[:, None] - alone - 1e9 * np.eye(len(groups))
    return {groups[number].place for number in np.unravel_index(table.argmax(), table.shape)}


@pytest.mark.parametrize(("nearest", "holds"), [(_own_spread, True), (_plain_centres, False), (_common_spread, False)])
def test_a_split_is_judged_by_the_spread_of_the_two(nearest: Callable[..., set[int]], holds: bool) -> None:
    """Classes 0 and 1 are one varied person; 2 and 3 two persons who look alike, each with photographs all the same."""
    draws = np.random.default_rng(7)
    true = np.repeat(np.arange(30), 20)
    spread = np.full(len(true), 0.7)
    spread[true == 0], spread[(true == 2) | (true == 3)] = 1.1, 0.1
    embeddings = photographs(true, 24, spread, draws)
    step = draws.standard_normal(24) * 0.4 / np.sqrt(24)
    embeddings[true == 3] += (embeddings[true == 2].mean(axis=0) - embeddings[true == 3].mean(axis=0) + step).astype(
        np.float32
    )
    given = true.copy()
    given[np.flatnonzero(true == 0)[::2]] = 1
    given[true == 1] = 30
    classes = GivenClasses.of(given)
    model = fit(embeddings, classes, np.ones(len(given), dtype=np.bool_))
    groups = [Group(place, classes.rows(place), whole=True) for place in range(len(classes))]
    assert (nearest(model, model.points(embeddings), groups) == {0, 1}) is holds


def _blocked(embeddings: NDArray[np.float32], given: NDArray[np.int64]) -> None:
    face_findings(embeddings, given, memory_bytes=1 << 20)


def _whole_table(embeddings: NDArray[np.float32], given: NDArray[np.int64]) -> None:
    """Wrong: every image against every centre, at once."""
    centres = np.zeros((given.max() + 1, embeddings.shape[1]), dtype=np.float32)
    np.add.at(centres, given, embeddings)
    (embeddings @ centres.T).argmax(axis=1)


@pytest.mark.parametrize(("audit", "holds"), [(_blocked, True), (_whole_table, False)])
def test_no_table_of_images_by_classes_is_made(audit: Callable[..., None], holds: bool) -> None:
    """3,000 images of 1,500 classes: N x C is 18 MB of float32, C x C 9 MB; the audit peaks below both."""
    draws = np.random.default_rng(8)
    given = np.repeat(np.arange(1500), 2)
    embeddings = photographs(given, 16, np.full(len(given), 0.5), draws)
    tracemalloc.start()
    try:
        audit(embeddings, given)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (peak < 8e6) is holds


# ---- what says nothing -----------------------------------------------------------------------------------------------


def test_classes_of_fewer_than_four_images_say_nothing_about_merging() -> None:
    draws = np.random.default_rng(9)
    true = np.concatenate([np.repeat(np.arange(20), 8), [20, 20, 21]])
    given = np.concatenate([np.repeat(np.arange(20), 8), [20, 20, 20]])
    embeddings = photographs(true, 24, np.full(len(true), 0.6), draws)
    found, _ = face_findings(embeddings, given)
    assert not [f for f in found if f.kind == "merged"]


def test_one_or_two_strays_of_different_people_are_no_second_identity() -> None:
    draws = np.random.default_rng(10)
    true = np.repeat(np.arange(30), 10)
    given = true.copy()
    given[true == 0] = np.where(np.arange(10) < 1, 5, 0)
    given[true == 1] = np.where(np.arange(10) < 1, 5, 1)
    embeddings = photographs(true, 24, np.full(len(true), 0.7), draws)
    found, _ = face_findings(embeddings, given)
    assert not [f for f in found if f.kind == "merged"]
    assert {f.examples[0] for f in found if f.kind == "flip"} >= {0, 10}


def test_an_image_alone_under_its_label_is_judged_by_nobody_else() -> None:
    faces = make_faces(11)
    given = np.append(faces.given, faces.given.max() + 1)
    embeddings = np.concatenate([faces.embeddings, -faces.embeddings[:1]])
    _, evidence = face_findings(embeddings, given)
    of = {one.name: one for one in evidence}
    assert of["neighbour_disagreement"].scores[-1] == 0.5
    assert all(np.isfinite(one.scores).all() for one in evidence)


def test_a_class_of_five_loses_nobody_and_larger_ones_at_most_a_sixth() -> None:
    given = np.repeat([0, 1, 2], [5, 12, 13])
    margin = np.ones(30)
    margin[17:] = -1
    kept = untrimmed(margin, GivenClasses.of(given))
    np.testing.assert_array_equal(np.bincount(given[kept]), [5, 10, 13])


def test_copies_across_labels_are_found_and_copies_within_one_are_not() -> None:
    faces = make_faces(12)
    embeddings = faces.embeddings.copy()
    one, other = np.flatnonzero(faces.given == 15)[0], np.flatnonzero(faces.given == 25)[0]
    embeddings[other] = 3 * embeddings[one] * (1 + np.float32(1e-4))
    same = np.flatnonzero(faces.given == 35)[:2]
    embeddings[same[1]] = embeddings[same[0]]
    found, _ = face_findings(embeddings, faces.given)
    assert [f.examples for f in found if f.kind == "near_duplicate"] == [tuple(sorted((int(one), int(other))))]


def test_nothing_is_a_copy_where_nothing_is_usual() -> None:
    embeddings = np.eye(4, 6, dtype=np.float32)
    classes = GivenClasses.of(np.arange(4))
    assert near_copies(embeddings, nearest_images(embeddings, classes, None, k=2), classes) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(4, dtype=np.int64), "an audit needs at least two given labels; got 1"),
        (np.array([0, 1, -1, 1]), "given labels must be integers (N,) of at least 0; got int64(4,)"),
        (np.array([0.0, 1, 1, 0]), "given labels must be integers (N,) of at least 0; got float64(4,)"),
        (np.array([0, 1, 1]), "embeddings must be (N, D) for N given labels; got (4, 6) and (3,)"),
    ],
)
def test_what_cannot_be_audited_is_said(given: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(").replace(")", r"\)") + "$"):
        face_findings(np.eye(4, 6, dtype=np.float32), given)
