"""Nights of edited specs, trained for real: what is compared with the champion, and what follows."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from night_world import TINY, Moved, said, spec_of
from test_night_nightly import FIRST, OPTIONS, context, events, prepared, rows_of  # noqa: F401

from sumsquares.datasets.rows import block
from sumsquares.jobs import exits
from sumsquares.jobs.commands.predict import ask_run
from sumsquares.jobs.night.champion import accept, read_champion
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.records import read_night
from sumsquares.jobs.results.gate import Policy
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import train as training
from sumsquares.jobs.storage.store import Store

EPOCHS = TINY.replace("epochs = 4", "epochs = 40").replace("seeds = 4", "seeds = 6")
"""The champion's spec. It learns enough that an edit can make it worse."""
SECOND = '[[dataset]]\nname = "more"\ntask = "product"\nlargest = 20\nrows = 200\ntest_rows = 100\n[train]'
BOTH = EPOCHS.replace("[train]", SECOND).replace('dataset = "sums"', 'dataset = ["sums", "more"]')


def night(number, text, store, fresh=False, options=OPTIONS):
    """Runs a night of a spec; returns its record."""
    given = Night(FIRST + timedelta(days=number), spec_of(text), fresh)
    return run_night(context(given, store, Moved(), options))


def edited(store, before, after, fresh=False):
    """Runs a night of one spec after one of another; returns the second record."""
    first = night(0, before, store, fresh)
    assert first.result == "first"
    return night(1, after, store, fresh)


RENAMED = EPOCHS.replace('"sums"', '"totals"')
SGD = EPOCHS.replace("[train]", '[train]\noptimizer = "sgd"')
DIVERGING = SGD.replace("lr = [0.01, 0.02]", "lr = 1e30")


@pytest.mark.parametrize(
    ("before", "after", "result", "code"),
    [
        (EPOCHS, EPOCHS.replace("epochs = 40", "epochs = 41"), "same", exits.OK),
        (EPOCHS, EPOCHS.replace("epochs = 40", "epochs = 1"), "worse", exits.REGRESSED),
        (EPOCHS.replace("epochs = 40", "epochs = 1"), EPOCHS, "better", exits.OK),
        (EPOCHS, EPOCHS.replace("rows = 200", "rows = 20", 1), "worse", exits.REGRESSED),
        (EPOCHS, EPOCHS.replace("[0.01, 0.02]", "1e-6"), "worse", exits.REGRESSED),
        (EPOCHS, EPOCHS.replace("[0.01, 0.02]", "[0.01, 0.02, 1e-6]"), "same", exits.OK),
        (EPOCHS.replace('"tanh"', '["identity", "tanh"]'), EPOCHS, "worse", exits.REGRESSED),
        (EPOCHS, RENAMED, "same", exits.OK),
        (EPOCHS, RENAMED.replace("epochs = 40", "epochs = 1"), "worse", exits.REGRESSED),
        (EPOCHS, BOTH, "same", exits.OK),
        (BOTH, EPOCHS, "apart", exits.REGRESSED),
        (EPOCHS, EPOCHS.replace('"sum"', '"product"'), "apart", exits.REGRESSED),
        (SGD, DIVERGING, "failed", exits.INCOMPLETE),
    ],
    ids=[
        *(
            "epochs",
            "fewer epochs",
            "more epochs",
            "rows",
            "learning rate",
            "a learning rate more",
            "activation removed",
        ),
        *("dataset renamed", "renamed and worse", "dataset added", "dataset removed", "other task", "all diverged"),
    ],
)
def test_each_kind_of_edit_has_its_verdict_and_exit_code(tmp_path, before, after, result, code):
    """The night becomes champion only if it is better. The message and night.json say what was compared."""
    store = Store(str(tmp_path))
    record = edited(store, before, after)
    assert (record.result, record.exit_code) == (result, code), record.message
    champion = read_champion(store)[0].night
    assert champion == (record.night if result == "better" else record.against)
    assert read_night(store, record.night).gate == record.gate
    assert ask_run(store, "champion", [3, 17])
    assert ("nightly promote " + record.night in said(record)) == (result in ("worse", "apart"))


