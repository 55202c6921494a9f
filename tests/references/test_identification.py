"""Search and identification against full matrices, loops written from the definitions, and a case worked by hand."""

from __future__ import annotations

import json
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans

from noisylabels.metrics.gallery_probes import GalleryProbes
from noisylabels.metrics.identification import OpenSetPoint, TrueMatches, cumulative_match, dir_at_far
from noisylabels.metrics.identification import match_true_identities as match
from noisylabels.metrics.merged_purity import MergedPurity, merged_purity, spherical_means
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.search import exact_cosines, nearest_in_gallery, product_error, score_blocks, unit_rows

LITTLE = 1 << 20


def full_matrix(gallery, probes):
    """All cosines in float64, each a sum of its own row's products."""
    units = [x.astype(float) / np.sqrt(np.sum(x.astype(float) ** 2, axis=1, keepdims=True)) for x in (gallery, probes)]
    return np.array([np.sum(units[0] * probe, axis=1) for probe in units[1]])


def apart(seed=0, gallery=700, probes=60, dim=24):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(gallery, dim)).astype(np.float32), rng.normal(size=(probes, dim)).astype(np.float32)


def tied(seed=0, gallery=600, probes=50):
    """A few directions, each many times and some at another length: ties by the hundred, across blocks."""
    rng = np.random.default_rng(seed)
    directions = rng.integers(-2, 3, size=(20, 5)) + 0.5
    lengths = 2.0 ** rng.integers(-3, 4, size=(gallery, 1))
    return directions[rng.integers(0, 20, gallery)] * lengths, directions[rng.integers(0, 20, probes)] + 0.25


def crowded(seed=0, gallery=900, probes=40, dim=16):
    """A collapsed network: all cosines within what float32 products cannot tell apart."""
    rng = np.random.default_rng(seed)
    return 1 + 1e-4 * rng.normal(size=(gallery, dim)), 1 + 1e-4 * rng.normal(size=(probes, dim))


MAKERS = {"apart": apart, "tied": tied, "crowded": crowded}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("k", [1, 3, 40])
def test_neighbours_are_those_of_the_full_matrix_and_ties_go_to_the_lower_row(maker, k):
    gallery, probes = MAKERS[maker]()
    cosines = full_matrix(gallery, probes)
    rows = np.stack([np.lexsort((np.arange(len(gallery)), -row))[:k] for row in cosines])
    found = nearest_in_gallery(gallery, probes, k, memory_bytes=LITTLE)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(cosines, rows, axis=1))


@pytest.mark.parametrize("maker", MAKERS)
def test_blocks_of_any_size_find_the_same(maker, monkeypatch):
    gallery, probes = MAKERS[maker]()
    whole = nearest_in_gallery(gallery, probes, 5)
    for height in (1, 7, 256):
        monkeypatch.setattr("noisylabels.metrics.search._edges", lambda bounds, _, h=height: edges(len(gallery), h))
        found = nearest_in_gallery(gallery, probes, 5, memory_bytes=LITTLE)
        np.testing.assert_array_equal(found.rows, whole.rows)
        np.testing.assert_array_equal(found.scores, whole.scores)


def edges(count, height):
    return np.append(np.arange(0, count, height), count)


def rough_search(gallery, probes):
    """The twin: trusts the float32 product, as a plain blocked search does."""
    return np.argmax(unit_rows(probes) @ unit_rows(gallery).T, axis=1)


def test_a_float32_product_alone_picks_others_where_cosines_crowd():
    gallery, probes = crowded()
    assert np.any(rough_search(gallery, probes) != nearest_in_gallery(gallery, probes).rows[:, 0])
    gallery, probes = apart()
    np.testing.assert_array_equal(rough_search(gallery, probes), nearest_in_gallery(gallery, probes).rows[:, 0])


@pytest.mark.parametrize("dim", [1, 3, 64, 512, 4096])
def test_products_stay_within_their_error(dim):
    rng = np.random.default_rng(dim)
    gallery = np.concatenate([rng.normal(size=(50, dim)), 1 + 1e-3 * rng.normal(size=(50, dim))])
    (block,) = score_blocks(gallery, gallery, 1 << 26)
    error = np.abs(block.scores - full_matrix(gallery, gallery)).max()
    assert error <= product_error(dim)
    assert error > 0 or dim == 1


