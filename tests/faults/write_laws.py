"""What must hold of everything that writes files, whatever fails: each file is the old one or the new one, whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.failing_files import (
    CALLS,
    Disk,
    Fault,
    Files,
    PowerCutError,
    files_in,
    is_unfinished,
    put_files,
    short_writes,
)

Step = Callable[[Path], object]


@dataclass(frozen=True)
class Writer:
    """Something that writes files.

    Attributes:
        name: for people.
        steps: what it does, one after another; what is on the disk after each of them is a state.
        before: leaves the state it starts from.
        agree: refuses, by an AssertionError, files that do not fit together.
        watched_only: names of files that are there to watch a run, not to be relied upon: they may be lost, not torn.
    """

    name: str
    steps: tuple[Step, ...]
    before: Step = lambda folder: None
    agree: Step = lambda folder: None
    watched_only: frozenset[str] = frozenset()

    def write(self, folder: Path) -> None:
        for step in self.steps:
            step(folder)

    def states(self, folder: Path) -> list[Files]:
        """What is on the disk at the start and after each step, where nothing fails."""
        self.before(folder)
        states = [files_in(folder)]
        for step in self.steps:
            step(folder)
            states.append(files_in(folder))
        return states


def old_or_new_whatever_call_fails(writer: Writer, folder: Path) -> None:
    """Fail each call of each kind: the error names a file of the folder, nothing temporary stays, a new try works."""
    states = writer.states(folder / "undisturbed")
    struck, seen = 0, []
    for call in CALLS:
        for nth in range(1, 200):
            there = folder / f"{call}-{nth}"
            writer.before(there)
            fault, error = Fault(call, nth), None
            with fault.injected():
                try:
                    writer.write(there)
                except OSError as failure:
                    error = failure
            if not fault.struck:
                break
            struck += 1
            if call in ("write", "fsync"):
                assert error is not None, f"nobody heard that {call} failed"
                assert str(error.filename).startswith(str(there)), f"the error must name a file; got {error}"
            left = files_in(there)
            if call != "unlink":  # one that fails leaves what was to go
                assert not [name for name in left if is_unfinished(name)], "a temporary file stays"
            if left not in seen:
                _old_or_new(writer, there, states)
                _comes_right(writer, there, states[-1])
                seen.append(left)
    assert struck >= 2, "no fault was met: whatever writes here goes past the layer that fails"


def short_writes_are_written_on(writer: Writer, folder: Path) -> None:
    """A write that takes a part only is no error and loses nothing."""
    expected = writer.states(folder / "undisturbed")[-1]
    writer.before(folder / "short")
    with short_writes():
        writer.write(folder / "short")
    assert files_in(folder / "short") == expected, "it loses what a short write did not take"


def old_or_new_after_a_power_cut(writer: Writer, folder: Path) -> None:
    """Cut the power after each call; where the last one was made, all of the new state must have reached the disk."""
    states = writer.states(folder / "undisturbed")
    seen: list[Files] = []
    for calls in range(1000):
        writer.before(folder / f"cut-{calls}")
        disk = Disk(calls)
        with disk.plugged_in(), suppress(PowerCutError):
            writer.write(folder / f"cut-{calls}")
        for content, names in ((True, False), (False, True), (True, True)):
            left = disk.left(folder / f"cut-{calls}", content=content, names=names)
            if not disk.cut:
                assert _relied_upon(writer, left) == _relied_upon(writer, states[-1]), "it had said it was done"
            if _finished(left) not in seen:
                there = folder / f"back-{calls}-{content}-{names}"
                put_files(there, left)
                _old_or_new(writer, there, states)
                _comes_right(writer, there, states[-1])
                seen.append(_finished(left))
        if not disk.cut:
            return
    raise AssertionError("it does not come to an end")


def _old_or_new(writer: Writer, folder: Path, states: list[Files]) -> None:
    there = _finished(files_in(folder))
    for name, content in _relied_upon(writer, there).items():
        allowed = [state[name] for state in states if name in state]
        assert content in allowed, f"{name} is neither the old nor the new one: {content[:60]!r}"
    for name in states[0]:
        gone_on_the_way = any(name not in state for state in states)
        assert name in there or gone_on_the_way, f"{name} is gone"
    writer.agree(folder)


def _comes_right(writer: Writer, folder: Path, expected: Files) -> None:
    writer.write(folder)
    found = _finished(files_in(folder))
    assert found == expected, f"a second try leaves {sorted(found)}, a first one {sorted(expected)}"


def _finished(files: Files) -> Files:
    return {name: content for name, content in files.items() if not is_unfinished(name)}


def _relied_upon(writer: Writer, files: Files) -> Files:
    return {name: content for name, content in files.items() if name not in writer.watched_only}


LAWS = (old_or_new_whatever_call_fails, short_writes_are_written_on, old_or_new_after_a_power_cut)
