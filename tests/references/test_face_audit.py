"""The audit by embeddings against SciPy's densities, scikit-learn's neighbours, exhaustive searches and full tables."""

from __future__ import annotations

from itertools import combinations, product
from math import lgamma

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.neighbors import NearestNeighbors

from noisylabels.audit.centre_margin import centre_margin
from noisylabels.audit.faces import face_findings
from noisylabels.audit.given_classes import GivenClasses
from noisylabels.audit.identity_margin import identity_evidence, identity_margins
from noisylabels.audit.identity_model import IdentityModel, fit
from noisylabels.audit.merged_identities import class_identities
from noisylabels.audit.near_copies import near_copies
from noisylabels.audit.neighbours import nearest_images, neighbour_evidence
from noisylabels.audit.split_identities import Group, one_person_pairs
from noisylabels.metrics.metric import Undefined
from tests.laws.made_faces import make_faces, photographs


def log_density(x, between):
    """Log density of n points of one person, all coordinates jointly, by SciPy: (n,) at a time in each direction."""
    n = len(x)
    return sum(
        multivariate_normal(np.zeros(n), np.eye(n) + b * np.ones((n, n))).logpdf(x[:, j]) for j, b in enumerate(between)
    )


def evidence(x, between):
    """The same without what each point alone contributes whoever it shows: standard normal densities."""
    return log_density(x, between) - sum(multivariate_normal(np.zeros(len(between))).logpdf(row) for row in x)


def small_model(dim=3, seed=0):
    between = np.sort(np.random.default_rng(seed).uniform(0.3, 6, dim))[::-1]
    return IdentityModel(np.zeros(dim), np.eye(dim), between)


def small_classes(seed=0, people=6, dim=3):
    """Points of a model: classes of 1 to 6 images, two labels wrong."""
    draws = np.random.default_rng(seed)
    model = small_model(dim, seed)
    given = np.repeat(np.arange(people), draws.integers(1, 7, people))
    centres = draws.standard_normal((people, dim)) * np.sqrt(model.between)
    points = (centres[given] + draws.standard_normal((len(given), dim))).astype(np.float32)
    given[[0, -1]] = given[[-1, 0]]
    return model, points, given


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_evidence_is_that_of_the_joint_gaussian(count):
    model = small_model()
    x = np.random.default_rng(count).standard_normal((count, 3)) * 2
    assert model.log_evidence(x.sum(axis=0), count) == pytest.approx(evidence(x, model.between), abs=1e-9)
    assert model.log_evidence(np.zeros(3), 0) == 0


def test_the_model_is_the_analysis_of_variance_of_unit_vectors():
    """W and B by loops over images and classes, put back together from the model's own directions."""
    draws = np.random.default_rng(1)
    given = np.repeat(np.arange(12), draws.integers(1, 9, 12))
    embeddings = photographs(given, 5, np.full(len(given), 0.5), draws) * 3
    model = fit(embeddings, GivenClasses.of(given), np.ones(len(given), dtype=bool))
    units = [x / np.linalg.norm(x) for x in embeddings.astype(float)]
    mean = sum(units) / len(units)
    within, scatter = np.zeros((5, 5)), np.zeros((5, 5))
    sizes = []
    for label in range(12):
        members = [x for x, y in zip(units, given, strict=True) if y == label]
        centre = sum(members) / len(members)
        sizes.append(len(members))
        scatter += len(members) * np.outer(centre - mean, centre - mean)
        within += sum(np.outer(x - centre, x - centre) for x in members)
    within /= len(units) - 12
    typical = (len(units) - sum(n * n for n in sizes) / len(units)) / 11
    between = (scatter / 11 - within) / typical
    axes = model.projection
    ridge = within + 1e-3 * np.trace(within) / 5 * np.eye(5)
    np.testing.assert_allclose(axes.T @ ridge @ axes, np.eye(len(model.between)), atol=1e-5)
    np.testing.assert_allclose(axes.T @ between @ axes, np.diag(model.between), atol=1e-5)
    np.testing.assert_allclose(model.points(embeddings), (np.array(units) - mean) @ axes, atol=1e-5)