def test_exact_cosines_do_not_see_where_a_row_lies():
    gallery, probes = apart()
    rows, probe = np.divmod(np.arange(700 * 60), 60)
    together = exact_cosines(gallery, probes, rows, probe, 1 << 28)
    for memory in (1, 64 * 24 * 7):
        part = slice(0, 3000)
        np.testing.assert_array_equal(exact_cosines(gallery, probes, rows[part], probe[part], memory), together[part])


def test_a_memory_mapped_gallery_is_searched_in_little_memory(tmp_path: Path):
    """40,000 x 64 in 4 MiB: the scores would have 160 MB, the gallery itself 10 MB, its float64 copy 20 MB."""
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(40_000, 64)).astype(np.float32)
    probes = gallery[:1000] + 0.1 * rng.normal(size=(1000, 64)).astype(np.float32)
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    identities = np.repeat(np.arange(20_000), 2)
    tracemalloc.start()
    found = nearest_in_gallery(mapped, probes, memory_bytes=4 << 20)
    matches = match(mapped, identities, probes, np.arange(1000) // 2, memory_bytes=4 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(1000))
    np.testing.assert_array_equal(matches.ranks, 1)
    np.testing.assert_array_equal(matches.scores, found.scores[:, 0])


def test_lengths_of_any_size_are_only_lengths():
    gallery, probes = apart()
    found = nearest_in_gallery(gallery * np.float32(2.0**-100), probes * np.float32(2.0**100), 3)
    np.testing.assert_array_equal(found.rows, nearest_in_gallery(gallery, probes, 3).rows)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"gallery": np.zeros((3, 2))}, Undefined, "3 of 3 embeddings have length zero"),
        ({"probes": np.array([[np.nan, 1.0]])}, Undefined, "1 of 1 embeddings are not finite"),
        ({"probes": np.ones((4, 3))}, ValueError, r"must be \(G, D\) and \(Q, D\); got \(3, 2\) and \(4, 3\)"),
        ({"gallery": np.ones((0, 2))}, Undefined, "there is no gallery embedding"),
        ({"probes": np.ones((0, 2))}, Undefined, "there is no probe embedding"),
        ({"k": 4}, ValueError, r"k must be in \[1, 3\], the rows of the gallery; got 4"),
        ({"memory_bytes": 10}, ValueError, "memory_bytes must be at least"),
    ],
)
def test_what_cannot_be_searched(change, error, message):
    with pytest.raises(error, match=message):
        nearest_in_gallery(**({"gallery": np.ones((3, 2)), "probes": np.ones((1, 2)), "k": 1} | change))


# Closed set


def slow_match(gallery, identity, probes, probe_identity) -> TrueMatches:
    """One probe, one identity and one image at a time."""
    cosines = full_matrix(gallery, probes)
    scores, ranks = [], []
    for row, own in zip(cosines, probe_identity, strict=True):
        best = {}
        for place, (cosine, who) in enumerate(zip(row.tolist(), identity.tolist(), strict=True)):
            if who not in best or cosine > best[who][0]:
                best[who] = (cosine, place)
        score, place = best[own]
        ranks.append(1 + sum(s > score or (s == score and p < place) for who, (s, p) in best.items() if who != own))
        scores.append(score)
    return TrueMatches(np.array(scores), np.array(ranks))


def people(maker, seed=0):
    """Identities with one to five gallery images, numbered in no order; probes of some of them."""
    gallery, probes = MAKERS[maker](seed)
    rng = np.random.default_rng(seed + 1)
    sizes = rng.integers(1, 6, len(gallery))
    names = rng.permutation(len(gallery)) * 3 - 50
    identity = np.repeat(names, sizes)[: len(gallery)]
    probe_identity = rng.choice(np.unique(identity), len(probes))
    if maker == "apart":  # else nearly all ranks are in the hundreds
        first = np.array([np.flatnonzero(identity == who)[-1] for who in probe_identity])
        probes = probes + 0.7 * gallery[first]
    return gallery, identity, probes, probe_identity


