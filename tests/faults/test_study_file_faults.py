"""Study files that are not what they should be, names that are no names, and folders that move (faults 26, 28, 32)."""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisylabels.catalog import UsageError
from noisylabels.frozen_plan import frozen_again, read_frozen, write_frozen
from noisylabels.report.deviations import deviations_section
from noisylabels.report.document import ReportData
from noisylabels.report.markdown import to_markdown
from noisylabels.report.page import to_html
from noisylabels.report.verdicts import LEVEL
from noisylabels.study import Study
from noisylabels.study_file import MAX_BYTES, NAME, name_of

Cli = Callable[..., tuple[int, str, str]]
GOOD = '[base]\ndataset = "digits"\n'
HOSTILE = (
    "<script>alert(1)</script>", "</script>", '"><img src=x onerror=alert(1)>', "$\\frac{$", "a\nb", "\u202egnp.exe",
    "🦊", "a\x00b", "../up", "a/b", "/etc/passwd", "x" * 300, "", " ", "-x", ".hidden", "=cmd()", "a b", "é", "CON:",
)  # fmt: skip


def mistakes(content: str | bytes, folder: Path) -> str:
    file = folder / "study.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError) as caught:
        Study.from_toml(file).plan()
    assert caught.value.exit_code == 2
    return str(caught.value)