def test_the_model_finds_the_variances_it_was_made_with():
    """2,000 people on a small patch of the sphere, where unit vectors are as good as Gaussian."""
    draws = np.random.default_rng(2)
    given = np.repeat(np.arange(2000), 5)
    between = np.array([4.0, 1.0, 0.25])
    points = draws.standard_normal((2000, 3))[given] * np.sqrt(between) + draws.standard_normal((10_000, 3))
    embeddings = np.concatenate([0.003 * points, np.ones((10_000, 1))], axis=1)
    model = fit(embeddings, GivenClasses.of(given), np.ones(10_000, dtype=bool), most_directions=3)
    np.testing.assert_allclose(model.between, between, rtol=0.12)


@pytest.mark.parametrize("seed", range(4))
def test_identity_margins_are_those_of_a_full_table(seed):
    """Every image against every class by joint densities, itself left out of its own; some images are in no centre."""
    model, points, given = small_classes(seed)
    classes = GivenClasses.of(given)
    kept = np.random.default_rng(seed).uniform(size=len(given)) < 0.8
    found = identity_margins(model, points, classes, kept, count=3, memory_bytes=1 << 10)
    table = np.empty((len(points), len(classes)))
    for i, x in enumerate(points.astype(float)):
        for c, label in enumerate(classes.labels):
            others = [points[j].astype(float) for j in range(len(points)) if given[j] == label and kept[j] and j != i]
            whole, rest = evidence(np.array([*others, x]), model.between), 0.0
            if others:
                rest = evidence(np.array(others), model.between)
            table[i, c] = whole - rest - evidence(x[None], model.between)
    own = table[np.arange(len(points)), classes.member].copy()
    table[np.arange(len(points)), classes.member] = -np.inf
    rivals = np.argsort(-table, axis=1)[:, :3]
    np.testing.assert_allclose(found.own, own, atol=1e-6)
    np.testing.assert_array_equal(found.rivals, rivals)
    np.testing.assert_allclose(found.others, np.take_along_axis(table, rivals, axis=1), atol=1e-6)
    best = found.others[:, 0]
    wrong = 0.05 * np.exp(best) / (len(classes) - 1) + 0.05
    odds = identity_evidence(found, classes, in_sample=True)
    np.testing.assert_allclose(odds.scores, np.log(wrong / (0.9 * np.exp(own))), atol=1e-6)
    assert odds.suggested is not None
    for i, said in enumerate(odds.suggested):
        named = odds.scores[i] > 0 and np.exp(best[i]) > len(classes) - 1
        assert said == (classes.labels[rivals[i, 0]] if named else -1)


def test_centre_margins_are_those_of_a_full_table():
    faces = make_faces(3)
    classes = GivenClasses.of(faces.given)
    kept = np.random.default_rng(3).uniform(size=len(faces.given)) < 0.8
    found = centre_margin(faces.embeddings, classes, kept, in_sample=True, memory_bytes=1 << 14)
    units = faces.embeddings / np.linalg.norm(faces.embeddings.astype(float), axis=1, keepdims=True)
    for i in range(0, len(units), 7):
        cosines = {}
        for label in classes.labels.tolist():
            members = (faces.given == label) & kept
            members[i] = False
            centre = units[members].sum(axis=0)
            cosines[label] = units[i] @ centre / np.linalg.norm(centre) if members.any() else 0.0
        own = cosines.pop(int(faces.given[i]))
        best = max(cosines, key=cosines.__getitem__)
        assert found.scores[i] == pytest.approx(cosines[best] - own, abs=1e-6)
        assert found.suggested is not None
        assert found.suggested[i] == (best if cosines[best] > own else -1)


@pytest.mark.parametrize("every", [True, False])
def test_neighbours_are_those_of_scikit_learn(every):
    """Among all images, and among those of each image's own class and three others."""
    faces = make_faces(4)
    units = faces.embeddings / np.linalg.norm(faces.embeddings, axis=1, keepdims=True)
    classes = GivenClasses.of(faces.given)
    draws = np.random.default_rng(4)
    others = [draws.choice(np.delete(np.arange(len(classes)), own), 3, replace=False) for own in classes.member]
    found = nearest_images(units, classes, None if every else np.array(others), k=12, memory_bytes=1 << 14)
    for i in range(0, len(units), 11):
        named = np.arange(len(classes)) if every else np.append(others[i], classes.member[i])
        pool = np.setdiff1d(np.flatnonzero(np.isin(classes.member, named)), [i])
        distances, rows = (
            NearestNeighbors(n_neighbors=12, metric="cosine").fit(units[pool]).kneighbors(units[i : i + 1])
        )
        np.testing.assert_array_equal(found.rows[i], pool[rows[0]])
        np.testing.assert_allclose(found.cosines[i], 1 - distances[0], atol=1e-5)


