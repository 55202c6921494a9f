"""Exact open-set search in a large memory-mapped gallery, beside the matrix product it cannot do without.

    python -m benchmarks.open_set_search [--gallery 1000000] [--probes 10000] [--dim 512] [--memory-mib 256]
                                         [--product-probes 10000]

A gallery of random float32 vectors is written to a temporary memory-mapped file in chunks and deleted at the end. Half
of the probes are noisy copies of gallery vectors, half are strangers. Two fresh processes then read it, one after the
other:

    search    ``nearest_in_gallery``: normalises, multiplies, keeps candidates, compares them in float64
    product   NumPy's float32 product of the same arrays, block by block into one buffer, every score thrown away

``cpu`` is the time a process computed, ``seconds`` what the clock on the wall says: on a machine that others use too,
compare the first. With ``--product-probes`` below ``--probes`` the product is of the first so many probes only, as a
product's time is in proportion to them.

Of a process's memory, ``anonymous`` is the largest ``RssAnon`` seen, asked every 20 ms from before the first read: the
private memory that holds probes, blocks and answer, beside Python and NumPy. ``peak RSS`` is the kernel's
``ru_maxrss``; it also counts the pages of the gallery's file that are mapped and in the page cache, which the kernel
may take back at any time and which grow, where memory is free, up to the size of the file. The bar is on ``anonymous``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.private_memory import PrivateMemory
from noisylabels.metrics.search import nearest_in_gallery

BAR_MIB = 1024
CHUNK = 20_000
BLOCK = 4096  # gallery rows and probes in a block of the plain product


def write_gallery(path: Path, rows: int, dim: int) -> None:
    """Random directions, chunk by chunk."""
    gallery = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, dim))
    generator = np.random.default_rng(0)
    for start in range(0, rows, CHUNK):
        gallery[start : start + CHUNK] = generator.standard_normal((min(CHUNK, rows - start), dim), dtype=np.float32)
    gallery.flush()


def make_probes(gallery: Any, count: int) -> tuple[Any, Any]:
    """Probes, and the gallery row each was made from; -1 for strangers."""
    generator = np.random.default_rng(1)
    probes = generator.standard_normal((count, gallery.shape[1]), dtype=np.float32)
    rows = np.full(count, -1)
    rows[: count // 2] = np.sort(generator.choice(len(gallery), count // 2, replace=False))
    probes[: count // 2] += gallery[rows[: count // 2]]
    return probes, rows


def multiply(gallery: Any, probes: Any) -> None:
    """Every score, a block at a time, and nothing done with it."""
    buffer = np.empty(BLOCK * BLOCK, dtype=np.float32)
    for start in range(0, len(gallery), BLOCK):
        block = gallery[start : start + BLOCK]
        for first in range(0, len(probes), BLOCK):
            chosen = probes[first : first + BLOCK]
            out = buffer[: len(chosen) * len(block)].reshape(len(chosen), len(block))
            np.matmul(chosen, block.T, out=out)


def measure(what: str, path: Path, probe_count: int, memory_mib: int) -> dict[str, Any]:
    """One of the two, in this process."""
    gallery = np.load(path, mmap_mode="r")
    probes, made_from = make_probes(gallery, probe_count)
    found = None
    with PrivateMemory() as private:
        started, computed = time.perf_counter(), time.process_time()
        if what == "search":
            found = nearest_in_gallery(gallery, probes, memory_bytes=memory_mib << 20)
        else:
            multiply(gallery, probes)
        seconds, cpu = time.perf_counter() - started, time.process_time() - computed
    answer = {"seconds": seconds, "cpu": cpu, "anonymous": private.peak}
    answer["peak_rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
    if found is not None:
        mated = made_from >= 0
        answer["rank_1"] = float(np.mean(found.rows[mated, 0] == made_from[mated]))
        answer["impostor"] = float(found.scores[~mated, 0].mean())
    return answer


def alone(*arguments: object) -> dict[str, Any]:
    """This module's ``--one`` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.open_set_search", "--one", *map(str, arguments)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    values: dict[str, Any] = json.loads(answer.stdout)
    return values


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--probes", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--product-probes", type=int, help="probes of the plain product (default: all)")
    parser.add_argument("--memory-mib", type=int, default=256, help="working memory of the search")
    parser.add_argument("--folder", type=Path, help="where the temporary gallery is written (default: the system's)")
    parser.add_argument("--one", nargs=4, metavar=("WHAT", "PATH", "PROBES", "MIB"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, path, probes, mib = options.one
        print(json.dumps(measure(what, Path(path), int(probes), int(mib))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "gallery.npy"
        write_gallery(path, options.gallery, options.dim)
        report(path, options)


def report(path: Path, options: argparse.Namespace) -> None:
    """Both processes on one gallery, and the comparison."""
    probes = {"product": options.product_probes or options.probes, "search": options.probes}
    scores_gib = 4 * options.gallery * options.probes / 2**30
    print(
        f"{options.probes:,} probes in {options.gallery:,} x {options.dim} float32, gallery file"
        f" {path.stat().st_size / 2**30:.2f} GiB, all scores would be {scores_gib:.1f} GiB; working memory"
        f" {options.memory_mib} MiB; NumPy {np.__version__}"
    )
    print(
        f"{'':>8} {'probes':>7} {'seconds':>8} {'cpu':>7} {'GFLOP per cpu s':>16} {'anonymous MiB':>14}"
        f" {'peak RSS MiB':>13}"
    )
    speeds, found = {}, {}
    for what in ("product", "search"):
        found[what] = got = alone(what, path, probes[what], options.memory_mib)
        speeds[what] = 2e-9 * options.gallery * probes[what] * options.dim / got["cpu"]
        print(
            f"{what:>8} {probes[what]:>7,} {got['seconds']:>8.1f} {got['cpu']:>7.1f} {speeds[what]:>16.1f}"
            f" {got['anonymous']:>14.0f} {got['peak_rss']:>13.0f}",
            flush=True,
        )
    search = found["search"]
    kept = "kept" if search["anonymous"] < BAR_MIB else "MISSED"
    print(
        f"search / product, cpu time a probe: {speeds['product'] / speeds['search']:.2f}; bar of {BAR_MIB} MiB beyond"
        f" the gallery's page cache {kept}; mated probes at rank 1 {search['rank_1']:.2%}, mean best cosine of"
        f" strangers {search['impostor']:.3f}"
    )


if __name__ == "__main__":
    main()