def matches_the_loop(matcher) -> None:
    for maker in MAKERS:
        for seed in range(3):
            arguments = people(maker, seed)
            found, expected = matcher(*arguments), slow_match(*arguments)
            np.testing.assert_array_equal(found.ranks, expected.ranks)
            np.testing.assert_array_equal(found.scores, expected.scores)


def grouped(identity):
    """Each identity's number in order of its first row, and how many there are."""
    names, inverse = np.unique(identity, return_inverse=True)
    return names, inverse, len(names)


def by_identity(matcher_of_scores):
    """A matcher that sees the identity scores (Q, I) and the own identity (Q,)."""

    def matcher(gallery, identity, probes, probe_identity):
        names, inverse, count = grouped(identity)
        cosines = full_matrix(gallery, probes)
        own = np.searchsorted(names, probe_identity)
        return matcher_of_scores(cosines, inverse, count, own)

    return matcher


@by_identity
def favours_the_true_identity(cosines, inverse, count, own):
    """Counts only what is strictly better, so that a network that maps all to one point is always right."""
    scores = np.stack([cosines[:, inverse == j].max(axis=1) for j in range(count)], axis=1)
    score = scores[np.arange(len(own)), own]
    return TrueMatches(score, 1 + (scores > score[:, None]).sum(axis=1))


@by_identity
def averages_the_images(cosines, inverse, count, own):
    scores = np.stack([cosines[:, inverse == j].mean(axis=1) for j in range(count)], axis=1)
    score = scores[np.arange(len(own)), own]
    return TrueMatches(score, 1 + (scores > score[:, None]).sum(axis=1))


@by_identity
def counts_images_for_people(cosines, inverse, count, own):
    score = np.where(inverse == own[:, None], cosines, -np.inf).max(axis=1)
    return TrueMatches(score, 1 + ((cosines > score[:, None]) & (inverse != own[:, None])).sum(axis=1))


def test_ranks_are_the_loops():
    matches_the_loop(match)
    matches_the_loop(lambda *a: match(*a, memory_bytes=LITTLE))


@pytest.mark.parametrize("twin", [favours_the_true_identity, averages_the_images, counts_images_for_people])
def test_rank_twins_are_rejected(twin):
    with pytest.raises(AssertionError):
        matches_the_loop(twin)


@pytest.mark.parametrize("height", [1, 3, 50])
def test_ranks_do_not_depend_on_blocks(height, monkeypatch):
    arguments = people("tied")
    expected = match(*arguments)
    from noisylabels.metrics import search

    monkeypatch.setattr(search, "_edges", lambda bounds, _, original=search._edges: original(bounds, height))
    np.testing.assert_array_equal(match(*arguments).ranks, expected.ranks)


def test_one_point_for_everybody_is_no_identification():
    """200 people in one point: the k-th enrolled has rank k, so chance and not 100 % is at rank 1."""
    gallery = np.ones((200, 8), np.float32)
    found = match(gallery, np.arange(200), gallery, np.arange(200))
    np.testing.assert_array_equal(found.ranks, np.arange(1, 201))
    assert cumulative_match(found.ranks, 1)[0] == 1 / 200


def test_cumulative_match_is_a_loop():
    ranks = np.random.default_rng(0).integers(1, 30, 100)
    expected = [sum(rank <= r for rank in ranks.tolist()) / 100 for r in range(1, 41)]
    np.testing.assert_array_equal(cumulative_match(ranks, 40), expected)
    with pytest.raises(Undefined, match="no mated probe"):
        cumulative_match(ranks[:0], 1)
    with pytest.raises(ValueError, match="highest_rank must be at least 1; got 0"):
        cumulative_match(ranks, 0)


def test_a_gallery_that_does_not_fit_is_refused():
    gallery, probes = np.eye(3), np.eye(3)
    for identity, probe_identity, message in [
        ([1, 2, 1], [1, 2, 1], "rows of one identity must stand together"),
        ([1, 1, 2], [1, 2, 3], "needs its identity in the gallery; 1 have none"),
        ([1, 2], [1, 2, 1], "gallery_identity must be 3 integers"),
        ([1, 1, 2], [1], "probe_identity must be 3 integers"),
    ]:
        with pytest.raises(ValueError, match=message):
            match(gallery, np.array(identity), probes, np.array(probe_identity))


