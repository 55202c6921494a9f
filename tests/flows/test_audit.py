"""``noisylabels audit`` as a user meets it: audited, applied, undone; hostile names, broken files, one-line errors."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from corruptions import Pair, Symmetric
from corruptions.label_file import read_annotations
from noisylabels.audit.auditing import Material, audit_with
from noisylabels.audit.folder import write_audit
from noisylabels.audit.subject import subject
from noisylabels.data import Digits
from noisylabels.spec import RunSpec

Cli = Callable[..., tuple[int, str, str]]

TRAINED = ("--folds", "2", "--model", "small_cnn:width=4", "--set", "train.epochs=2", "-q", "--device", "cpu")
HOSTILE = ("=HYPERLINK(1)", "<img src=x onerror=alert(1)>", "\u202egnp.exe \"'&", "plain")


def write_pets(root: Path, images: int = 8) -> None:
    """Four classes of hostile names, told apart by their grey; in each but the last one image of the next class."""
    for label, name in enumerate(HOSTILE):
        (root / name).mkdir(parents=True)
        for number in range(images):
            grey = 30 + 60 * ((label + (number == 0)) % 4)
            noise = np.random.default_rng(100 * label + number).integers(0, 25, (8, 8, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(noise + np.uint8(grey)).save(stream, "png")
            (root / name / f"<b>{number}.png").write_bytes(stream.getvalue())


def digest_of(root: Path) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


def test_audit_apply_and_undo(cli: Cli, tmp_path: Path) -> None:
    arguments = ("audit", "digits:per_class=30", "--corruption", "symmetric:rate=0.3", "--out", "found", *TRAINED)
    code, out, err = cli(*arguments)
    assert code == 0, err
    assert re.search(r"About [\d.]+% \[[\d.]+%, [\d.]+%\] of 300 labels are wrong \(95 % interval", out)
    for name in ("area_under_margin", "forgetting"):
        assert re.search(rf"  {name} .*\(in sample, n = 300\)", out)
    assert re.search(r"  self_confidence .*\(out of sample, n = 300\)", out)
    corruption = ("--corruption", "symmetric:rate=0.3", "--json", "--out", "again")
    code, again, _ = cli("audit", "digits:per_class=30", "--probabilities", "found/probabilities.npy", *corruption)
    first = json.loads((tmp_path / "found/audit.json").read_text())
    ranked = {one["detector"]: one["average_precision"] for one in first["quality"]}
    for one in json.loads(again)["quality"][:3]:
        assert one["average_precision"] == pytest.approx(ranked[one["detector"]], abs=1e-4), "what was kept is read"
    names = {path.name for path in (tmp_path / "found").iterdir()}
    assert names >= {"audit.json", "actions.csv", "review.html", "labels.npz", "evidence.npz"}

    rows = list(csv.DictReader(io.StringIO((tmp_path / "found/actions.csv").read_text())))
    relabelled = [row for row in rows if row["action"] == "relabel"]
    code, out, err = cli("audit", "apply", "found", "--out", "clean.npz")
    assert code == 0, err
    assert out.startswith(f"digits:per_class=30: {len(relabelled)} of 300 labels changed, 0 left out\n")
    sets = read_annotations(tmp_path / "clean.npz")  # in the format of every label file
    place = {int(one): row for row, one in enumerate(sets["ids"])}
    for row in relabelled:
        assert sets["given_label"][place[int(row["id"])]] == int(row["given"])
        assert sets["cleaned_label"][place[int(row["id"])]] == int(row["target"])
    code, out, err = cli("audit", "undo", "clean.npz", "--out", "back.npz")
    assert code == 0, err
    np.testing.assert_array_equal(read_annotations(tmp_path / "back.npz")["cleaned_label"], sets["given_label"])
    assert (sets["given_label"] != sets["cleaned_label"]).sum() == len(relabelled)


def test_the_same_command_gives_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
    for out in ("first", "second"):
        assert cli("audit", "digits:per_class=20", "--out", out, *TRAINED)[0] == 0
    for name in ("audit.json", "actions.csv", "review.html"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def perfect_probabilities(path: Path, labels: np.ndarray, classes: int = 10) -> None:
    np.save(path, (0.9 * np.eye(classes)[labels] + 0.1 / classes).astype(np.float32))


def test_probabilities_of_the_users_find_the_injected_errors(cli: Cli, tmp_path: Path) -> None:
    pool = Digits(per_class=30, validation=0.0).prepare(tmp_path).train
    perfect_probabilities(tmp_path / "p.npy", pool.labels)
    arguments = ("audit", "digits:per_class=30", "--corruption", "symmetric:rate=0.2", "--probabilities", "p.npy")
    code, out, err = cli(*arguments, "--out", "found", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["noise_rate"]["value"] == pytest.approx(0.2)
    assert answer["interval"] == "sampling alone"
    assert answer["noise_kind"]["kind"] == "no claim", "60 suspects are too few"
    assert {one["average_precision"] for one in answer["quality"]} == {1.0}
    assert answer["actions"] == {"relabel": 60}
    assert cli("audit", "apply", "found", "--out", "clean.npz")[0] == 0
    np.testing.assert_array_equal(read_annotations(tmp_path / "clean.npz")["cleaned_label"], pool.labels)
    code, out, _ = cli("audit", "apply", "found", "--out", "some.npz", "--top", "0.05", "--json")
    assert (code, json.loads(out)["changed"]) == (0, 15)
    told = json.loads(cli(*arguments, "--out", "told", "--in-sample", "--json")[1])
    assert all(one["in_sample"] for one in told["detectors"])


def test_quality_is_told_for_each_kind_of_injected_noise(cli: Cli, tmp_path: Path) -> None:
    pool = Digits(per_class=30, validation=0.0).prepare(tmp_path).train
    perfect_probabilities(tmp_path / "p.npy", pool.labels)
    both = "symmetric:rate=0.1 + pair:rate=0.2"
    arguments = ("audit", "digits:per_class=30", "--probabilities", "p.npy", "--json", "--out", "found")
    code, out, err = cli(*arguments, "--corruption", both)
    assert code == 0, err
    found = {one["noise"]: one for one in json.loads(out)["quality"] if one["detector"] == "combined"}
    assert set(found) == {"all", "symmetric", "pair"}
    assert found["pair"]["wrong"] == 60, "the later step wins: all of its labels are its own"
    assert 20 <= found["symmetric"]["wrong"] <= 30, "but for those that the pair step took over"
    assert found["all"]["wrong"] == found["pair"]["wrong"] + found["symmetric"]["wrong"] - shared(pool.labels)
    page = (tmp_path / "found/review.html").read_text()
    assert "Average precision, pair" in page


def shared(true: np.ndarray) -> int:
    """Labels that both steps would have made the same: of either kind."""
    ids = Digits(per_class=30, validation=0.0).prepare(Path()).train.ids
    steps = [Symmetric(rate=0.1), Pair(rate=0.2)]
    first, second = (step.apply(true, 10, seed=0, example_ids=ids).given for step in steps)
    return int(np.count_nonzero((first == second) & (first != true)))


def test_embeddings_of_the_users_are_audited_without_training(cli: Cli, tmp_path: Path) -> None:
    pool = Digits(per_class=30, validation=0.0).prepare(tmp_path).train
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(10, 16))
    np.save(tmp_path / "e.npy", (centres[pool.labels] + 0.15 * draw.normal(size=(300, 16))).astype(np.float32))
    arguments = ("audit", "digits:per_class=30", "--embeddings", "e.npy", "--corruption", "symmetric:rate=0.1")
    code, out, err = cli(*arguments, "--out", "found", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert "noise_rate" not in answer, "embeddings say which, not how many"
    quality = {one["detector"]: one for one in answer["quality"]}
    assert quality["combined"]["auroc"] > 0.99
    assert answer["findings"]["flip"] >= 20, "of 30"
    np.save(tmp_path / "e.npy", np.zeros((300, 16)))
    code, _, err = cli(*arguments, "--out", "other")
    assert (code, err.count("\n")) == (2, 1)
    assert "e.npy" in err


def test_labels_of_a_file_and_the_test_split(cli: Cli, tmp_path: Path) -> None:
    data = Digits().prepare(tmp_path)
    wrong = np.zeros(int(data.test.ids.max()) + 1, dtype=np.int64)
    wrong[data.test.ids] = data.test.labels
    flipped = data.test.ids[:7]
    wrong[flipped] = (wrong[flipped] + 1) % 10
    np.savez(tmp_path / "labels.npz", mine=wrong)
    perfect_probabilities(tmp_path / "p.npy", data.test.labels)
    arguments = ("audit", "digits", "--split", "test", "--labels", "labels.npz", "--label-set", "mine")
    code, out, err = cli(*arguments, "--probabilities", "p.npy", "--out", "found", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert (answer["subject"], answer["images"], answer["actions"]) == (
        "digits (test split)",
        len(data.test),
        {"relabel": 7},
    )
    rows = csv.DictReader(io.StringIO((tmp_path / "found/actions.csv").read_text()))
    assert sorted(int(row["id"]) for row in rows) == sorted(flipped.tolist())


@pytest.mark.slow
def test_what_if_says_what_errors_cost(cli: Cli) -> None:
    code, out, err = cli(
        *("audit", "digits:per_class=60", "--corruption", "symmetric:rate=0.3", "--out", "found"),
        *("--what-if", "--json", *TRAINED, "--set", "train.epochs=4", "--set", "train.batch_size=32"),
    )
    assert code == 0, err
    found = {one["name"]: one for one in json.loads(out)["what_if"]}
    assert list(found) == ["clean", "noisy", "top 1 %", "top 5 %", "top 10 %", "random 10 %"]
    assert found["clean"]["wrong"] == 0.0
    wrong = [found[name]["wrong"] for name in ("noisy", "top 1 %", "top 5 %", "top 10 %")]
    assert wrong == sorted(wrong, reverse=True)
    assert wrong[0] == pytest.approx(json.loads(out)["noise_rate"]["value"], abs=0.003), "as estimated, exactly"
    assert wrong[0] - wrong[3] > wrong[0] - found["random 10 %"]["wrong"], "the suspicious are wrong more often"


class Tags(HTMLParser):
    """What a browser would make elements of."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@pytest.fixture
