"""The report is one self-contained page; it drops no variant silently and runs nothing from a spec."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from made_reports import EVIL, WIDE, made, many, page_of, with_causes
from pages import Page, hash_of
from specs import SMALL

from sumsquares.jobs.results.figures.data import Chosen, Figures
from sumsquares.jobs.results.samples import Sample
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.findings import finding, seen_share
from sumsquares.jobs.show.format import Variants, best_first, varying
from sumsquares.jobs.show.report import report
from sumsquares.jobs.show.reproduce import commands


def test_nothing_of_a_spec_or_of_results_is_markup():
    """Comments, and sentences with names of columns, are text in the page and in the data of its script."""
    spec, summary = made(f"# {EVIL} & more\n{SMALL}")
    page = Page(report(spec, with_causes(summary, EVIL), {"python": EVIL}))
    assert f"# {EVIL} & more" in page.words
    assert EVIL.replace("1", "\x01") in page.data[0]["why"]["sentence"]["values"]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert [text for name, _, text in page.texts if name == "script" and "alert" in text] == [
        text for name, attributes, text in page.texts if attributes.get("type") == "application/json"
    ]


def test_the_policy_allows_the_pages_own_styles_and_scripts_alone():
    """Each by its hash; there are no styles or scripts in attributes."""
    page, _ = page_of(SMALL)
    assert page.policy.pop("style-src") == [hash_of(text) for text in page.code("style")]
    assert page.policy.pop("script-src") == [hash_of(text) for text in page.code("script")]
    others = {name: allowed for name, allowed in page.policy.items() if name not in ("style-src", "script-src")}
    assert others == {name: ["'none'"] for name in ("default-src", "base-uri", "form-action")}
    names = {name for _, attributes in page.tags for name in attributes}
    assert not [name for name in names if name == "style" or name.startswith("on")]


def test_the_page_loads_nothing_from_anywhere():
    """It has no address of anything outside the page."""
    page, _ = page_of(SMALL)
    assert not re.search(r'(src|href)="(?!#)', page.source)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)|fetch\(|XMLHttpRequest|import\(", page.source)


def test_every_id_is_unique_and_every_link_leads_somewhere():
    """This holds for links in the page, and for what labels a region."""
    page, _ = page_of(SMALL)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"][1:] for _, attributes in page.tags if "href" in attributes]
    labels = [label for _, attributes in page.tags for label in (attributes.get("aria-labelledby") or "").split()]
    assert {*links, *labels} <= set(ids)
    assert links


def numbers(pattern, page):
    """The sum of the numbers that a pattern finds."""
    return sum(int(found.replace(",", "")) for found in re.findall(pattern, page.words))


@pytest.mark.parametrize("text", [SMALL, WIDE])
def test_every_variant_is_shown_or_counted_as_left_out(text):
    """This holds for the table without the script and for the data of the script."""
    page, summary = page_of(text)
    shown = len([1 for tag, attributes in page.tags if tag == "th" and attributes.get("class") == "rank"])
    left_out = numbers(r"⋮ ([\d,]+) variants between these are left", page)
    assert shown + left_out == len(summary.table)
    assert sum(count for data in page.data for _, count in data["ranks"]) == len(summary.table)
    assert (left_out > 0) == (text == WIDE)


def test_the_findings_of_every_dataset_are_in_its_section():
    """Each sentence is there, with the number of test rows that occur in training."""
    page, summary = page_of(SMALL, lambda _index, trial: {"exact_fraction": 1.0 if trial.seed else 0.5})
    for name, about in summary.datasets.items():
        mine = [row for row in best_first(summary.table.to_pylist()) if row["dataset"] == name]
        known = finding(about, mine, summary.best_trial[name])
        assert known.verdict == "exact"
        for text in (*known.sentences, *known.caveats, f"{seen_share(about)}."):
            assert text in page.words, text


@pytest.mark.parametrize("fate", [{"status": "diverged", **dict.fromkeys(METRIC_NAMES)}, None])
def test_without_a_result_the_page_says_so(fate):
    """Where all trials diverged, or none is trained yet, there is no best."""
    page, summary = page_of(SMALL, lambda _index, _trial: fate)
    assert summary.best == {"sums": None, "squares": None}
    assert "No trial gave a result" in page.words
    assert ("diverged" if fate else "have no result yet") in page.words
    title = "diverged on sums and squares" if fate else "has no result yet on sums and squares"
    assert f"The first network {title}. " in page.words


@pytest.mark.parametrize(("best", "told"), [(0, True), (1, False)])
def test_a_first_network_that_is_the_best_is_told_once(best, told):
    """Where it is not, the page says what the best variant reaches."""
    one = SMALL[: SMALL.index("[[grid]]")] + '[[grid]]\ndataset = ["squares"]\nhidden = [[6]]\nlr = [0.1, 0.2]\n'
    page, _ = page_of(one, lambda index, _trial: {"rmse": 5.0 if index == best else 9.0})
    assert ("No other variant is better." in page.words) == told
    assert ("The best variant has an RMSE of 5 " in page.words) != told


def test_samples_are_the_questions_table():
    """Numbers, expected, predicted and err of the best trial."""
    spec, summary = made(SMALL)
    sample = {"numbers": (3, 4), "expected": 7, "predicted": 9, "error": -2}
    best = {name: {**found, "samples": [sample]} for name, found in summary.best.items()}
    page = Page(report(spec, replace(summary, best=best), {}))
    assert "3, 4 7 9 -2" in page.words
    assert "err is expected minus predicted; predictions are rounded to whole numbers." in page.words
    assert "sumsquares predict small --dataset sums 3 4" in page.words


def test_answers_say_of_which_split_they_are():
    """Splits have test rows of their own."""
    spec, summary = made(SMALL)
    row = next(row for row in summary.table.to_pylist() if row["dataset"] == "squares")
    chosen = Chosen(row, ("first",), "0" * 64, 4, "fold_2")
    page = Page(report(spec, summary, {}, {"squares": Figures(samples=((chosen, (Sample((3,), 9, 8),)),))}))
    assert "its best trial, seed 4, on the first test rows of split fold_2." in page.words
    assert "3 9 8 1" in page.words


@pytest.mark.parametrize("has_chosen", [True, False])
def test_the_page_says_which_network_predict_asks(has_chosen):
    """Where `fit` has chosen one, it is not the one with the lowest RMSE on test rows."""
    spec, summary = made(SMALL)
    sample = {"numbers": (3, -4), "expected": 7, "predicted": 9, "error": -2}
    best = {name: {**found, "samples": [sample]} for name, found in summary.best.items()}
    told = {each.words: each.does for each in commands(spec, replace(summary, best=best), "a b", has_chosen)}
    which = "chosen" if has_chosen else "best"
    assert told["sumsquares predict small --dataset sums --store 'a b' -- 3 -4"] == f"Ask the {which} network"


def test_variants_know_in_which_axes_they_differ():
    """The same ones as any other sequence of them."""
    _, summary = made(SMALL)
    rows = summary.table.to_pylist()
    assert varying(Variants(rows)) == Variants(rows).axes == varying(rows) != ()
    assert varying(Variants(rows[:1])) == ()


def test_the_same_run_gives_the_same_page():
    """The bytes are the same."""
    assert page_of(SMALL)[0].source == page_of(SMALL)[0].source


def test_a_thousand_trials_take_at_most_300_kb_without_scripts_and_900_with():
    """Charts of trained networks come on top: 60 kB a dataset. examples/sweep.toml has 286 kB, and 323 with scripts."""
    page = many(1_000)
    assert page.without_scripts < 120_000
    assert len(page.source.encode()) < 220_000


@pytest.mark.parametrize("variants", [10_000, 12_000])
def test_ten_thousand_variants_and_more_take_less_than_3_mb(variants):
    """All of ten thousand are in the page; of more it has the best and the worst, and says how many it leaves out."""
    page = many(variants)
    assert len(page.source.encode()) < 2_700_000
    assert sum(count for data in page.data for _, count in data["ranks"]) == 10_000
    assert [data["total"] for data in page.data] == [variants // 2] * 2