# Open set

MATED = TrueMatches(scores=np.array([0.9, 0.8, 0.7, 0.6, 0.5]), ranks=np.array([1, 2, 1, 1, 3]))
NON_MATED = np.array([0.75, 0.65, 0.65, 0.40, 0.35, 0.30, 0.20, 0.10])


def is_worked_by_hand(dir_at) -> None:
    """Five mated probes and eight non-mated.

    FAR 1/8: one non-mated probe may pass, so t lies above .65; .9 (rank 1), .7 (rank 1) are found: DIR 2/5 at rank 1,
             with .8 (rank 2) 3/5 at rank 2.
    FAR 2/8: the two at .65 pass together or not at all: still t above .65, FAR 1/8, DIR 2/5.
    FAR 3/8: t above .40: .9, .7 and .6 are found at rank 1: 3/5; with .8 and .5 all are within rank 3.
    FAR 1:   t = -inf: every probe of rank 1: 3/5.
    """
    for far, rank, rate, realised in [
        (1 / 8, 1, 2 / 5, 1 / 8), (1 / 8, 2, 3 / 5, 1 / 8), (2 / 8, 1, 2 / 5, 1 / 8), (3 / 8, 1, 3 / 5, 3 / 8),
        (3 / 8, 3, 1.0, 3 / 8), (1, 1, 3 / 5, 1.0),
    ]:  # fmt: skip
        point = dir_at(MATED, NON_MATED, far, rank)
        assert point.detection_and_identification_rate == rate, (far, rank)
        assert point.false_accept_rate == realised, (far, rank)


def counts_all_probes(matches, non_mated, far, rank):
    point = dir_at_far(matches, non_mated, far, rank)
    mated, all_probes = len(matches.ranks), len(matches.ranks) + len(non_mated)
    rate = point.detection_and_identification_rate * mated / all_probes
    return OpenSetPoint(rate, point.false_accept_rate, point.threshold)


def rewards_rejections(matches, non_mated, far, rank):
    """Non-mated probes that are rejected count as found."""
    point = dir_at_far(matches, non_mated, far, rank)
    found = point.detection_and_identification_rate * len(matches.ranks)
    rejected = (1 - point.false_accept_rate) * len(non_mated)
    rate = (found + rejected) / (len(matches.ranks) + len(non_mated))
    return OpenSetPoint(rate, point.false_accept_rate, point.threshold)


def threshold_from_mated(matches, non_mated, far, rank):
    threshold = np.quantile(matches.scores, 1 - far)
    found = (matches.ranks <= rank) & (matches.scores >= threshold)
    return OpenSetPoint(np.mean(found), np.mean(non_mated >= threshold), threshold)


def forgets_the_rank(matches, non_mated, far, rank):
    return dir_at_far(TrueMatches(matches.scores, np.ones_like(matches.ranks)), non_mated, far, rank)


def forgets_the_threshold(matches, non_mated, far, rank):
    point = dir_at_far(matches, non_mated, far, rank)
    return OpenSetPoint(float(np.mean(matches.ranks <= rank)), point.false_accept_rate, point.threshold)


def test_dir_at_far_by_hand():
    is_worked_by_hand(dir_at_far)


@pytest.mark.parametrize(
    "twin", [counts_all_probes, rewards_rejections, threshold_from_mated, forgets_the_rank, forgets_the_threshold]
)
def test_dir_twins_are_rejected(twin):
    with pytest.raises(AssertionError):
        is_worked_by_hand(twin)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("far", [0.02, 0.1, 0.5])
def test_dir_at_far_is_a_search_over_every_threshold(maker, far):
    gallery, identity, probes, probe_identity = people(maker)
    strangers = MAKERS[maker](5)[1].astype(gallery.dtype)
    strangers = np.concatenate([strangers, strangers[::-1] * 2])
    matches = match(gallery, identity, probes, probe_identity)
    best = nearest_in_gallery(gallery, strangers).scores[:, 0]
    point = dir_at_far(matches, best, far, rank=5)
    slow_best = [max(row) for row in full_matrix(gallery, strangers).tolist()]
    slow = slow_match(gallery, identity, probes, probe_identity)
    rates = []
    for t in [*slow_best, *slow.scores.tolist(), 2.0]:
        if sum(s >= t for s in slow_best) <= far * len(slow_best) + 1e-9:
            rates.append(sum(s >= t and r <= 5 for s, r in zip(slow.scores, slow.ranks, strict=True)) / len(probes))
    assert point.detection_and_identification_rate == max(rates)
    assert point.false_accept_rate <= far


