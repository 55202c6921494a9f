"""Power and sample sizes against published values, an integral, brute force and simulation."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from noisylabels.cli import main
from noisylabels.records import write_records
from noisylabels.result import Measurement, RunResult
from noisylabels.statistics import power as power_module
from noisylabels.statistics import sign_flip_p
from noisylabels.statistics.power import (
    least_pairs,
    sign_flip_pairs,
    sign_flip_power,
    spread_upper_limit,
    t_test_pairs,
    t_test_power,
)
from noisylabels.study import Study

Pairs = Callable[[float], int]


def monte_carlo_error(power: float, *draws: int) -> float:
    """Four standard errors."""
    return 4 * math.sqrt(power * (1 - power) * sum(1 / n for n in draws))


# --- the t-test ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "power", "pairs"),
    [(0.2, 0.8, 198.1508), (0.5, 0.8, 33.36713), (0.8, 0.8, 14.30276), (0.5, 0.9, 43.99552)],
)
def test_pairs_are_those_of_rs_power_package(effect: float, power: float, pairs: float) -> None:
    """``pwr.t.test(d, power, type = "paired")`` gives n as a real number, level 0.05, two-sided."""
    assert t_test_pairs(effect, power=power) == math.ceil(pairs)
    below, above = math.floor(pairs), math.ceil(pairs)
    powers = t_test_power(effect, below), t_test_power(effect, above)
    assert np.interp(pairs, (below, above), powers) == pytest.approx(power, abs=1e-3)


@pytest.mark.parametrize("pairs", [2, 3, 5, 12, 40])
@pytest.mark.parametrize("effect", [0.1, 0.7, 2.0, 6.0])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_power_is_the_integral_over_the_spread(pairs: int, effect: float, level: float) -> None:
    """Given the sample's spread u (a chi over its degrees of freedom) the mean is normal: no noncentral t needed."""
    df, shift = pairs - 1, effect * math.sqrt(pairs)
    critical = stats.t.ppf(1 - level / 2, df)

    def rejected(u: float) -> float:
        given = stats.norm.sf(critical * u - shift) + stats.norm.cdf(-critical * u - shift)
        return float(given * stats.chi.pdf(u * math.sqrt(df), df) * math.sqrt(df))

    expected = integrate.quad(rejected, 0, 12, limit=200, points=[0.5, 1, 2])[0]
    assert t_test_power(effect, pairs, level=level) == pytest.approx(expected, abs=1e-7)
    assert t_test_power(-effect, pairs, level=level) == t_test_power(effect, pairs, level=level)


def test_without_an_effect_the_power_is_the_level() -> None:
    assert t_test_power(0.0, 7, level=0.03) == pytest.approx(0.03, abs=1e-12)


def simulated_t(effect: float, pairs: int, draws: int = 40_000) -> float:
    differences = np.random.default_rng(pairs).normal(effect, 1, (draws, pairs))
    return float((stats.ttest_1samp(differences, 0, axis=1).pvalue <= 0.05).mean())


EFFECTS = (0.4, 0.9, 1.5)


def check_pairs(pairs_for: Pairs) -> None:
    """The returned n reaches the power, one pair less does not."""
    error = monte_carlo_error(0.8, 40_000)
    for effect in EFFECTS:
        pairs = pairs_for(effect)
        assert simulated_t(effect, pairs) > 0.8 - error
        assert simulated_t(effect, pairs - 1) < 0.8 + error


def test_the_returned_pairs_have_the_power_and_one_less_has_not() -> None:
    check_pairs(t_test_pairs)