class TestContent:
    """Fault 26."""

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("seeds = 2\nquestion = ", "is not TOML: Invalid value (at line 2, the end of the file)"),
            ("seeds = 2\n\nhead == 3\n", "is not TOML: Invalid value (at line 3, column 7)"),
            ("seeds = 2\r\n\r\nhead == 3\r\n", "is not TOML: Invalid value (at line 3, column 7)"),
            ("seeds = 2\nseeds = 3\n", "is not TOML: Cannot overwrite a value (at line 2, column 10)"),
            ('question = "open\n', "is not TOML: Illegal character '\\n' (at line 1, column 17)"),
            (b"a = 1\nb = '\xff'\n", "is not TOML: it must be UTF-8, and line 2 is not"),
            (b"\xff\xfes\x00e\x00", "is not TOML: it must be UTF-8, and line 1 is not"),
            ("a = " + "[" * 20_000, "is nested too deeply"),
            ("seeds: 3\nbase: !!python/object/apply:os.system ['touch hit']\n", "is not TOML: Expected '=' after"),
            ("", "base: Field required"),
            ("# nothing but words\n", "base: Field required"),
            ("base = 3", "base: must be a table of keys and values; got 3"),
            ("base = 'digits'", "base: must be a table of keys and values; got 'digits'"),
            ("[base]\n", "base.dataset: Field required"),
            ("axes = 5\n" + GOOD, "axes: must be a table of keys and values; got 5"),
            ("[[base]]\ndataset = 'digits'", "base: must be a table of keys and values; got [{'dataset': 'digits'}]"),
            (GOOD + "seeds = 3\n", "unknown key 'base.seeds'; did you mean 'seeds', which stands above the first ["),
            (GOOD + "epochs = 3\n", "unknown key 'base.epochs'; did you mean 'base.train.epochs'?"),
            (GOOD + "[base.train]\nepoch = 3\n", "unknown key 'base.train.epoch'; did you mean 'base.train.epochs'?"),
            (GOOD + "[axes]\nhaed = ['softmax']", "unknown key 'axes.haed'; did you mean 'axes.head'? known in axes: "),
            (GOOD + "[[methods]]\nhead = 'softmax'\n[[methods]]\nlos = 'ce'",
             "unknown key 'methods[1].los'; did you mean 'methods[1].loss'? known in methods[1]: head, loss, "),
            (GOOD + "[[methods]]\nhead = 'archface'", "methods[0].head: unknown head 'archface'; did you mean"),
            (GOOD + "[[methods]]\ntrain = {epoch = 2}", "methods[0].train: unknown training field 'epoch'; did"),
            (GOOD + "[[methods]]\ntrain = {epochs = 0}", "methods[0].train: epochs: must be greater than or equal to"),
            (GOOD + "[[methods]]\ntrain = {epochs = 'ten'}", "methods[0].train: epochs: must be a valid integer"),
            (GOOD + "[[methods]]\ntrain = 3", "methods[0].train: must be a table of keys and values; got 3"),
            (GOOD + "[methods]\nhead = 'softmax'", "methods: must be listed, each table under its own [[methods]]"),
            (GOOD + "[axes]\nhead = ['softmax', 'cosface', 'softmx']",
             "axes.head[2]: unknown head 'softmx'; did you mean 'softmax'?"),
            (GOOD + "[axes]\nhead = ['softmax', 'arcface:margin=wide']", "axes.head[1]: margin must be a number"),
            (GOOD + "[axes]\nhead = 'softmax'", "axes.head: must be a list, in brackets; got 'softmax'"),
            (GOOD + "[axes]\nhead = [1]", "axes.head[0]: must be a valid string; got 1"),
            (GOOD + "[axes]\nrate = [0.1, 1.5]\ncorruption = ['symmetric']",
             "axes.rate[1]: rate must be in [0, 1]; got 1.5"),
            (GOOD + "[axes]\nrate = ['0.1']", "axes.rate[0]: must be a valid number; got '0.1'"),
            (GOOD + "[axes]\nrate = [true]", "axes.rate[0]: must be a valid number; got True"),
            (GOOD + "[axes]\nrate = [nan]", "axes.rate[0]: must be a finite number; got nan"),
            (GOOD + "[axes]\nrate = [0.1]\ncorruption = ['pair', 'symetric']",
             "axes.corruption[1]: unknown corruption 'symetric'; did you mean 'symmetric'?"),
            (GOOD + "[axes]\nrate = [0.1]\ncorruption = ['symmetric:inclusve=true']",
             "axes.corruption[0]: unknown parameter 'inclusve'; did you mean 'inclusive'?"),
            (GOOD + "[axes]\nrate = [0.1]\ncorruption = ['clean_subset']",
             "axes.corruption[0]: parameter 'of' must be given"),
            (GOOD + "[axes]\ndataset = ['digits']", "base.dataset has no effect: axes.dataset says ['digits']"),
            ("primary = 'acuracy'\n" + GOOD, "primary: unknown metric 'acuracy'; did you mean 'accuracy'?"),
            ("seeds = true\n" + GOOD, "seeds: must be a number n from 1 to 100000, for 0, ..., n - 1, or a list"),
            ("seeds = 1_000_000_000\n" + GOOD, "seeds: must be a number n from 1 to 100000"),
            ("seeds = [0, 1.0]\n" + GOOD, "seeds[1]: must be a valid integer; got 1.0"),
            ("noise_seeds = []\n" + GOOD, "noise_seeds: must be a number n from 1 to 100000"),
            ("question = 3\n" + GOOD, "question: must be a valid string; got 3"),
            ("claims = ['softmax wins']\n" + GOOD, "claims[0]: a claim must read '<method> degrades less than"),
            ("claims = 'one'\n" + GOOD, "claims: must be a list, in brackets; got 'one'"),
            ("name = 2024-05-01\n" + GOOD, "name: must be a valid string"),
        ],
    )  # fmt: skip
    def test_every_mistake_has_its_place_and_its_sentence(self, content: str, sentence: str, tmp_path: Path) -> None:
        said = mistakes(content, tmp_path)
        assert sentence in said
        assert not (tmp_path / "hit").exists()

    def test_all_of_them_come_at_once(self, cli: Cli, tmp_path: Path) -> None:
        Path("study.toml").write_text(
            'nmae = "x"\nprimary = "acuracy"\nseeds = 0\n[base]\ndataset = "digit"\nseed = 1\nhead = "softmax"\n'
            '[base.train]\nepochs = "many"\n[axes]\nhead = ["archface", "cosfce"]\nrate = [2]\n'
            '[[methods]]\nhaed = "x"\n'
        )
        code, out, err = cli("check", "study.toml")
        assert (code, err) == (2, "")
        first, *listed = out.splitlines()
        assert first == "study.toml: 11 mistakes"
        places = ["base.seed ", "base.head ", "'nmae'", "primary:", "seeds:", "base.dataset", "base.train.epochs",
                  "axes.head[0]", "axes.head[1]", "axes.rate[0]", "'methods[0].haed'"]  # fmt: skip
        assert len(listed) == len(places)
        for place in places:
            assert sum(place in line for line in listed) == 1, place
        answer = json.loads(cli("check", "study.toml", "--json")[1])
        assert [f"  {text}" for text in answer["mistakes"]] == listed
        code, out, err = cli("sweep", "study.toml")
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert all(text.strip() in err for text in listed)

    def test_a_file_that_is_no_toml_is_check_s_answer_too(self, cli: Cli) -> None:
        Path("study.toml").write_text("a = \n")
        code, out, err = cli("check", "study.toml")
        assert (code, err) == (2, "")
        assert out == "study.toml: 1 mistake\n  study.toml is not TOML: Invalid value (at line 1, column 5)\n"

    def test_a_file_that_is_not_there(self, cli: Cli) -> None:
        code, out, err = cli("check", "no/study.toml")
        assert (code, out) == (2, "")
        assert err == "noisylabels: cannot read study file no/study.toml: No such file or directory\n"

    def test_bom_and_crlf(self, tmp_path: Path) -> None:
        file = tmp_path / "study.toml"
        file.write_bytes(b"\xef\xbb\xbfseeds = 2\r\n[base]\r\ndataset = 'digits'\r\nhead = 'cosface'\r\n")
        assert Study.from_toml(file).base.short("head") == "cosface"

    def test_10_mb_are_refused_before_anything_is_parsed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def parse(text: str) -> dict[str, object]:
            pytest.fail(f"parsed {len(text)} characters")

        monkeypatch.setattr(tomllib, "loads", parse)
        started = time.process_time()
        said = mistakes(GOOD + "#" * 10_000_000, tmp_path)
        assert said == f"a study file must have at most {MAX_BYTES} bytes; {tmp_path / 'study.toml'} has more"
        assert time.process_time() - started < 1

    def test_a_large_file_below_the_limit_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "study.toml").write_text("#" * (MAX_BYTES - len(GOOD) - 1) + "\n" + GOOD)
        assert len(Study.from_toml(tmp_path / "study.toml").plan()) == 1

    def test_pipes_folders_and_devices_are_no_study_files(self, tmp_path: Path) -> None:
        """A pipe would be waited for, and a device has no end."""
        os.mkfifo(tmp_path / "pipe.toml")
        (tmp_path / "folder.toml").mkdir()
        (tmp_path / "zero.toml").symlink_to("/dev/zero")
        for name in ("pipe.toml", "folder.toml", "zero.toml"):
            with pytest.raises(UsageError, match="a study file must be a file; "):
                Study.from_toml(tmp_path / name)

    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "study.toml").symlink_to("study.toml")
        with pytest.raises(UsageError, match=r"cannot read study file .*: Too many levels of symbolic links"):
            Study.from_toml(tmp_path / "study.toml")


