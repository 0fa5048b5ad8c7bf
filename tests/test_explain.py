"""`explain`: which variants it tells of, what it says of each, and that it says of damage what `predict` says."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import date

import pyarrow.parquet as pq
import pytest
from command_line import calls
from hypothesis import given
from hypothesis import strategies as st
from night_world import TINY, spec_of
from specs import SMALL
from test_refusals import finished as finished
from test_refusals import tree

from sumsquares.jobs.night.context import NightContext
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.results.case import Cause, Change
from sumsquares.jobs.results.chosen import BEST, FIRST, FREQUENT, Wanted, choose
from sumsquares.jobs.results.collapse import Linear
from sumsquares.jobs.results.explanation import Explanation
from sumsquares.jobs.show.explanation import FLOORS, facts_of, formula, lines_of
from sumsquares.jobs.show.format import at_most
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.axes import DEFAULTS
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

HARM = {
    "no summary": ("summary.json", None),
    "a damaged summary": ("summary.json", b"{}"),
    "a summary of another spec": ("job.toml", SMALL.replace("0.001", "0.002").encode()),
    "no spec": ("job.toml", None),
    "a spec that is cut off": ("job.toml", SMALL.encode()[:90]),
}
"""Of a run's files: what `predict` refuses."""
ROW = {
    "variant_id": "0123456789abcdef",
    "dataset": "squares",
    **DEFAULTS,
    "hidden": "[16]",
    "parameters": 49,
    "n": 4,
    "n_diverged": 1,
    "rmse_median": 1234.5,
    "rmse_best": 12.25,
}
"""A row of the summary without evidence."""


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """The command line in a folder with the small spec as spec.toml."""
    (tmp_path / "spec.toml").write_text(SMALL)
    yield from calls(monkeypatch, capfd, tmp_path)


@pytest.fixture
def ran(cli, finished, tmp_path):
    """The same after a run of the small spec."""
    shutil.copytree(finished.root, tmp_path / "store")
    return cli


def explained(ran, *options):
    """What `explain --json` says of the small run, as a list."""
    ended = ran("explain", "small", "--json", *options)
    assert (ended.code, ended.err) == (0, "")
    datasets = json.loads(ended.out, parse_constant=pytest.fail)["datasets"]
    return [each for about in datasets.values() for each in about["explanations"]]


def test_it_changes_nothing_and_names_the_first_and_the_best_of_each_dataset(ran, tmp_path):
    """As text, and as JSON with the rows of the summary."""
    before = tree(tmp_path / "store")
    rows = {row["variant_id"]: row for row in pq.read_table(tmp_path / "store/runs/small/summary.parquet").to_pylist()}
    best = json.loads((tmp_path / "store/runs/small/summary.json").read_text())["best"]
    found = explained(ran)
    assert [each["variant"] for each in found] == [rows[each["variant"]["variant_id"]] for each in found]
    for name in ("sums", "squares"):
        first = next(each for each in rows.values() if each["dataset"] == name)
        role_of = {each["variant"]["variant_id"]: each["roles"] for each in found if each["variant"]["dataset"] == name}
        assert FIRST in role_of[first["variant_id"]]
        assert BEST in role_of[best[name]["variant_id"]]
    text = ran("explain", "small").out
    assert all(each["words"] in text.replace("\n      ", " ") for each in found)
    assert max(map(len, text.splitlines())) <= 100
    assert tree(tmp_path / "store") == before


def test_all_variants_or_those_of_some_values_come_worst_first(ran):
    """Each dataset by itself; conditions and a dataset are all met."""
    every = explained(ran, "--all-variants")
    assert len(every) == 20
    for name in ("sums", "squares"):
        medians = [each["variant"]["rmse_median"] for each in every if each["variant"]["dataset"] == name]
        assert medians == sorted(medians, reverse=True)
    some = explained(ran, "--variant", "activation=tanh", "--variant", "hidden = [5, 4]", "--dataset", "squares")
    wanted = [
        each
        for each in every
        if (each["variant"]["dataset"], each["variant"]["activation"]) == ("squares", "tanh")
        and each["variant"]["hidden"] == "[5, 4]"
    ]
    assert len(wanted) == 2
    assert [each["variant"] for each in some] == [each["variant"] for each in wanted]
    one = wanted[0]["variant"]["variant_id"]
    assert [each["variant"]["variant_id"] for each in explained(ran, "--variant", one)] == [one]