def test_fewer_candidates_than_neighbours_leave_places_empty():
    units = np.eye(4, dtype=np.float32)
    found = nearest_images(units, GivenClasses.of(np.array([0, 0, 1, 2])), np.array([[1], [1], [0], [0]]), k=3)
    np.testing.assert_array_equal(np.sort(found.rows, axis=1)[0], [-1, 1, 2])
    np.testing.assert_array_equal(np.isneginf(found.cosines), found.rows < 0)


def test_disagreement_is_counted_among_as_many_neighbours_as_the_class_can_offer():
    """By hand, on a circle: angles 0, 2, 4 (class 0), 5 (class 1) and 90, 91 degrees (class 1)."""
    angles = np.deg2rad([0, 2, 4, 5, 90, 91])
    given = np.array([7, 7, 7, 9, 9, 9])
    units = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    classes = GivenClasses.of(given)
    found = neighbour_evidence(nearest_images(units, classes, None, k=5), classes, in_sample=True)
    of_third = np.cos(np.deg2rad(1)) / (np.cos(np.deg2rad(1)) + np.cos(np.deg2rad(2)))
    np.testing.assert_allclose(found.scores[[0, 2, 3]], [0, of_third, 1], atol=1e-6)
    assert found.suggested is not None
    np.testing.assert_array_equal(found.suggested[[0, 2, 3]], [-1, 9, 7])


@pytest.mark.parametrize("seed", range(6))
def test_one_identity_or_two_is_decided_as_by_trying_every_assignment(seed):
    """Six images: two people of three, or one; 3^6 assignments each, joint densities by SciPy where they are needed."""
    draws = np.random.default_rng(seed)
    model = IdentityModel(np.zeros(2), np.eye(2), np.array([8.0, 3.0]))
    centres = draws.standard_normal((2, 2)) * np.sqrt(model.between)
    x = centres[[0, 0, 0, 1, 1, 1] if seed % 2 else [0] * 6] + draws.standard_normal((6, 2))
    points = np.concatenate([x, x + 1]).astype(np.float32)
    classes = GivenClasses.of(np.repeat([0, 1], 6))
    found = class_identities(model, points, classes, 0)
    exact = {modes: exhaustive(points[:6].astype(float), model, modes) for modes in (1, 2)}
    assert found.gain == pytest.approx(exact[2] - exact[1], abs=1e-6)


def exhaustive(x, model, modes):
    weights = {1: (6.0, 0.6), 2: (3.0, 3.0, 0.6)}[modes]
    known = {}

    class Memory:
        """Densities of the 63 subsets, each computed once."""

        def __getitem__(self, rows):
            if rows not in known:
                known[rows] = evidence(x[list(rows)], model.between)
            return known[rows]

    memory, best = Memory(), -np.inf
    for assigned in product(range(modes + 1), repeat=len(x)):
        parts = [tuple(i for i, k in enumerate(assigned) if k == part) for part in range(modes + 1)]
        if min(map(len, parts[:modes])) < modes:
            continue
        value = lgamma(sum(weights)) - lgamma(sum(weights) + len(x))
        value += sum(lgamma(len(part) + a) - lgamma(a) for part, a in zip(parts, weights, strict=True))
        value += sum(memory[part] for part in parts[:modes]) + sum(memory[(i,)] for i in parts[modes])
        best = max(best, value)
    return best


def test_random_halves_lie_as_far_apart_as_the_variance_within_says():
    """The identity that spares the split detector its drawing: over all halvings of seven images, exactly."""
    x = np.random.default_rng(5).standard_normal((7, 3))
    apart = []
    for half in combinations(range(7), 3):
        first, second = x[list(half)], np.delete(x, half, axis=0)
        apart.append(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum() / (1 / 3 + 1 / 4))
    assert np.mean(apart) == pytest.approx(((x - x.mean(axis=0)) ** 2).sum() / 6)