class TestHostileNames:
    """Fault 28."""

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_study_s_name_is_a_folder_s_name_or_refused(self, name: str) -> None:
        with pytest.raises(UsageError) as caught:
            Study.checked({"name": name, "base": {"dataset": "digits"}})
        said = str(caught.value)
        assert said.startswith(
            "name: must be 1 to 64 letters, digits, '-' and '_', the first of them a letter or a digit"
        )
        assert said.isprintable()
        assert len(said) < 200

    @given(st.text(max_size=80))
    def test_whatever_a_folder_is_called_its_study_has_a_name(self, name: str) -> None:
        assert re.fullmatch(NAME, name_of(Path("/") / name.replace("\0", "") / "study.toml"))

    @pytest.mark.parametrize("name", [*HOSTILE, "x" * 5000, "a\x00b.toml", "x" * 5000 + ".toml"])
    def test_looking_for_a_study_of_that_name(self, name: str) -> None:
        with pytest.raises(UsageError, match=r"unknown study|cannot read study file"):
            Study.find(name)

    @pytest.mark.parametrize(
        "text", [t for t in HOSTILE if t.strip()] + ["x\n# heading", "[a](http://b.c)", "| a | b |"]
    )
    def test_free_texts_are_harmless_in_both_reports(self, text: str) -> None:
        """Question, claims and reasons say what they like."""
        claim = f"a is better than b in accuracy under {text}"
        before = Study.checked({"name": "s", "question": text, "base": {"dataset": "digits"}, "claims": [claim]})
        after = Study.checked(before.model_dump() | {"claims": [claim, f"{claim} again"], "seeds": [1]})
        now = datetime(2026, 1, 1, tzinfo=UTC)
        frozen = frozen_again(before, None, level=LEVEL, date=now)
        frozen = frozen_again(after, frozen, level=LEVEL, date=now, reason=text)
        report = ReportData(before.name, before.question, (deviations_section(before, frozen, []),))
        page, plain = to_html(report), to_markdown(report)
        tags = Tags()
        tags.feed(page)
        assert not {"script", "img"} & tags.seen
        assert {"h1", "table"} <= tags.seen
        for document in (page, plain):
            assert not any(char in document for char in "\x00\u202e")
        body = [line for line in plain.splitlines() if line]
        assert [line for line in body if line.startswith("#")] == ["# s", "## Deviations from the frozen plan"]
        assert "<script" not in plain
        assert not re.search(r"(?<!\\)\]\(", plain)

    def test_a_freeze_keeps_free_texts_as_they_are(self, tmp_path: Path) -> None:
        for text in ("a\x00b\u202e\ud83e\udd8a".encode("utf-16", "surrogatepass").decode("utf-16"), "</script>\n"):
            study = Study.checked({"name": "s", "question": text, "base": {"dataset": "digits"}})
            write_frozen(tmp_path / "f.json", frozen_again(study, None, level=LEVEL, date=datetime.now(UTC)))
            frozen = read_frozen(tmp_path / "f.json")
            assert frozen is not None
            assert frozen.current.plan["question"] == text

    def test_a_question_cannot_talk_to_the_terminal(self, cli: Cli) -> None:
        Path("study.toml").write_text('question = "a\\u001b[2Jb\\nc\\u202ed"\n' + GOOD)
        out = cli("check", "study.toml")[1]
        assert "question  a\ufffd[2Jb c\ufffdd\n" in out