def test_what_open_set_identification_cannot_answer():
    with pytest.raises(Undefined, match=r"a false accept rate of 0\.01 needs at least 100 non-mated probes; got 8"):
        dir_at_far(MATED, NON_MATED, 0.01)
    with pytest.raises(Undefined, match="no mated probe"):
        dir_at_far(TrueMatches(np.empty(0), np.empty(0, int)), NON_MATED, 0.5)
    with pytest.raises(ValueError, match="rank must be at least 1; got 0"):
        dir_at_far(MATED, NON_MATED, 0.5, rank=0)
    with pytest.raises(ValueError, match="1 of 8 scores are not finite"):
        dir_at_far(MATED, np.where(NON_MATED == 0.75, np.nan, NON_MATED), 0.5)


# The manifest

IDENTITIES = [f"person{i // 4:02d}" for i in range(48)] + ["alone1", "alone2"]
IMAGES = [f"{identity}/{i}.png" for i, identity in enumerate(IDENTITIES)]
HELD_OUT = ["person03", "person05", "person07", "person08", "person11", "alone2"]


def manifest(seed=0, images=IMAGES, identities=IDENTITIES, **changes):
    return GalleryProbes.draw(images, identities, HELD_OUT, seed=seed, **({"enrolled": 3, "images_each": 2} | changes))


def test_a_manifest_is_a_partition_of_the_held_out_images():
    drawn = manifest()
    used = [entry for part in (drawn.gallery, drawn.mated, drawn.non_mated) for entry in part]
    assert sorted(used) == sorted((i, p) for i, p in zip(IMAGES, IDENTITIES, strict=True) if p in HELD_OUT)
    known = {identity for _, identity in drawn.gallery}
    assert len(known) == 3
    assert {identity for _, identity in drawn.mated} == known
    assert not {identity for _, identity in drawn.non_mated} & known
    assert all(sum(who == identity for _, who in drawn.gallery) == 2 for identity in known)


def test_a_manifest_depends_on_the_seed_and_not_on_the_order_of_images():
    order = np.random.default_rng(0).permutation(len(IMAGES))
    shuffled = manifest(images=[IMAGES[i] for i in order], identities=[IDENTITIES[i] for i in order])
    assert shuffled == manifest()
    assert shuffled.sha256 == manifest().sha256
    assert len({manifest(seed).sha256 for seed in range(10)}) > 5


def test_a_manifest_survives_json_and_names_rows():
    drawn = manifest()
    assert GalleryProbes.from_json(drawn.to_json()) == drawn
    placed = drawn.placed(IMAGES)
    names = sorted(HELD_OUT)
    for part in ("gallery", "mated", "non_mated"):
        found = [(IMAGES[row], names[who]) for row, who in zip(placed[part].rows, placed[part].identities, strict=True)]
        assert tuple(found) == getattr(drawn, part)
    with pytest.raises(ValueError, match="1 images of the manifest are not here; the first is"):
        drawn.placed([image for image in IMAGES if image != drawn.mated[0][0]])


def test_a_manifest_feeds_the_search():
    """Embeddings that know everybody: rank 1 for the enrolled, low scores for the others."""
    people_of = dict(zip(sorted(set(IDENTITIES)), np.eye(14), strict=True))
    embeddings = np.stack([people_of[identity] for identity in IDENTITIES])
    parts = manifest().placed(IMAGES)
    gallery, mated, strangers = (parts[part] for part in ("gallery", "mated", "non_mated"))
    found = match(embeddings[gallery.rows], gallery.identities, embeddings[mated.rows], mated.identities)
    best = nearest_in_gallery(embeddings[gallery.rows], embeddings[strangers.rows]).scores[:, 0]
    assert dir_at_far(found, best, 0.2) == OpenSetPoint(1.0, 0.0, np.nextafter(0, 1))