GOOD = """
name = "n"
[[dataset]]
name = "sq"
task = "square"
largest = 100
rows = 200
[train]
epochs = 30
batch_size = 10
optimizer = "sgd"
[[grid]]
dataset = "sq"
hidden = [[8]]
lr = 0.05
seeds = 5
"""


@contextmanager
def diverging(seeds):
    """Simulates a bug in training: these seeds get a learning rate that is far too high."""
    real = training.models_of

    def slipped(pack):
        models = real(pack)
        rates = zip(models.lr, pack.trials, strict=True)
        return replace(models, lr=[1e30 if trial.seed in seeds else lr for lr, trial in rates])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "models_of", slipped)
        yield


@pytest.mark.parametrize("fresh", [False, True])
def test_a_night_whose_trials_all_diverged_fails_and_the_champion_stays(tmp_path, fresh):
    """It is exit 7 and a failure event that names the dataset; nothing is judged. The next good night is a recovery."""
    store, log = Store(str(tmp_path / "store")), tmp_path / "log"
    options = replace(OPTIONS, policy=Policy(), hook=f"tee -a {log}")
    first = night(0, GOOD, store, fresh, options)
    failed = night(1, GOOD.replace("lr = 0.05", "lr = 1e6"), store, fresh, options)
    assert (failed.result, failed.exit_code) == ("failed", exits.INCOMPLETE)
    assert f"dataset 'sq' diverged: not judged and not promoted, champion {first.night} stays" in failed.message
    assert failed.gate["changes"] == []
    assert read_champion(store)[0].night == first.night
    assert ask_run(store, "champion", [5])
    assert night(2, GOOD, store, fresh, options).result == "same"
    assert events(log) == ["success", "failure", "recovery"]


def test_a_first_night_without_a_result_is_no_champion(tmp_path):
    """It isn't judged, and a later good night is the first."""
    store = Store(str(tmp_path))
    assert night(0, GOOD.replace("lr = 0.05", "lr = 1e6"), store).result == "failed"
    assert read_champion(store)[0] is None
    assert night(1, GOOD, store).result == "first"


def test_one_dataset_without_a_result_fails_the_night_whatever_the_others_have(tmp_path):
    """The message names only that dataset."""
    text = SGD.replace("[train]", SECOND).replace('dataset = "sums"', 'dataset = "sums"', 1)
    text += text[text.index("[[grid]]") :].replace('"sums"', '"more"').replace("[0.01, 0.02]", "1e30")
    record = night(0, text, Store(str(tmp_path)))
    assert record.result == "failed"
    assert "all trials of dataset 'more' diverged" in said(record)
    assert set(record.best) == {"sums"}


def test_fewer_rows_are_part_of_the_edit_unless_the_rows_are_fresh(tmp_path):
    """A factor of 1.6 is a regression by the test over seeds; with fresh data it may be noise of the rows."""
    fewer = GOOD.replace("rows = 200", "rows = 80", 1)
    results = [edited(Store(str(tmp_path / str(fresh))), GOOD, fewer, fresh).result for fresh in (False, True)]
    assert results == ["worse", "same"]


def test_a_ten_times_worse_night_of_an_edited_spec_is_a_regression_with_fresh_data_too(tmp_path):
    """It is exit 8 and not promoted. The message has both best variants, the factor, the seeds and the remedy."""
    store, log = Store(str(tmp_path / "store")), tmp_path / "log"
    options = replace(OPTIONS, policy=Policy(), hook=f"tee -a {log}")
    first = night(0, GOOD, store, True, options)
    worse = GOOD.replace("lr = 0.05", "lr = 1e-7").replace("epochs = 30", "epochs = 1")
    record = night(1, worse, store, True, options)
    assert (record.result, record.exit_code) == ("worse", exits.REGRESSED)
    assert read_champion(store)[0].night == first.night
    (found,) = record.gate["datasets"]
    assert (found["dataset"], found["night_dataset"], found["verdict"], found["rule"]) == ("sq", "sq", "worse", "early")
    assert (found["effect"] > 8, found["medians"] > 9) == (True, True)
    assert found["low"] < found["effect"] < found["high"]
    assert found["p"] < 0.01
    for part in (
        "lr 1e-07, unit, 1 epoch, batch_size 10 against sq [8]",
        "lr 0.05, unit, 30 epochs, batch_size 10 is worse: RMSE x ",
        "5 and 5 seeds",
        "10 fresh-data nights",
    ):
        assert part in said(record)
    assert events(log) == ["success", "regression"]


