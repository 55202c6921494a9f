"""Half a million packed faces, chosen from, corrupted and streamed: how long, and in how much memory.

    python -m benchmarks.packed_faces [--count 500000] [--identities 10572] [--side 32] [--batches 200] [--batch 512]

A store is written in the format of ``noisylabels data pack``: random pixels, image by image hashed, identities of
geometric sizes. A fresh process for each step then works on it as a run would, and says what it took:

    write    the store itself, a block of images at a time
    open     index read and checked, image file mapped
    verify   every pixel read and hashed against the index, as every run does once (``prepare`` of a pinned data set)
    choose   ``packed:...``: people with at least two images, training, validation and test split; nothing copied
    corrupt  ``identity_merge:rate=0.3`` of the training labels
    stream   batches of random rows, padded, cropped, mirrored and standardised, from the disk
    hold     (with --hold) the same batches from one array in memory, and whether they are equal

``anonymous`` is the largest ``RssAnon`` seen, asked every 20 ms: private memory, Python, NumPy and torch included.
``peak RSS`` is the kernel's; it also counts pages of the image file that are mapped, which the kernel may take back.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.private_memory import PrivateMemory
from corruptions import CORRUPTIONS
from noisylabels.catalog import build
from noisylabels.data import mapped_images
from noisylabels.data.images import ImageSet
from noisylabels.data.packed import Packed, PackedFaces
from noisylabels.data.packed_files import ARRAYS, ERRORS, FORMAT, IMAGES, INDEX, VERSION, PackedIndex, open_store
from noisylabels.training.images import ImageBatches, channel_statistics

BAR_MIB = 2048
CHUNK = 10_000


def write_store(folder: Path, count: int, identities: int, side: int) -> None:
    """Random pixels; of every identity at least one image."""
    draws = np.random.default_rng(0)
    shape = (3, side, side)
    shares = draws.dirichlet(np.ones(identities))
    extra = draws.choice(identities, count - identities, p=shares)
    labels = np.sort(np.concatenate([np.arange(identities), extra]))
    images = np.lib.format.open_memmap(folder / IMAGES, mode="w+", dtype=np.uint8, shape=(count, *shape))
    hashes = np.empty((count, 32), dtype=np.uint8)
    for start in range(0, count, CHUNK):
        block = draws.integers(0, 256, (min(CHUNK, count - start), *shape), dtype=np.uint8)
        images[start : start + len(block)] = block
        for row, image in enumerate(block, start=start):
            hashes[row] = np.frombuffer(hashlib.sha256(image.data).digest(), dtype=np.uint8)
    images.flush()
    del images
    names = tuple(f"{label:07d}/{row:06d}.jpg" for row, label in enumerate(labels.tolist()))
    people = tuple(f"{number:07d}" for number in range(identities))
    rows = np.arange(count)
    arrays = PackedIndex(labels, rows, draws.permutation(count), hashes, hashes, people, names).to_npz()
    (folder / ARRAYS).write_bytes(arrays)
    (folder / ERRORS).write_bytes(b"")
    with (folder / IMAGES).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {"format": FORMAT, "version": VERSION, "count": count, "shape": shape, "classes": identities}
    about |= {"source": "files", "skipped": 0, "converted": 0, "images_sha256": digest}
    about |= {f"{name}_sha256": hashlib.sha256(c).hexdigest() for name, c in (("arrays", arrays), ("errors", b""))}
    (folder / INDEX).write_text(json.dumps(about))


def batches_of(images: ImageBatches, count: int, size: int) -> list[float]:
    """A checksum of each batch, of random rows, augmented."""
    order, augment = (torch.Generator().manual_seed(seed) for seed in (1, 2))
    rows = torch.randint(0, len(images), (count, size), generator=order)
    return [float(images.augmented(batch, augment).double().sum()) for batch in rows]


def stream(train: ImageSet, options: argparse.Namespace) -> tuple[list[float], str]:
    """Batches as a training takes them."""
    mean, std = channel_statistics(train.images)
    images = ImageBatches(train.images, mean, std, padding=4, mirror=True, device=torch.device("cpu"))
    started = time.perf_counter()
    sums = batches_of(images, options.batches, options.batch)
    speed = options.batches * options.batch / (time.perf_counter() - started)
    return sums, f"{options.batches} batches of {options.batch}, {speed:,.0f} images a second"


def step(what: str, folder: Path, options: argparse.Namespace) -> str:
    """One step, in this process; in words what came of it."""
    if what == "write":
        write_store(folder, options.count, options.identities, options.side)
        return f"{(folder / IMAGES).stat().st_size / 2**30:.2f} GiB of pixels"
    store = open_store(folder)
    rows = np.arange(len(store.index.labels))
    if what == "open":
        return f"{len(rows):,} images, {len(store.index.class_names):,} people"
    if what == "verify":
        PackedFaces(store).digest(rows)
        return "every hash holds"
    splits = Packed(root=str(folder), size=options.side, min_images=2).prepare(Path())
    kind = type(splits.train).__name__
    if what == "choose":
        return f"{kind} of {len(splits.train):,} training images, {splits.train.images.nbytes / 2**30:.2f} GiB"
    noise = build(CORRUPTIONS, "identity_merge:rate=0.3", what="corruption")
    noisy = noise.apply(splits.train.labels, splits.train.num_classes, seed=0)
    if what == "corrupt":
        return f"realised rate {noisy.record.realised_rate:.4f}"
    sums, said = stream(splits.train, options)
    if what == "stream":
        return said
    held = ImageSet(splits.train.images[:], splits.train.labels, splits.train.ids, splits.train.class_names)
    others, said = stream(held, options)
    return f"{said}; {'equal' if sums == others else 'NOT EQUAL'} to the streamed"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("count", 500_000), ("identities", 10_572), ("side", 32), ("batches", 200), ("batch", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--hold", action="store_true", help="compare with batches of an array in memory")
    parser.add_argument("--folder", type=Path, help="where the temporary store is written (default: the system's)")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, path = options.one
        with PrivateMemory() as private:
            started, computed = time.perf_counter(), time.process_time()
            said = step(what, Path(path), options)
            seconds, cpu = time.perf_counter() - started, time.process_time() - computed
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
        print(json.dumps({"said": said, "seconds": seconds, "cpu": cpu, "anonymous": private.peak, "peak": peak}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report(folder, options)


def report(folder: str, options: argparse.Namespace) -> None:
    """Every step in a fresh process, and the bar."""
    print(
        f"{options.count:,} random images of 3x{options.side}x{options.side}, {options.identities:,} identities; held"
        f" in memory up to {mapped_images.IN_MEMORY_BYTES >> 20} MiB; NumPy {np.__version__}, torch {torch.__version__}"
    )
    print(f"{'':>8} {'seconds':>8} {'cpu':>7} {'anonymous MiB':>14} {'peak RSS MiB':>13}")
    highest: dict[str, Any] = {}
    for what in ("write", "open", "verify", "choose", "corrupt", "stream", *(["hold"] if options.hold else [])):
        command = [sys.executable, "-m", "benchmarks.packed_faces", *sys.argv[1:], "--one", what, folder]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
        got = json.loads(answer.stdout)
        highest[what] = got["anonymous"]
        figures = f"{got['seconds']:>8.1f} {got['cpu']:>7.1f} {got['anonymous']:>14.0f} {got['peak']:>13.0f}"
        print(f"{what:>8} {figures}  {got['said']}", flush=True)
    most = max(value for what, value in highest.items() if what != "hold")
    print(f"bar of {BAR_MIB} MiB private memory {'kept' if most < BAR_MIB else 'MISSED'}: {most:.0f} MiB at most")


if __name__ == "__main__":
    main()