def test_the_causes_are_those_of_the_summary(ran):
    """At length, the first one with its remedy; what is infinite is null in the JSON."""
    for each in explained(ran, "--all-variants"):
        row, causes = each["variant"], each["causes"]
        assert ", ".join(cause["name"] for cause in causes) == row["causes"]
        assert causes[0]["name"] == row["cause"]
        assert (causes[0]["change"] or {"text": None})["text"] == row["remedy"]
        assert all(cause["sentence"].endswith(".") for cause in causes)


def test_only_networks_without_activation_have_an_equivalent_linear_function(ran):
    """Of the best trial, with a coefficient for each input."""
    for each in explained(ran, "--all-variants"):
        assert (each["linear"] is not None) == (each["variant"]["activation"] == "identity")
        if each["linear"]:
            names = {"sums": ["number_1", "number_2"], "squares": ["number_1", "unused_1"]}
            assert [*each["linear"]["coefficients"]] == names[each["variant"]["dataset"]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("nobody",), "there is no run 'nobody'"),
        (("small", "--dataset", "cubes"), "has no dataset 'cubes'; it has: sums, squares"),
        (("small", "--variant", "activation=relu"), "there are: identity, tanh"),
        (("small", "--variant", "colour=red"), "write NAME=VALUE with one of hidden, activation,"),
        (("champion",), "there is no champion yet"),
        (("small", "--max", "3"), "only apply to --prove: add it, or leave them out"),
    ],
)
def test_what_is_not_there_is_a_usage_error(ran, options, words):
    """Which names what there is."""
    ended = ran("explain", *options)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err


@pytest.mark.parametrize("harm", HARM)
def test_damage_to_a_runs_files_is_reported_as_predict_reports_it(ran, tmp_path, harm):
    """With the same message and exit code."""
    name, data = HARM[harm]
    path = tmp_path / "store/runs/small" / name
    path.unlink() if data is None else path.write_bytes(data)
    asked, told = ran("predict", "small", "3", "4"), ran("explain", "small")
    assert (told.code, told.out, told.err) == (asked.code, "", asked.err)
    assert told.code


@pytest.mark.parametrize("kind", ["parquet", "safetensors"])
def test_lost_results_and_weights_are_reported_as_predict_reports_them(ran, tmp_path, kind):
    """Other packs are not told of in their place."""
    for path in (tmp_path / "store/trials").glob(f"*.{kind}"):
        path.unlink()
    asked, told = ran("predict", "small", "3", "4"), ran("explain", "small")
    assert (told.code, told.out) == (asked.code, "") == (3, "")
    remedy = "run the spec again to restore it"
    assert remedy in asked.err
    assert remedy in told.err


def test_a_champion_is_explained(cli, tmp_path):
    """Under this name and under that of its run, which differ in the opening alone."""
    night, store = Night(date(2026, 11, 1), spec_of(TINY)), Store(str(tmp_path / "store"))
    assert run_night(NightContext(night, store, IN_PROCESS, Progress(quiet=True))).exit_code == 0
    champion, run = cli("explain", "champion"), cli("explain", night.run)
    assert (champion.code, run.code) == (0, 0)
    assert champion.out.split() == ["champion", f"{night.id}:", *run.out.split()]


CAUSES = ("no_activation", "too_narrow", "dead_units", "seed_luck", "unknown", None)