@pytest.mark.parametrize(("seeds", "result", "code"), [({1, 3, 5}, "worse", 8), ({1}, "same", 7)])
def test_half_of_the_best_variants_seeds_diverged_is_worse_and_one_of_them_is_not(tmp_path, seeds, result, code):
    """Without a median there is nothing to compare. Exit 8 outranks the 7 of diverged trials."""
    store = Store(str(tmp_path))
    night(0, SGD, store)
    with diverging(seeds):
        record = night(1, SGD.replace("epochs = 40", "epochs = 41"), store)
    assert (record.result, record.exit_code) == (result, code)
    (found,) = record.gate["datasets"]
    assert (found["rule"], found["medians"]) == ("diverged", None) if result == "worse" else found["rule"] == "seeds"
    assert ("at least half of its own seeds diverged (6 and 6 seeds)" in said(record)) == (result == "worse")


def test_what_is_not_comparable_is_accepted_by_hand_and_is_what_the_next_night_is_judged_against(tmp_path):
    """The message names the dataset and the command. The next night doesn't differ from the accepted one."""
    store = Store(str(tmp_path))
    night(0, EPOCHS, store)
    other = EPOCHS.replace('"sum"', '"product"')
    record = night(1, other, store)
    assert "dataset 'sums' of the champion: no dataset of the same target, range and inputs" in said(record)
    assert (record.gate["datasets"], record.gate["apart"], record.gate["added"]) == ([], ["sums"], ["sums"])
    accept(store, record.night, "now")
    after = night(2, other, store)
    assert (after.result, after.against) == ("same", record.night)


def test_both_are_measured_on_the_test_rows_of_the_champions_dataset(tmp_path):
    """After another seed and fewer rows the effect equals plain arithmetic on the champion's test rows."""
    store, text = Store(str(tmp_path)), EPOCHS.replace("[0.01, 0.02]", "0.02")
    night(0, text, store)
    other = text.replace("rows = 200", "rows = 190", 1).replace("test_rows = 100", "test_rows = 90\nseed = 7")
    (found,) = night(1, other, store).gate["datasets"]
    given, changed = trials(spec_of(text)), trials(spec_of(other))
    x_NI, y_N = block(given[0].variant.dataset, "test", 0)
    stored = {row["trial_id"]: row for row in rows_of(store)}
    logs = [np.log(np.hypot(stored[trial.id]["rmse"], 0.1)) for trial in given]
    ours = [answers(store, stored[trial.id]["pack"], trial, x_NI) - y_N for trial in changed]
    expected = np.mean([np.log(np.hypot(np.sqrt(np.mean(error_N**2)), 0.1)) for error_N in ours]) - np.mean(logs)
    assert found["effect"] == pytest.approx(np.expm1(expected), rel=1e-5)


@pytest.mark.parametrize(("rows", "result"), [(20, "worse"), (200, "same")])
def test_fewer_rows_of_the_same_stream_are_tested_over_seeds(tmp_path, rows, result):
    """They are a prefix of the champion's rows, so no factor is needed. The message has their number."""
    store, options = Store(str(tmp_path)), replace(OPTIONS, policy=Policy(early=1e6))
    night(0, EPOCHS, store, options=options)
    fewer = EPOCHS.replace("rows = 200", f"rows = {rows}", 1).replace("epochs = 40", "epochs = 41")
    record = night(1, fewer, store, options=options)
    assert (record.result, record.gate["datasets"][0]["rule"]) == (result, "seeds"), record.message
    assert (", rows 20 against " in said(record), ", rows 200 is " in said(record)) == (rows == 20,) * 2


