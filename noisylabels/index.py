"""The index of a study: what its run folders say, in one SQLite file, so that a look at 100,000 runs opens none.

The folders are the truth; the index may be deleted at any time and is rebuilt from them. What it knows of a run holds
as long as the modification time of the run's folder does, since ``result.json`` and ``failure.json`` come and go by
rename: a refresh is one pass over those times, and reads the runs that changed or are under way.

The supervising process keeps the index current while a sweep runs, and whoever looks mends it; workers never touch it.
Its journal is a write-ahead log (WAL, ``synchronous=NORMAL``), so that a killed writer costs its last transaction at
most. WAL shares memory between processes, which hosts on one network disk cannot; therefore whoever opens the index
holds it alone for that moment (``locking_mode=EXCLUSIVE`` needs no shared memory), and whoever finds it held, or cannot
write it, does without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from noisylabels.run_row import RESULTS, STATES, Row, read_row

FORMAT = 1
"""Raised whenever the tables change; an index of another format is rebuilt."""

HELD_SECONDS = 1.0
"""How long to wait for another process that has the index open."""

SETTLED_NS = 2_000_000_000
"""How long ago a folder must have changed for its time to tell the next change from this one."""

TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN {STATES}), reason TEXT NOT NULL,
    epochs INTEGER NOT NULL, ended REAL NOT NULL, changed_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE plan (position INTEGER PRIMARY KEY, run_id TEXT NOT NULL, label TEXT NOT NULL, epochs INTEGER NOT NULL);
CREATE TABLE planned_from (study TEXT NOT NULL);
PRAGMA user_version = {FORMAT};
COMMIT;
"""

SOUND_ROWS = f"SELECT * FROM runs WHERE state IN {STATES} AND typeof(epochs) = 'integer' AND typeof(ended) = 'real'"
"""What else a damaged page may hold is not believed, and read anew."""

WITHOUT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
           sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_LOCKED)  # fmt: skip
"""Complaints that say nothing against what the index holds; all others do."""


class Planned(NamedTuple):
    """A run that is to be: its identity, a line for people, and how many epochs it will have."""

    run_id: str
    label: str
    epochs: int


@dataclass(frozen=True)
class Snapshot:
    """All run folders of a study, as they are.

    Attributes:
        rows: by run id.
        read: how many folders had to be read; the index vouched for the others.
        notice: a sentence where the index was rebuilt or could not be used, else empty.
    """

    rows: Mapping[str, Row]
    read: int
    notice: str = ""