@given(st.lists(st.sampled_from(CAUSES), min_size=1, max_size=12), st.randoms())
def test_of_each_frequent_cause_one_example_is_told(causes, draw):
    """Beside the first and the best, which may themselves be examples; no variant is told of twice."""
    rows = [ROW | {"variant_id": f"{place:016x}", "cause": cause} for place, cause in enumerate(causes)]
    best = draw.choice([*(row["variant_id"] for row in rows), None])
    chosen = choose(rows, {"squares": best}, Wanted(), only_first=False)
    ids = [row["variant_id"] for row, _ in chosen]
    assert len(ids) == len(set(ids)) <= 2 + FREQUENT
    assert FIRST in chosen[0][1]
    assert ids[0] == rows[0]["variant_id"]
    assert [row["variant_id"] for row, roles in chosen if BEST in roles] == ([best] if best else [])
    frequent = Counter(cause for cause in causes if cause).most_common(FREQUENT)
    assert {cause for cause, _ in frequent} <= {row["cause"] for row, _ in chosen}
    assert choose(rows, {"squares": best}, Wanted(), only_first=True)[0][0] == rows[0]


def told(**columns):
    """A made-up explanation with these columns in the variant's row."""
    change = Change("activation", "tanh")
    causes = (
        Cause("no_activation", "It is linear.", {"layers": 2.0}, change, 9.0),
        Cause("unknown", "So.", {}, None, 1.0),
    )
    return Explanation(ROW | columns, (FIRST, BEST), causes, None)


@pytest.mark.parametrize("kind", FLOORS)
def test_a_floor_is_told_with_its_kind_in_words(kind):
    """With its value if it has one; what was not computed is not told."""
    known = None if kind == "none" else 273.89
    text = "\n".join(lines_of(told(floor=known, floor_kind=kind, floor_range=known, rmse_solved_median=280.25)))
    assert FLOORS[kind] in text
    assert ("273.8" in text) == (known is not None)
    assert "with the readout solved 280.2" in text
    assert "floor" not in "\n".join(lines_of(told(floor=None, floor_kind=None)))
    assert "floor" not in "\n".join(lines_of(told()))


def test_causes_are_told_with_their_sentence_and_their_change():
    """The change as a spec writes it, in the JSON also by field and value."""
    text = "\n".join(lines_of(told()))
    assert 'no_activation: It is linear. Change: activation = "tanh".' in text
    assert text.endswith("unknown: So.")
    first, last = facts_of(told())["causes"]
    assert first["change"] == {"field": "activation", "value": "tanh", "also": None, "text": 'activation = "tanh"'}
    assert last["change"] is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"n_diverged": 0}, "RMSE 1,234, median of 4 seeds; the best 12.25"),
        ({}, "RMSE 1,234, median of 4 of 5 seeds; the best 12.25"),
        ({"n": 0, "rmse_median": None, "rmse_best": None}, "RMSE unknown: 1 seed diverged"),
        ({"n": 0, "n_diverged": 0, "rmse_median": None, "rmse_best": None}, "no trial has a result"),
    ],
)
def test_diverged_and_missing_trials_are_told(columns, words):
    """Instead of a median of nothing."""
    assert words in "\n".join(lines_of(told(**columns)))


def test_a_linear_function_is_written_as_a_sum():
    """With the signs between the terms."""
    linear = Linear("an id", {"number_1": -2.0, "unused_1": 0.5}, -3.25)
    assert formula(linear) == "-2 * number_1 + 0.5 * unused_1 - 3.25"
    assert formula(Linear("an id", {"a\nb": 1.0}, 2.0)) == '1 * "a\\nb" + 2'


@pytest.mark.parametrize("value", [0.0, 1e-12, 0.4695, 273.89, 992.0, 992.3, 1000.0, 72_935.6, 4.049e15])
def test_a_lower_bound_is_rounded_down(value):
    """To four digits at most, and 0 is 0."""
    told = float(at_most(value).replace(",", ""))
    assert told <= value
    assert told == pytest.approx(value, rel=2e-3)