def test_rows_of_another_seed_are_noisy(tmp_path):
    """Until nights show the noise of the rows, only the early factor counts. The message has the rows' seed."""
    store, options = Store(str(tmp_path)), replace(OPTIONS, policy=Policy(early=1e6))
    night(0, EPOCHS, store, options=options)
    record = night(1, EPOCHS.replace("rows = 200", "rows = 20\nseed = 7", 1), store, options=options)
    assert (record.result, record.gate["datasets"][0]["rule"]) == ("same", "early")
    assert "rows 20, seed of the rows 7 against sums" in said(record)


@pytest.mark.parametrize(
    "after", [RENAMED, EPOCHS.replace("seeds = 6", "seeds = 5"), EPOCHS], ids=["renamed", "fewer seeds", "damaged"]
)
def test_the_same_rows_have_no_noise_whatever_else_differs(tmp_path, after):
    """Neither a renamed dataset, fewer seeds nor a lost night.json makes equal rows count as different."""
    store = Store(str(tmp_path))
    first = night(0, EPOCHS, store)
    if after == EPOCHS:
        store.delete(f"nightly/{first.night}/night.json")
    record = night(1, after, store)
    assert (record.result, "fresh-data" in said(record)) == ("same", False), record.message


def test_the_champions_dataset_keeps_its_name_in_the_message(tmp_path):
    """That holds though both bests are the same variant under two names of its dataset."""
    record = edited(Store(str(tmp_path)), EPOCHS, RENAMED.replace("hidden = [[4]]", "hidden = [[4], [1]]"))
    (found,) = record.gate["datasets"]
    assert (found["words"].split()[0], found["champion_words"].split()[0]) == ("totals", "sums")


def test_fewer_than_four_seeds_are_not_tested_and_the_message_says_so(tmp_path):
    """Then only a change by the early factor counts."""
    store, text = Store(str(tmp_path)), EPOCHS.replace("seeds = 6", "seeds = 3")
    record = edited(store, text, text.replace("epochs = 40", "epochs = 41"))
    assert record.result == "same"
    assert "3 and 3 seeds; with fewer than 4 only a 2x change counts" in said(record)
    record = night(2, text.replace("epochs = 40", "epochs = 1"), store)
    assert record.result == "worse"
    assert record.gate["datasets"][0]["p"] is None


def test_a_night_that_was_accepted_and_is_recorded_again_keeps_its_verdict(tmp_path):
    """Its damaged night.json is rewritten with the gate's verdict, and the night is still champion."""
    store = Store(str(tmp_path))
    record = edited(store, EPOCHS, EPOCHS.replace("epochs = 40", "epochs = 1"))
    accept(store, record.night, "now")
    store.put(f"nightly/{record.night}/night.json", b'{\n "format": 1}')
    again = night(1, EPOCHS.replace("epochs = 40", "epochs = 1"), store)
    assert (again.result, again.against) == ("worse", record.against)
    assert read_champion(store)[0].night == record.night


def test_nights_of_fewer_seeds_are_no_history_of_an_edited_spec(tmp_path):
    """They didn't differ from the champion, but lack some of its trials, so they don't show the noise of its rows."""
    store, options = Store(str(tmp_path)), replace(OPTIONS, policy=Policy(alpha=1e-6))
    night(0, EPOCHS, store, True, options)
    for number, seeds, known in ((1, 3, 1), (3, 6, 2)):
        same = night(number, EPOCHS.replace("seeds = 6", f"seeds = {seeds}"), store, True, options)
        assert (same.result, "changes" in same.gate) == ("same", True)
        record = night(number + 1, EPOCHS.replace("epochs = 40", f"epochs = {40 + number}"), store, True, options)
        assert record.gate["datasets"][0]["nights"] == known