def normal_pairs(effect: float) -> int:
    return math.ceil(((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / effect) ** 2)


TWINS: dict[str, Pairs] = {
    "one-sided": lambda effect: t_test_pairs(effect, level=0.1),
    "a known spread": normal_pairs,
    "pairs taken for two groups": lambda effect: t_test_pairs(effect / math.sqrt(2)),
    "rounded down": lambda effect: t_test_pairs(effect) - 1,
    "one to be safe": lambda effect: t_test_pairs(effect) + 1,
}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_pairs_are_found_out(twin: str) -> None:
    with pytest.raises(AssertionError):
        check_pairs(TWINS[twin])


@pytest.mark.parametrize("effect", [1e-4, 20.0])
def test_the_smallest_and_largest_effects_end(effect: float) -> None:
    pairs = t_test_pairs(effect)
    assert pairs == 2 or pairs == pytest.approx((2.801585 / effect) ** 2, rel=1e-5)


# --- the exact sign-flip test --------------------------------------------------------------------------------------


def simulated_sign_flip(effect: float, pairs: int, draws: int = 20_000) -> float:
    """All patterns of signs, written out."""
    differences = np.random.default_rng([1, pairs]).normal(effect, 1, (draws, pairs))
    signs = np.array(list(itertools.product((-1, 1), repeat=pairs)))
    sums = np.abs(differences @ signs.T)
    p = (sums >= np.abs(differences.sum(1, keepdims=True)) - 1e-9).mean(1)
    return float((p <= 0.05).mean())


def check_sign_flip_pairs(pairs_for: Pairs) -> None:
    error = monte_carlo_error(0.8, 20_000, 3000)
    for effect in (1.2, 2.0):  # 9 pairs, where power decides, and 6, where the smallest p does
        pairs = pairs_for(effect)
        assert simulated_sign_flip(effect, pairs) > 0.8 - error
        assert simulated_sign_flip(effect, pairs - 1) < 0.8 + error


def test_the_sign_flip_tests_pairs_have_the_power_and_one_less_has_not() -> None:
    check_sign_flip_pairs(lambda effect: sign_flip_pairs(effect, seed=3, draws=3000) or 0)


SIGN_FLIP_TWINS: dict[str, Pairs] = {
    "one-sided": lambda effect: sign_flip_pairs(effect, level=0.1, seed=3, draws=500) or 0,
    "the t-test's": t_test_pairs,
    "the fewest that can": lambda effect: least_pairs(0.05),
}


@pytest.mark.parametrize("twin", SIGN_FLIP_TWINS)
def test_wrong_pairs_for_the_sign_flip_test_are_found_out(twin: str) -> None:
    with pytest.raises(AssertionError):
        check_sign_flip_pairs(SIGN_FLIP_TWINS[twin])


@pytest.mark.parametrize(("effect", "pairs"), [(0.5, 16), (1.0, 7), (1.0, 10), (0.8, 24)])
def test_on_normal_differences_no_pair_is_saved_against_the_t_test(effect: float, pairs: int) -> None:
    power = t_test_power(effect, pairs)
    assert sign_flip_power(effect, pairs, seed=5) < power + monte_carlo_error(power, 1000)


@pytest.mark.parametrize("cells", [30, 2000])
def test_bracketing_a_p_value_decides_as_counting_it_does(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a grid far coarser than the one used, too, and at a level that is the very p-value."""
    monkeypatch.setattr(power_module, "CELLS", cells)
    for seed in range(60):
        differences = np.random.default_rng(seed).normal(0.35, 1, 21)
        p = sign_flip_p(differences)
        for level in (0.05, p, np.nextafter(p, 0), p + 1e-4, p - 1e-4):
            assert power_module._rejects(differences, level) == (p <= level)


def test_a_bracket_without_room_for_rounding_decides_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    real = power_module._bracket

    def without_slack(steps: NDArray[np.int64], observed: float, slack: float) -> tuple[float, float]:
        return real(steps, observed, 0.0)

    monkeypatch.setattr(power_module, "_bracket", without_slack)
    with pytest.raises(AssertionError):
        test_bracketing_a_p_value_decides_as_counting_it_does(30, monkeypatch)


def test_what_more_than_forty_pairs_would_take_is_none() -> None:
    assert sign_flip_pairs(0.3, seed=0) is None
    assert sign_flip_pairs(0.1, seed=0, level=1e-9) is None


def test_one_seed_gives_one_answer_and_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - to see that nobody moves it
    assert sign_flip_power(1.0, 9, seed=4) == sign_flip_power(1.0, 9, seed=4)
    assert len({sign_flip_power(1.0, 9, seed=seed) for seed in range(4)}) > 1
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_fewer_seeds_than_six_cannot_reach_five_per_cent() -> None:
    assert [sign_flip_power(50.0, pairs, seed=0) for pairs in (1, 3, 5, 6)] == [0, 0, 0, 1]
    one_sign = {pairs: sign_flip_p([1.0] * pairs) for pairs in range(1, 21)}
    for comparisons in (1, 2, 8, 15, 100):
        fewest = next(pairs for pairs, p in one_sign.items() if p <= 0.05 / comparisons)
        assert least_pairs(0.05 / comparisons) == fewest


# --- the pilot's spread --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_the_upper_limit_of_a_spread_is_above_it_as_often_as_it_claims(n: int) -> None:
    assert spread_upper_limit(1.0, n) == pytest.approx(math.sqrt((n - 1) / stats.chi2.ppf(0.05, n - 1)))
    found = np.random.default_rng(n).standard_normal((20_000, n)).std(axis=1, ddof=1)
    covered = np.mean([spread_upper_limit(float(sd), n) >= 1 for sd in found])
    assert abs(covered - 0.95) < monte_carlo_error(0.95, 20_000)


@pytest.mark.parametrize(
    "call",
    [
        lambda: t_test_power(0.5, 1),
        lambda: t_test_power(0.5, 5, level=0.0),
        lambda: t_test_pairs(0.0),
        lambda: t_test_pairs(math.nan),
        lambda: t_test_pairs(0.5, power=1.0),
        lambda: sign_flip_power(0.5, 0, seed=0),
        lambda: sign_flip_pairs(math.inf, seed=0),
        lambda: least_pairs(0.0),
        lambda: spread_upper_limit(1.0, 1),
        lambda: spread_upper_limit(-1.0, 3),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must be .*; got"):
        call()


# --- the command ---------------------------------------------------------------------------------------------------

STUDY = """
[base]
dataset = "digits"
[axes]
head = ["softmax", "cam_softmax", "arcface"]
corruption = ["symmetric"]
rate = [{rates}]
"""
SEEDS = 5


def accuracy(head: str, rate: float, seed: int) -> float:
    """What a seed adds to all methods is large; what tells them apart is small, and smaller still without noise."""
    shared = np.random.default_rng([seed, round(10 * rate)]).normal(0, 0.1)
    own = np.random.default_rng([seed, round(10 * rate), len(head)]).normal(0, 0.005 + 0.01 * rate)
    return float(0.7 - 0.5 * rate + shared + own)


def write_study(folder: Path, rates: str, seeds: int = SEEDS) -> Path:
    file = folder / "pilot" / "study.toml"
    file.parent.mkdir()
    file.write_text(f"seeds = {seeds}\n" + STUDY.format(rates=rates))
    results = []
    for spec in Study.from_toml(file).plan():
        head, rate = spec.short("head"), spec.plugin("corruption").rate
        value = accuracy(head, rate, spec.seed)
        status = "diverged" if (head, rate, spec.seed) == ("arcface", 0.4, 2) else "ok"
        measured = Measurement(name="accuracy", value=value, unit="share", higher_is_better=True, n=600)
        measurements = (measured,) if status == "ok" else ()
        results.append(RunResult(run_id=spec.run_id, spec=spec, status=status, measurements=measurements))
    write_records(file.with_name("records.jsonl"), results)
    return file


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOISYLABELS_RUNS", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["noisylabels", "study", "power", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


def paired_sd(rival: str, rates: tuple[float, ...]) -> float:
    """Of ours minus the rival's accuracy, or of the two losses where there is a clean rate, seed by seed."""
    seeds = [seed for seed in range(SEEDS) if (rival, seed) != ("arcface", 2)]
    differences = [accuracy("cam_softmax", rates[-1], s) - accuracy(rival, rates[-1], s) for s in seeds]
    if rates[0] == 0:
        clean = [accuracy("cam_softmax", 0.0, s) - accuracy(rival, 0.0, s) for s in seeds]
        differences = [c - d for c, d in zip(clean, differences, strict=True)]
    return float(np.std(differences, ddof=1))


@pytest.mark.parametrize(("rates", "of"), [((0.0, 0.4), "loss"), ((0.4,), "level")])
def test_the_command_takes_the_spread_of_paired_differences(
    rates: tuple[float, ...], of: str, cli: Cli, tmp_path: Path
) -> None:
    code, out, err = cli(write_study(tmp_path, ", ".join(map(str, rates))), "--effect", "3", "--json")
    assert code == 0, err
    found = {pilot["rival"]: pilot for pilot in json.loads(out)["pilots"]}
    assert {rival: (pilot["of"], pilot["pairs"]) for rival, pilot in found.items()} == {
        "softmax": (of, SEEDS), "arcface": (of, SEEDS - 1),
    }  # fmt: skip
    for rival, pilot in found.items():
        sd = paired_sd(rival, rates)
        assert pilot["sd"] == pytest.approx(sd)
        assert pilot["need"]["t_test"] == t_test_pairs(0.03 / sd)
        assert pilot["need"]["sign_flip"] == sign_flip_pairs(0.03 / sd, seed=0)
        assert pilot["need_upper"]["t_test"] == t_test_pairs(0.03 / spread_upper_limit(sd, pilot["pairs"]))
        unpaired = np.std([accuracy("cam_softmax", 0.4, s) for s in range(SEEDS)], ddof=1) * math.sqrt(2)
        assert 3 * pilot["need"]["t_test"] < t_test_pairs(0.03 / float(unpaired))  # what forgetting the pairs costs


def test_the_command_says_what_three_seeds_cannot_and_what_holm_takes(cli: Cli, tmp_path: Path) -> None:
    file = write_study(tmp_path, "0.0, 0.4", seeds=3)
    code, out, _ = cli(file, "--effect", "9")
    assert code == 0
    assert "0.25 with 3 seeds, which cannot reach p < 0.05. The pilot has 3; level 0.05 takes 6 or more." in out
    assert "over 2 comparisons the first must reach 0.05 / 2 = 0.025, which takes 7 pairs or more" in out
    assert "(--comparisons 2 plans for it)" in out
    answer = json.loads(cli(file, "--effect", "9", "--comparisons", "15", "--json")[1])
    pilot = answer["pilots"][0]
    assert answer["least_pairs"] == 10
    assert pilot["need"]["t_test"] == t_test_pairs(0.09 / pilot["sd"], level=0.05 / 15)
    assert pilot["need"]["sign_flip"] is None or pilot["need"]["sign_flip"] >= 10


def test_one_seed_has_no_spread_and_no_answer(cli: Cli, tmp_path: Path) -> None:
    file = write_study(tmp_path, "0.4", seeds=1)
    answer = json.loads(cli(file, "--effect", "1", "--json")[1])
    assert [(pilot["pairs"], pilot["sd"], pilot["need"]) for pilot in answer["pilots"]] == [(1, None, None)] * 2
    assert cli(file, "--effect", "1")[1].count("no spread") == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--effect", "0"), "--effect must be above 0; got 0.0"),
        (("--effect", "nan"), "--effect must be above 0; got nan"),
        (("--effect", "1", "--power", "1"), "--power must be in (0, 1); got 1.0"),
        (("--effect", "1", "--level", "5"), "--level must be in (0, 1); got 5.0"),
        (("--effect", "1", "--metric", "acuracy"), "unknown metric 'acuracy'; did you mean 'accuracy'?"),
    ],
)
def test_a_question_that_is_none(options: tuple[str, ...], sentence: str, cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(write_study(tmp_path, "0.4"), *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_a_study_of_one_method_has_nothing_to_compare(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "alone.toml"
    file.write_text('[base]\ndataset = "digits"\n')
    code, _, err = cli(file, "--effect", "1")
    assert (code, "alone has nothing to compare: it takes two methods" in err) == (2, True)
