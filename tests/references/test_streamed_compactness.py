"""Compactness in two passes against the metrics that hold everything, scikit-learn, and twins that pass badly."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from noisylabels.metrics import METRICS, EmbeddingMetric, streamed
from noisylabels.metrics.metric import Undefined
from noisylabels.metrics.scatter import fisher_ratio
from noisylabels.metrics.streamed import Compactness, compactness

NAMES = [name for name, metric in METRICS.items() if issubclass(metric, EmbeddingMetric)]


def cloud(seed: int, *, classes: int, dim: int, size: int, spread: float = 1.0, offset: float = 0.3):
    """Unequal classes, some of one image, in no order, with gaps in their numbers."""
    generator = np.random.default_rng(seed)
    member = np.concatenate([np.arange(classes), generator.integers(0, classes, size) ** 2 // classes])
    generator.shuffle(member)
    points = generator.normal(size=(classes, dim))[member] + spread * generator.normal(size=(len(member), dim)) + offset
    return points.astype(np.float32), 7 * member - 3


CLOUDS = {
    "several blocks": cloud(0, classes=40, dim=16, size=3000),
    "two classes": cloud(1, classes=2, dim=5, size=60),
    "more classes than dimensions": cloud(2, classes=300, dim=8, size=900),
    "compact": cloud(3, classes=30, dim=24, size=900, spread=1e-3),
    "far from the origin": cloud(4, classes=12, dim=10, size=500, offset=20.0),
    "a line": (np.arange(1, 31, dtype=np.float32)[:, None] * np.float32([3, 4]), np.arange(30) % 3),
}


def agrees(measured: Callable[..., Compactness], name: str) -> None:
    embeddings, labels = CLOUDS[name]
    found = measured(embeddings, labels)
    for metric in NAMES:
        try:
            whole = METRICS[metric]().of(embeddings, labels)
        except Undefined:
            whole = np.nan
        np.testing.assert_allclose(getattr(found, metric), whole, rtol=1e-6, atol=1e-9, err_msg=metric)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "BLOCK_BYTES", 4 * 4000)


@pytest.mark.parametrize("name", CLOUDS)
def test_equals_the_metrics_that_hold_everything(name: str) -> None:
    assert len(NAMES) == 8
    agrees(compactness, name)


def test_a_memory_map_is_read_in_place(tmp_path: Path) -> None:
    embeddings, labels = CLOUDS["several blocks"]
    np.save(tmp_path / "embeddings.npy", embeddings)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    assert compactness(mapped, labels) == compactness(embeddings, labels)
    np.testing.assert_array_equal(mapped, embeddings)


def test_the_silhouette_is_scikit_learns() -> None:
    embeddings, labels = CLOUDS["several blocks"]
    reference = silhouette_score(np.float64(embeddings), labels, metric="cosine")
    assert compactness(embeddings, labels).cosine_silhouette == pytest.approx(reference, abs=1e-9)


def test_nothing_grows_with_the_number_of_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the embeddings in float64 nor their cosines with all classes; the labels' own order does."""
    monkeypatch.setattr(streamed, "BLOCK_BYTES", 1 << 19)

    def bytes_an_embedding(work: Callable[..., object]) -> float:
        """By how much the peak grows from one size to another."""
        sizes, peaks = (10_000, 40_000), []
        for size in sizes:
            embeddings, labels = cloud(5, classes=100, dim=64, size=size)
            np.save(tmp_path / f"{size}.npy", embeddings)
            mapped = np.load(tmp_path / f"{size}.npy", mmap_mode="r")
            tracemalloc.start()
            work(mapped, labels)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])

    assert bytes_an_embedding(compactness) < 64, "more than labels take"
    assert bytes_an_embedding(fisher_ratio) > 64 * 8, "this one holds 64 float64 an embedding"


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (np.eye(3), [4, 4, 4], "at least two classes; got 1"),
        (np.eye(3), [0, 1, 2], "every class has one"),
        (np.array([[1.0, 0], [-1, 0], [0, 1], [0, 1]]), [0, 0, 1, 1], "1 class means have no direction"),
        (np.array([[1.0, 0], [0, 0], [0, 1]]), [0, 0, 1], "1 of 3 embeddings have length zero"),
        (np.array([[1.0, 0], [np.inf, 0], [0, 1]]), [0, 0, 1], "1 of 3 embeddings are not finite"),
    ],
)
def test_what_has_no_value_says_so(embeddings: np.ndarray, labels: list[int], message: str) -> None:
    with pytest.raises(Undefined, match=message):
        compactness(embeddings, np.array(labels))


def drops_what_does_not_fill_a_block(embeddings, labels):
    return compactness(embeddings[: len(embeddings) // 100 * 100], labels[: len(embeddings) // 100 * 100])


def looks_at_every_second_embedding(embeddings, labels):
    return compactness(embeddings[::2], labels[::2])


def looks_at_rounded_embeddings(embeddings, labels):
    return compactness(embeddings.astype(np.float16), labels)


@pytest.mark.parametrize(
    "twin", [drops_what_does_not_fill_a_block, looks_at_every_second_embedding, looks_at_rounded_embeddings]
)
def test_one_that_passes_badly_is_found_out(twin: Callable[..., Compactness]) -> None:
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        agrees(twin, "several blocks")