@dataclass(frozen=True)
class StudyIndex:
    """The index of the study that lives in ``folder``. Trouble with it is never raised: the folders answer instead."""

    folder: Path

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self.folder / "study.sqlite"

    def refresh(self) -> Snapshot:
        """All rows, brought up to date with the folders."""
        stored, notice = self._stored()
        rows, read = current_rows(self.folder, stored)
        if not rows and not stored:
            return Snapshot({}, 0)
        news = [rows[run_id] for run_id in read if rows[run_id] != stored.get(run_id)]
        trouble = self._store(news, [run_id for run_id in stored if run_id not in rows])
        return Snapshot(rows, len(read), trouble or notice)

    def rebuild(self) -> Snapshot:
        """All rows, from the folders alone."""
        self._remove()
        found = self.refresh()
        return replace(found, notice="" if self.path.exists() else found.notice)

    def update(self, run_ids: Iterable[str]) -> None:
        """Read these runs' folders anew: for the supervising process, when they ended."""
        rows = []
        for run_id in run_ids:
            folder = self.folder / "runs" / run_id
            with contextlib.suppress(FileNotFoundError):
                rows.append(_read(folder, folder.stat().st_mtime_ns))
        self._store(rows, ())

    def keep_plan(self, study: bytes, plan: Iterable[Planned]) -> None:
        """Remember the runs that a study, as its file says it, is planned into."""
        with contextlib.suppress(sqlite3.Error, OSError), self._opened() as connection:
            connection.execute("DELETE FROM plan")
            connection.execute("DELETE FROM planned_from")
            connection.executemany("INSERT INTO plan VALUES (?, ?, ?, ?)", ((n, *run) for n, run in enumerate(plan)))
            connection.execute("INSERT INTO planned_from VALUES (?)", (self._fingerprint(study),))

    def plan(self, study: bytes) -> list[Planned] | None:
        """The runs of that study in their order, if this version of the program planned that very file; else None."""
        if not self.path.exists():
            return None
        with contextlib.suppress(sqlite3.Error, OSError), self._opened() as connection:
            if connection.execute("SELECT study FROM planned_from").fetchall() == [(self._fingerprint(study),)]:
                rows = connection.execute("SELECT run_id, label, epochs FROM plan ORDER BY position")
                return list(map(Planned._make, rows))
        return None

    def _stored(self) -> tuple[dict[str, Row], str]:
        """What the index holds, and why that is nothing."""
        if not self.path.exists():
            return {}, f"{self.path} was not there: rebuilt from the run folders"
        try:
            with self._opened() as connection:
                return {row.run_id: row for row in map(Row._make, connection.execute(SOUND_ROWS))}, ""
        except (sqlite3.Error, OSError) as error:
            if _says_nothing_against(error):
                return {}, ""
            self._remove()
            return {}, f"{self.path} was not a sound index ({error}): rebuilt from the run folders"

    def _store(self, rows: Collection[Row], gone: Collection[str]) -> str:
        """Write what is new; returns why that could not be."""
        if not rows and not gone:
            return ""
        try:
            with self._opened() as connection:
                connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.executemany("DELETE FROM runs WHERE run_id = ?", ((run_id,) for run_id in gone))
        except (sqlite3.Error, OSError) as error:
            return f"{self.path} cannot be written ({error}): every look reads the run folders"
        return ""

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The index, held alone; what is done with it is one transaction.

        Raises:
            sqlite3.Error: it is held by another process, cannot be read or written, or is no index of this format.
        """
        with contextlib.closing(sqlite3.connect(self.path, timeout=HELD_SECONDS, isolation_level=None)) as connection:
            for pragma in ("trusted_schema=OFF", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                connection.execute(f"PRAGMA {pragma}")
            if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                connection.executescript(TABLES)
            if (found := connection.execute("PRAGMA user_version").fetchone()[0]) != FORMAT:
                raise sqlite3.DatabaseError(f"format {found}, not {FORMAT}")
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    def _fingerprint(self, study: bytes) -> str:
        known = [version("noisylabels"), self.folder.name, hashlib.sha256(study).hexdigest()]
        return " ".join(known)

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self.path}{suffix}").unlink()


def current_rows(folder: Path, known: Mapping[str, Row]) -> tuple[dict[str, Row], list[str]]:
    """The rows of all runs of the study in ``folder``, and those run ids whose folders had to be read.

    Args:
        folder: the study's.
        known: rows of an earlier look; believed where the run's folder has not changed since.
    """
    runs = folder / "runs"
    changed = _changed_times(runs)
    rows = {run_id: row for run_id, row in known.items() if row.changed_ns == changed.get(run_id)}
    read = [run_id for run_id in changed if run_id not in rows]
    return rows | {run_id: _read(runs / run_id, changed[run_id]) for run_id in read}, read


def _read(folder: Path, changed_ns: int) -> Row:
    """The row of a folder, vouched for by the time of a change before it was read.

    A result stays. Whatever else is there may be replaced within the same tick of the disk's clock, or grow.
    """
    row = read_row(folder)
    settled = row.state != "begun" and changed_ns < time.time_ns() - SETTLED_NS
    return row._replace(changed_ns=changed_ns if row.state in RESULTS or settled else 0)


def _says_nothing_against(error: Exception) -> bool:
    return isinstance(error, OSError) or (getattr(error, "sqlite_errorcode", -1) & 0xFF) in WITHOUT


def _changed_times(runs: Path) -> dict[str, int]:
    """The names of all run folders and when each last changed, in nanoseconds."""
    try:
        folder = os.open(runs, os.O_RDONLY | os.O_DIRECTORY)  # names looked up from here cost half of whole paths
    except FileNotFoundError:
        return {}
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir() and entry.name.isalnum() and entry.name.isascii():
                        found[entry.name] = entry.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # removed while we look
    finally:
        os.close(folder)
    return found