def hostile(cli: Cli, tmp_path: Path) -> Path:
    """A folder of hostile names, audited by probabilities that know its three wrong labels."""
    write_pets(tmp_path / "pets")
    before = digest_of(tmp_path / "pets")
    names = sorted(HOSTILE)
    greys = [HOSTILE.index(name) for name in names for _ in range(8)]
    true = [names.index(HOSTILE[(grey + (row % 8 == 0)) % 4]) for row, grey in enumerate(greys)]
    dataset = "folder:root=pets,size=8,test=0.1"
    probabilities = 0.9 * np.eye(4)[true] + 0.025
    np.save(tmp_path / "p.npy", np.concatenate([probabilities, probabilities[:1]]))  # by id: more rows than images
    code, _, err = cli("audit", dataset, "--probabilities", "p.npy", "--out", "found", "--data", tmp_path)
    assert code == 0, err
    assert digest_of(tmp_path / "pets") == before, "no image is ever touched"
    return tmp_path / "found"


def test_hostile_names_are_words(hostile: Path) -> None:
    page = (hostile / "review.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert not any(key.startswith("on") for _, attributes in tags.seen for key in attributes)
    assert {str(attributes["src"]).partition(",")[0] for tag, attributes in tags.seen if tag == "img"} == {
        "data:image/png;base64"
    }
    assert [tag for tag, _ in tags.seen].count("script") == 1
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "\u202e" not in page
    rows = list(csv.DictReader(io.StringIO((hostile / "actions.csv").read_text(encoding="utf-8"))))
    assert rows
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    assert any("<b>" in row["image"] for row in rows), "files are named for who has to find them"


def test_the_pages_only_script_is_the_one_its_policy_names(hostile: Path) -> None:
    page = (hostile / "review.html").read_text(encoding="utf-8")
    script = page.partition("<script>")[2].partition("</script>")[0]
    named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert f"script-src 'sha256-{named}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit of 100 digits, 20 of them labelled wrongly, by probabilities that know."""
    folder = tmp_path_factory.mktemp("finished")
    spec = RunSpec.checked({"dataset": "digits:per_class=10", "corruption": "symmetric:rate=0.2"})
    about = subject(spec, folder)
    assert about.true is not None
    perfect_probabilities(folder / "p.npy", about.true)
    write_audit(folder / "found", *audit_with(spec, about, Material(probabilities=folder / "p.npy")))
    return folder / "found"


@pytest.fixture
def found(cli: Cli, finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "found"))


