"""A run's folder, told while it changes: attempts begin, log, are killed, begin again, end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from noisylabels.engines.worker import Place, work
from noisylabels.result import RunResult
from noisylabels.spec import RunSpec
from noisylabels.store import RunFolder, StudyFolder
from noisylabels.tracking.following import Came, ended_attempts, follow
from noisylabels.tracking.ledger import Told
from noisylabels.tracking.mirror import RunMirror, Telling
from noisylabels.tracking.shareable import without_places
from tests.flows.tracked_runs import begin, end_attempt, epochs_of, finish, result_of, study
from tests.laws.tracker_twins import Heard, Listener


class Watched:
    """One run, its mirror and what a listener heard of it."""

    def __init__(self, *, is_live: bool = True) -> None:
        self.spec: RunSpec = study().plan()[-1]
        self.run = StudyFolder(Path()).run(self.spec.run_id)
        self.listener = Listener()
        self.told = Told(Path(), "listener")
        self.telling = Telling(self.listener, "study", self.told, is_live=is_live)
        self.mirror = RunMirror(self.run, self.telling)

    def epochs(self, number: int = -1) -> list[float]:
        """Those that were told, of the run told last or of another one."""
        return [row.figures["epoch"] for row in self.listener.heard[number].rows if "epoch" in row.figures]

    @property
    def heard(self) -> list[Heard]:
        return self.listener.heard


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.chdir(tmp_path)
    return Watched()


def test_epochs_are_told_as_they_come_and_the_end_once(watched: Watched) -> None:
    watched.mirror.look()
    assert watched.heard == []
    begin(watched.run, watched.spec, epochs=1)
    watched.mirror.look()
    watched.mirror.look()
    assert watched.epochs() == [1]
    assert watched.heard[0].run.is_live
    assert watched.heard[0].run.run_id == f"{watched.spec.run_id}-1"
    for epoch in epochs_of(watched.spec)[1:]:
        watched.run.append(epoch)
    watched.run.finish(result_of(watched.spec))
    watched.mirror.look()
    assert watched.epochs() == [1, 2, 3]
    assert watched.heard[0].summary == {"status": "ok", "reason": "", "seconds": 1.5}
    assert watched.mirror.is_over
    end_attempt(watched.run, "done")
    replayed = RunMirror(watched.run, watched.telling)
    replayed.look(is_last=True)
    assert (replayed.state, len(watched.heard)) == ("already", 1)


def test_an_attempt_that_was_killed_is_closed_and_the_next_has_all_epochs(watched: Watched) -> None:
    begin(watched.run, watched.spec, epochs=2)
    watched.mirror.look()
    end_attempt(watched.run, "killed", "the worker was killed by SIGKILL")
    watched.mirror.look()
    assert watched.heard[0].failed is True
    assert watched.heard[0].summary == {"status": "unfinished", "reason": "the worker was killed by SIGKILL"}
    watched.mirror.look()
    assert len(watched.heard) == 1, "the events of an attempt that ended are no new attempt"
    _later(watched.run)
    finish(watched.run, watched.spec)
    watched.mirror.look()
    assert [one.run.run_id[-2:] for one in watched.heard] == ["-1", "-2"]
    assert (watched.epochs(1), watched.heard[1].failed) == ([1, 2, 3], False)


def test_an_attempt_whose_end_nobody_saw_is_closed_when_the_next_is_there(watched: Watched) -> None:
    begin(watched.run, watched.spec, epochs=2)
    watched.mirror.look()
    end_attempt(watched.run, "hung", "hung")
    _later(watched.run)
    begin(watched.run, watched.spec, epochs=1)
    watched.mirror.look()
    assert [(one.run.run_id[-2:], one.failed) for one in watched.heard] == [("-1", True), ("-2", None)]


def test_a_failure_that_no_attempt_follows_is_told_once_and_a_later_success_as_well(watched: Watched) -> None:
    watched.run.begin(watched.spec)
    end_attempt(watched.run, "error", "ValueError: no")
    watched.run.fail("ValueError: no")
    for _ in range(2):
        watched.mirror.look()
    assert [(one.failed, one.summary) for one in watched.heard] == [
        (True, {"status": "failed", "reason": "ValueError: no"})
    ]
    _later(watched.run)
    finish(watched.run, watched.spec)
    replayed = RunMirror(watched.run, watched.telling)
    replayed.look(is_last=True)
    assert [one.failed for one in watched.heard] == [True, False]


def test_what_ended_before_the_watch_began_is_left_to_a_playback(watched: Watched) -> None:
    begin(watched.run, watched.spec, epochs=2)
    end_attempt(watched.run, "killed", "stopped with its sweep")
    mirror = RunMirror(watched.run, watched.telling, ended_before=1)
    mirror.look(is_last=True)
    assert watched.heard == []


def test_a_result_without_its_attempts_line_has_the_number_that_the_line_will_give_it(watched: Watched) -> None:
    """Both a race, of a worker between the two, and ``train``, which writes no such line."""
    begin(watched.run, watched.spec, epochs=3)
    end_attempt(watched.run, "killed", "killed")
    _later(watched.run)
    begin(watched.run, watched.spec, epochs=3)
    watched.run.finish(result_of(watched.spec))
    watched.mirror.look()
    assert watched.heard[0].run.run_id.endswith("-2")


def _later(run: RunFolder) -> None:
    """Let what was written so far be a second old."""
    for path in run.path.iterdir():
        changed = path.stat().st_mtime_ns - 10**9
        os.utime(path, ns=(changed, changed))


def followed(telling: Telling, do: Callable[[], None]) -> Came:
    """What following came to while something was done."""
    over = threading.Event()

    def is_over(seconds: float) -> bool:
        return over.wait(min(seconds, 0.05))

    came: list[Came] = []
    thread = threading.Thread(target=lambda: came.append(follow(telling, is_over, lambda: None, lambda line: None)))
    thread.start()
    try:
        do()
    finally:
        over.set()
        thread.join()
    return came[0]


def test_a_training_that_is_followed_leaves_what_one_alone_leaves(watched: Watched) -> None:
    """The whole life of a real run, with its own worker, under the eyes of a follower."""
    asked = RunSpec.checked(
        {
            "dataset": "digits:per_class=12,test_per_class=5",
            "corruption": "symmetric:rate=0.4",
            "model": "small_cnn:width=4",
        }
        | {"train": {"epochs": 3, "batch_size": 16, "augment": "none"}}
    )

    def results(folder: StudyFolder) -> RunResult:
        run = folder.run(asked.run_id)
        run.begin(asked)
        work(run, Place(Path()))
        found = run.result()
        assert found is not None
        return found.model_copy(update={"provenance": {}})

    alone = results(StudyFolder(Path("alone")))
    seen: list[RunResult] = []
    came = followed(watched.telling, lambda: seen.append(results(StudyFolder(Path()))))
    assert came.told == 1
    assert seen[0].model_dump_json() == alone.model_dump_json()
    assert [row.figures.get("train/loss") for row in watched.heard[0].rows[:3]] == [
        epoch.train_loss for epoch in alone.history
    ]


def test_a_run_that_ended_before_its_follower_came_is_told_all_the_same(watched: Watched) -> None:
    """A follower takes a second to be there, and a small run less; what had ended before the sweep is left alone."""
    earlier = study().plan()[0]
    finish(StudyFolder(Path()).run(earlier.run_id), earlier)
    before = ended_attempts(Path())
    finish(watched.run, watched.spec)
    came = follow(watched.telling, lambda seconds: True, lambda: None, lambda line: None, before=before)
    assert came.told == 1
    assert [one.run.run_id for one in watched.heard] == [f"{watched.spec.run_id}-1"]


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("/home/me/runs/x.json is not a result", "x.json is not a result"),
        ("No room: ~/runs/a b", "No room: a b"),
        ("folder:path=/data/faces,per_class=5", "folder:path=faces,per_class=5"),
        ("'/home/me/a/b.png', '/home/me/c.png'", "'b.png', 'c.png'"),
        ("C:\\Users\\me\\x.png", "x.png"),
        ("train/loss 1/2 a+b https://x.org/y test/accuracy", "train/loss 1/2 a+b https://x.org/y test/accuracy"),
    ],
)
def test_texts_lose_their_places_and_nothing_else(text: str, shared: str) -> None:
    assert without_places(text) == shared