def changed(**changes):
    values = json.loads(manifest().to_json())
    values.update({key: change(values[key]) for key, change in changes.items()})
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda: changed(mated=lambda m: m[1:]), "the lists must have the SHA-256 .*; got "),
        (lambda: changed(gallery=lambda g: [g[1], g[0], *g[2:]]), "the lists must have the SHA-256"),
        (lambda: changed(sha256=lambda s: "0" * 64), "the lists must have the SHA-256 0000"),
        (lambda: changed(gallery=lambda g: [*g, g[0]]), "may stand once in a manifest; 1 stand again"),
        (lambda: changed(gallery=lambda g: [g[0], *g[2:], g[1]]), "must stand together"),
        (lambda: changed(mated=lambda m: [*m, ["x.png", "nobody"]]), "must show enrolled identities; got 'nobody'"),
        (lambda: changed(non_mated=lambda m: [["x.png", manifest().gallery[0][1]]]), "must not show enrolled"),
        (lambda: changed(mated=lambda m: [["x.png", 3]]), "mated must hold .image, identity., two texts"),
        (lambda: changed(mated=lambda m: "x.png"), "mated must be a list of .image, identity.; got str"),
        (lambda: changed(seed=lambda s: "0"), "seed must be an integer"),
        (lambda: changed(format=lambda f: 2), "must be a JSON object of format 1"),
        (lambda: '{"format": 1, "seed": 0}', "must have gallery, mated, non_mated, sha256"),
        (lambda: "[]", "must be a JSON object"),
    ],
)  # fmt: skip
def test_a_manifest_that_was_tampered_with_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        GalleryProbes.from_json(text())


def test_a_draw_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="enrolled must be at most 5, the held-out identities with more than 2 images"):
        manifest(enrolled=6)
    with pytest.raises(ValueError, match="images_each must be at least 1; got 0"):
        manifest(images_each=0)
    with pytest.raises(ValueError, match="held-out identities must have images; 'nobody' has none"):
        GalleryProbes.draw(IMAGES, IDENTITIES, ["nobody"], enrolled=1, seed=0)
    with pytest.raises(ValueError, match="got 50 images and 49 identities"):
        GalleryProbes.draw(IMAGES, IDENTITIES[:-1], HELD_OUT, enrolled=1, seed=0)


# Merged identities


def on_circle(degrees):
    radians = np.radians(degrees)
    lengths = np.where(np.arange(len(radians)) == 2, 50.0, 1.0)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1) * lengths[:, None]


def falls_apart_as_drawn(purity) -> None:
    """Label 7: identity 1 at 0, 10 and 100 degrees (the last fifty times as long), identity 2 at 90, 95 and 110; the
    two arcs have (2, 0) and (1, 3).
    Label 9: identities 3, 4 and 5, two images each, 120 degrees apart: three arcs, all pure.
    Label 8: identity 6 alone, which nothing was merged with, counts for nothing.

    Purity (2 + 3 + 6) / 12; chance (3 + 2) / 12.
    """
    degrees = [0, 10, 100, 90, 95, 110, -3, 3, 117, 123, 237, 243, 50, 60, 70, 80]
    identities = np.array([1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6])
    labels = np.repeat([7, 9, 8], [6, 6, 4])
    assert purity(on_circle(degrees), identities, labels) == MergedPurity(11 / 12, 5 / 12, 2, 12)


def counts_the_unmerged(embeddings, identities, labels):
    """Every label, so that whatever was never merged makes the rest look pure."""
    found = merged_purity(embeddings, identities, labels)
    merged = [label for label in np.unique(labels) if len(np.unique(identities[labels == label])) > 1]
    others = np.count_nonzero(~np.isin(labels, merged))
    total = found.images + others
    return MergedPurity((found.purity * found.images + others) / total, found.chance, found.classes, total)


def two_clusters_for_all(embeddings, identities, labels):
    pure = images = 0
    for label in (7, 9):
        rows = labels == label
        units = embeddings[rows] / np.linalg.norm(embeddings[rows], axis=1, keepdims=True)
        cluster = spherical_means(units, 2)
        names = identities[rows]
        pure += sum(max(np.sum(names[cluster == k] == name) for name in np.unique(names)) for k in (0, 1))
        images += len(names)
    return MergedPurity(pure / images, 5 / 12, 2, images)