def edited(found: Path, old: str, new: str) -> str:
    text = (found / "actions.csv").read_text()
    head, first, *rest = text.splitlines()
    (found / "edited.csv").write_text("\n".join([head, re.sub(old, new, first, count=1), *rest, ""]))
    return str(found / "edited.csv")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("relabel", "relable", "line 2: unknown action 'relable'; did you mean 'relabel'?"),
        (r"relabel,(\d+),", r"relabel,99999,", "image 99999 is not among them"),
        (r"(relabel,\d+),\d", r"\1,-3", "given must be a whole number of at least 0; got '-3'"),
        (r"(relabel,\d+,\d+,\d+),\d+", r"\1,12", r"targets must be in [0, 10); got 12"),
        (r"(relabel,\d+,\d+,\d+),\d+", r"\1,", "line 2: relabel needs a target; got none"),
    ],
)
def test_edited_lists_that_cannot_be_taken(cli: Cli, found: Path, old: str, new: str, said: str) -> None:
    code, _, err = cli("audit", "apply", "found", "--out", "clean.npz", "--actions", edited(found, old, new))
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert not Path("clean.npz").exists()


def test_removed_and_merged(cli: Cli, found: Path) -> None:
    text = (found / "actions.csv").read_text()
    (found / "edited.csv").write_text(text.replace("relabel", "remove", 3))
    arguments = ("audit", "apply", "found", "--out", "clean.npz", "--actions", "found/edited.csv", "--json")
    assert json.loads(cli(*arguments, "--take", "remove")[1]) | {"files": 0} == {
        "files": 0,
        "images": 100,
        "changed": 3,
        "removed": 3,
    }
    assert cli("audit", "undo", "clean.npz", "--out", "back.npz")[0] == 0
    before = read_annotations(found / "labels.npz")["given_label"]
    np.testing.assert_array_equal(read_annotations(Path("back.npz"))["cleaned_label"], before)
    given = int(before[0])
    header = text.partition("\n")[0]
    line = dict.fromkeys(header.split(","), "") | {"action": "merge", "target": str((given + 1) % 10)}
    line |= {"id": str(read_annotations(found / "labels.npz")["ids"][0]), "given": str(given)}
    (found / "edited.csv").write_text(f"{header}\n{','.join(line.values())}\n")
    assert json.loads(cli(*arguments, "--take", "merge")[1])["changed"] == np.count_nonzero(before == given)
    code, _, err = cli(*arguments, "--take", "split")
    assert code == 2
    assert "unknown action to take 'split'" in err