class Tags(HTMLParser):
    """Which elements a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


class TestPlaces:
    """Fault 32: nothing that is kept knows where it lies."""

    STUDY = (
        '[base]\ndataset = "digits:per_class=20,test_per_class=10"\nmodel = "small_cnn:width=4"\n'
        '[base.train]\nepochs = 1\nbatch_size = 32\naugment = "none"\n'
    )

    def test_moved_renamed_and_linked_between_run_and_resume(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = tmp_path / "mes études" / "n° 1"
        (work / "étude un").mkdir(parents=True)
        (work / "étude un" / "study.toml").write_text(self.STUDY)
        monkeypatch.chdir(work)
        assert cli("study", "freeze", "./étude un")[0] == 0
        code, out, err = cli("sweep", "étude un/study.toml", "--quiet")
        assert code == 0, err
        assert out.startswith("etude-un: 1 of 1 runs in ")
        monkeypatch.chdir(tmp_path)
        work.parent.rename(tmp_path / "déplacé")
        work = tmp_path / "déplacé" / "n° 1"
        (tmp_path / "link").symlink_to(work)
        done = "etude-un: all 1 runs were done already"
        monkeypatch.chdir(tmp_path / "link")
        assert cli("sweep", "étude un/study.toml")[1].startswith(done)
        monkeypatch.chdir(work / "étude un")
        assert cli("sweep", "study.toml", "--runs", "../runs")[1].startswith(done)
        monkeypatch.chdir(tmp_path)
        assert cli("sweep", "link/étude un", "--runs", "link/runs")[1].startswith(done)
        assert cli("check", "link/étude un", "--runs", "link/runs")[1].count("of which 1 are done") == 1
        assert cli("study", "deviations", "link/étude un", "--runs", "link/runs")[1].strip() == "none"

    def test_a_linked_study_folder_is_called_as_the_link(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "study.toml").write_text(GOOD)
        (tmp_path / "alias").symlink_to("real")
        monkeypatch.chdir(tmp_path / "real")
        assert Study.from_toml(Path("study.toml")).name == "real"
        assert Study.from_toml(Path("../real/study.toml")).name == "real"
        assert Study.from_toml(tmp_path / "alias" / "study.toml").name == "alias"