def trusts_lengths(embeddings, identities, labels):
    """k-means of raw embeddings, whose lengths say more of a picture's quality than of who is in it."""
    pure = images = 0
    for label in (7, 9):
        names = identities[labels == label]
        count = len(np.unique(names))
        cluster = KMeans(count, n_init=10, random_state=0).fit_predict(embeddings[labels == label])
        pure += sum(np.bincount(names[cluster == k]).max() for k in range(count))
        images += len(names)
    return MergedPurity(pure / images, 5 / 12, 2, images)


def test_merged_purity_by_hand():
    falls_apart_as_drawn(merged_purity)


@pytest.mark.parametrize("twin", [counts_the_unmerged, two_clusters_for_all, trusts_lengths])
def test_merged_purity_twins_are_rejected(twin):
    with pytest.raises(AssertionError):
        falls_apart_as_drawn(twin)


@pytest.mark.parametrize("identities", [2, 3, 8])
def test_purity_goes_from_chance_to_one(identities):
    """Noise that knows nobody, and directions that know everybody, 60 images each."""
    rng = np.random.default_rng(identities)
    true = np.repeat(np.arange(identities), 60)
    noise = rng.normal(size=(len(true), 16))
    labels = np.zeros_like(true)
    blind = merged_purity(noise, true, labels)
    assert blind.chance == pytest.approx(1 / identities)
    assert blind.chance <= blind.purity < blind.chance + 2 / np.sqrt(60)
    seen = merged_purity(noise + 12 * rng.normal(size=(identities, 16))[true], true, labels)
    assert seen.purity == 1


@pytest.mark.parametrize("seed", range(20))
def test_two_means_reach_the_optimum_of_all_partitions(seed):
    """The sum of cosines to the clusters' own directions is |sum of one| + |sum of the other|; 2^9 ways to part ten."""
    rng = np.random.default_rng(seed)
    units = rng.normal(size=(10, 3)) + 2.5 * rng.normal(size=(2, 3))[np.arange(10) % 2]
    units /= np.linalg.norm(units, axis=1, keepdims=True)

    def objective(cluster):
        return sum(np.linalg.norm(units[np.array(cluster) == k].sum(axis=0)) for k in (0, 1))

    best = max(objective((0, *rest)) for rest in product((0, 1), repeat=9))
    assert objective(spherical_means(units, 2)) == pytest.approx(best, abs=1e-9)


def test_clusters_know_neither_order_nor_axes_nor_names():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 12, 300)
    embeddings = rng.normal(size=(12, 6))[true] + 0.6 * rng.normal(size=(300, 6))
    expected = merged_purity(embeddings, true, true // 3)
    order, (rotation, _) = rng.permutation(300), np.linalg.qr(rng.normal(size=(6, 6)))
    names = rng.permutation(12) * 5
    assert merged_purity(embeddings[order], true[order], true[order] // 3) == expected
    assert merged_purity(embeddings @ rotation * 3, names[true], -(true // 3)) == expected
    assert 1 / 3 < expected.purity < 1


def test_clusters_of_one_point_are_few_and_no_more():
    same = np.ones((6, 3)) / np.sqrt(3)
    assert set(spherical_means(same, 3).tolist()) == {0}
    found = merged_purity(same, np.array([1, 1, 2, 2, 3, 3]), np.zeros(6, int))
    assert found.purity == found.chance == pytest.approx(1 / 3)


def test_what_has_no_purity():
    ones = np.ones((4, 2))
    with pytest.raises(Undefined, match="no label is carried by two identities"):
        merged_purity(ones, np.arange(4), np.arange(4))
    with pytest.raises(Undefined, match="length zero"):
        merged_purity(0 * ones, np.arange(4), np.zeros(4, int))
    with pytest.raises(ValueError, match="must have one length"):
        merged_purity(ones, np.arange(3), np.arange(4))
    with pytest.raises(ValueError, match=r"clusters must be in \[1, 4\]; got 5"):
        spherical_means(ones, 5)