def test_what_was_altered_since_is_not_undone(cli: Cli, found: Path) -> None:
    assert cli("audit", "apply", "found", "--out", "clean.npz")[0] == 0
    sets = read_annotations(Path("clean.npz"))
    record = Path("clean.undo.json").read_text()
    other = sets["cleaned_label"].copy()
    other[0] = (other[0] + 1) % 10
    np.savez("other.npz", ids=sets["ids"], given_label=sets["given_label"], cleaned_label=other)
    code, _, err = cli("audit", "undo", "other.npz", "--record", "clean.undo.json", "--out", "back.npz")
    assert (code, "its labels are other ones" in err) == (2, True)
    changes = json.loads(record)
    changes["changes"][0]["from"] = (changes["changes"][0]["from"] + 1) % 10
    Path("clean.undo.json").write_text(json.dumps(changes))
    code, _, err = cli("audit", "undo", "clean.npz", "--out", "back.npz")
    assert (code, "contradicts itself" in err) == (2, True)
    Path("clean.undo.json").write_text("[" * 5000)
    code, _, err = cli("audit", "undo", "clean.npz", "--out", "back.npz")
    assert (code, "it must be JSON" in err) == (2, True)
    assert not Path("back.npz").exists()


class Executed:
    """What a hostile pickle would do."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


def test_no_pickle_is_ever_loaded(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([Executed()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "p.npz", p=np.array([Executed()], dtype=object))
    for name in ("p.npy", "p.npz"):
        for option in ("--probabilities", "--embeddings"):
            code, _, err = cli("audit", "digits:per_class=10", option, name, "--out", "found")
            assert (code, err.count("\n")) == (2, 1)
            assert "nothing in it was executed" in err
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((99, 10)), "must have 100 rows, one an image, or one for every image id up to"),
        (np.full((100, 7), 1 / 7), r"must hold one array of shape (rows, 10); got (100, 7)"),
        (np.full((100, 10), 0.3), "rows of probabilities must be at least 0 and sum to 1; row 0 sums to 3"),
        (np.full((100, 10), np.nan), "rows of probabilities must be at least 0 and sum to 1; row 0 sums to nan"),
    ],
)
def test_files_that_do_not_fit(cli: Cli, array: np.ndarray, said: str) -> None:
    np.save("p.npy", array)
    code, _, err = cli("audit", "digits:per_class=10", "--probabilities", "p.npy", "--out", "found")
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--in-sample",), "--in-sample is about --probabilities or --embeddings of yours"),
        (("--split", "train"), "--split must be pool or test; got 'train'"),
        (("--probabilities", "none.npy"), "cannot read none.npy: No such file or directory"),
        (("--folds", "101", *TRAINED[2:]), "folds must be in [2, 100], the number of examples; got 101"),
        (("--labels", "none.npz"), "none.npz cannot be read"),
        (("--split", "test", "--corruption", "symmetric:rate=0.1"), "leave out --split test and --labels"),
        (("--loss", "forward:transition=oracle", *TRAINED), "an audit cannot tell a method the true transition matrix"),
    ],
)
def test_what_cannot_be_asked(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = cli("audit", "digits:per_class=10", "--out", "found", *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert not Path("found").exists()


def test_help_and_no_audit_there(cli: Cli) -> None:
    assert "noisylabels audit DATASET" in cli("audit", "--help")[1]
    assert "--what-if" in cli("audit", "dataset", "--help")[1]
    code, _, err = cli("audit", "apply", "nothing", "--out", "x.npz")
    assert (code, err.count("\n")) == (2, 1)