def test_pairs_of_one_person_are_the_mutual_best_of_a_full_table():
    faces = make_faces(6)
    classes = GivenClasses.of(faces.given)
    model = fit(faces.embeddings, classes, np.ones(len(faces.given), dtype=bool))
    points = model.points(faces.embeddings)
    groups = [Group(place, classes.rows(place), whole=True) for place in range(len(classes))]
    groups += [Group(1, classes.rows(1)[:4], whole=False), Group(1, classes.rows(1)[4:], whole=False)]
    scaled = []
    for group in groups:
        x = points[group.rows].astype(float)
        spread = (5 + ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]) / (5 + len(x) - 1)
        alike = 1 + 0.05 * (len(x) - 1)
        scaled.append((x.sum(axis=0) / spread / alike, len(x) / spread / alike))
    table = np.full((len(groups), len(groups)), -np.inf)
    for a, b in combinations(range(len(groups)), 2):
        if groups[a].place != groups[b].place:
            both = model.log_evidence(scaled[a][0] + scaled[b][0], scaled[a][1] + scaled[b][1])
            table[a, b] = table[b, a] = both - model.log_evidence(*scaled[a]) - model.log_evidence(*scaled[b])
    best = table.argmax(axis=1)
    expected = {frozenset((a, int(b))): table[a, b] for a, b in enumerate(best) if best[b] == a}
    found = one_person_pairs(model, points, groups)
    assert {frozenset((pair.first, pair.second)) for pair in found} == set(expected)
    for pair in found:
        assert pair.evidence == pytest.approx(expected[frozenset((pair.first, pair.second))])
        assert len(groups[pair.first].rows) >= len(groups[pair.second].rows)
    values = [pair.evidence for pair in found]
    assert values == sorted(values, reverse=True)


def test_halves_of_a_person_are_as_far_apart_as_halves_and_two_people_further():
    draws = np.random.default_rng(7)
    true = np.repeat(np.arange(40), 40)
    given = true.copy()
    given[np.flatnonzero(true < 10)[::2]] += 40
    embeddings = photographs(true, 24, np.full(len(true), 0.7), draws)
    classes = GivenClasses.of(given)
    model = fit(embeddings, classes, np.ones(len(given), dtype=bool))
    groups = [Group(place, classes.rows(place), whole=True) for place in range(len(classes))]
    pairs = one_person_pairs(model, model.points(embeddings), groups)
    halves = {frozenset((person, person + 40)) for person in range(10)}
    found = {frozenset(int(classes.labels[groups[g].place]) for g in (p.first, p.second)): p for p in pairs}
    assert halves <= set(found)
    assert np.mean([found[pair].halves_apart for pair in halves]) == pytest.approx(1, abs=0.1)
    assert min((p.halves_apart for key, p in found.items() if key not in halves), default=9) > 2


def test_near_copies_are_those_of_all_pairs():
    faces = make_faces(8)
    embeddings = faces.embeddings.astype(float)
    draws = np.random.default_rng(8)
    for one, other in draws.choice(len(embeddings), (6, 2), replace=False):
        embeddings[other] = embeddings[one] + 1e-3 * draws.standard_normal(24)
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    distance = 1 - units @ units.T
    same = faces.given[:, None] == faces.given
    np.fill_diagonal(same, False)
    np.fill_diagonal(distance, 9)
    twentieth = np.sort(distance, axis=1)[:, 19]
    nearest = np.where(same, distance, 9).min(axis=1)
    usual = np.median(nearest[nearest <= twentieth])
    expected = {
        (a, b)
        for a, b in combinations(range(len(units)), 2)
        if faces.given[a] != faces.given[b] and distance[a, b] <= 0.05 * usual
    }
    classes = GivenClasses.of(faces.given)
    found = near_copies(embeddings, nearest_images(units.astype(np.float32), classes, None), classes)
    assert {(pair.first, pair.second) for pair in found} == expected
    assert len(expected) >= 5
    assert all(pair.usual == pytest.approx(usual, rel=1e-6) for pair in found)


@pytest.mark.parametrize(
    ("embeddings", "given", "message"),
    [
        (np.eye(4), [0, 1, 2, 3], "needs two classes and two images of one; got 4 classes of 4 images"),
        (np.repeat(np.eye(2), 2, axis=0), [0, 0, 1, 1], "the embeddings of every class coincide"),
        (np.eye(2)[[0, 1, 0, 1]], [0, 0, 1, 1], "classes differ by no more than their images do by chance"),
        (np.zeros((4, 2)), [0, 0, 1, 1], "4 of 4 embeddings have length zero"),
    ],
)
def test_embeddings_that_tell_nothing_are_refused(embeddings, given, message):
    with pytest.raises(Undefined, match=f"^{message}$"):
        face_findings(embeddings, np.array(given))
