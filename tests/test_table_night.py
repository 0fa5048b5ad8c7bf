"""Nights on a table whose file changes: what they are compared on, and what follows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from night_world import said
from table_night_world import FOLDS, HEAD, SPEC, World, lines
from test_cli import cli  # noqa: F401  the fixture
from verify_world import found

from sumsquares.jobs import exits
from sumsquares.jobs.night import nightly
from sumsquares.jobs.night.champion import read_champion, rollback
from sumsquares.jobs.night.common import common_rows
from sumsquares.jobs.night.context import Options, ResultsCache
from sumsquares.jobs.night.grown import measured_again
from sumsquares.jobs.night.names import variant_name
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.records import read_night, stored_night
from sumsquares.jobs.night.retention import RetentionPolicy, plan_pruning, prune
from sumsquares.jobs.night.scores import make_scores, unit_in
from sumsquares.jobs.results.gate import Policy, Scores, judge
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.spec.variants import trials, variants
from sumsquares.jobs.storage.store import Store

BASE = lines(150)
GROWN = BASE + lines(30, seed=1)


@pytest.fixture(scope="module", name="champion_store")
def a_champion(tmp_path_factory):
    """Returns the folder of a first night, and of one with folds."""
    folders = {}
    for name, text in (("one", SPEC), ("folds", FOLDS)):
        world = World(tmp_path_factory.mktemp(name))
        world.write(BASE)
        assert world.night(0, text).result == "first"
        folders[text] = world.folder
    return folders


@pytest.fixture
def world(champion_store, tmp_path):
    """A copy of the folder of the first night."""
    return World(shutil.copytree(champion_store[SPEC], tmp_path / "world"))


@pytest.fixture
def folds(champion_store, tmp_path):
    """The same with folds."""
    return World(shutil.copytree(champion_store[FOLDS], tmp_path / "folds"))


def rows_of(store, split, part):
    """Returns the rows of a part as tuples, the target last."""
    return [
        (*inputs_I, target)
        for inputs_NI, target_N in blocks_of(store, split, part)
        for inputs_I, target in zip(inputs_NI.tolist(), target_N.tolist(), strict=True)
    ]


def tables_of(world, record):
    """Returns the tables of the champion and of a night."""
    nights = [stored_night(world.store, name) for name in (record.against, record.night)]
    return [night.spec.datasets[0] for night in nights]


def test_names_by_which_nights_compare_variants_are_the_same_when_the_file_has_grown(world):
    """Their ids aren't: other rows are other trials. Of one table all splits have one name."""
    before = world.load()[0]
    world.write(GROWN)
    now = world.load()[0]
    assert before.digest != now.digest
    names = [[variant_name(variant) for variant in variants(spec)] for spec in (before, now)]
    assert names[0] == names[1]
    assert len({*names[0]}) == 2
    assert len({variant_name(variant) for variant in variants(world.load(FOLDS)[0])}) == 2
    other = world.load(SPEC.replace('target = "price"', 'target = "price"\ninputs = ["area"]'))[0]
    assert not {*names[0]} & {variant_name(variant) for variant in variants(other)}


def test_names_of_variants_on_generated_rows_are_those_of_earlier_versions():
    """Scores of old nights are found by them."""
    from night_world import spec_of
    from verify_world import MINE

    names = [variant_name(variant) for variant in variants(spec_of(MINE))]
    assert names == ["2aca0392bc09be6a", "cf276543f00c75c1", "116f2c89b0210caf", "c9e51e8e227c11a2"]


def test_a_night_on_an_unchanged_file_trains_nothing(world):
    """It has the champion's trials, on the champion's rows."""
    before = sorted(world.store.list("trials")), sorted(world.store.list("datasets"))
    record = world.night(1)
    assert (record.result, record.gate.get("tables")) == ("same", None)
    assert (sorted(world.store.list("trials")), sorted(world.store.list("datasets"))) == before


@pytest.mark.parametrize(
    ("text", "now"),
    [
        (SPEC, GROWN),
        (FOLDS, GROWN),
        (SPEC, BASE[:-20]),
        (SPEC, [row.replace("0.1", "0.2") for row in BASE]),
        (SPEC, [*BASE[::-1]]),
        (SPEC, BASE + BASE[:40]),
    ],
    ids=["grown", "grown, folds", "fewer rows", "rows changed", "shuffled", "rows doubled"],
)
def test_compared_are_the_champions_test_rows_that_the_night_does_not_train_on(world, folds, text, now):
    """Split by split. Both nights' RMSEs there are those of a plain computation, and the report has the numbers."""
    world = folds if text == FOLDS else world
    world.write(now)
    record = world.night(1, text, Options())
    theirs, ours = tables_of(world, record)
    common = common_rows(world.store, theirs, ours)
    expected = {}
    for pair in common.pairs:
        trained = {*rows_of(world.store, pair.ours, "train")}
        expected[pair.theirs.split] = [row not in trained for row in rows_of(world.store, pair.theirs, "test")]
        assert pair.chosen_N.tolist() == expected[pair.theirs.split]
    compared = sum(map(sum, expected.values()))
    (told,) = record.gate["tables"]
    assert told == {
        "dataset": "houses",
        "rows_then": len(BASE),
        "rows_now": len(now),
        "test_rows": sum(map(len, expected.values())),
        "compared_rows": compared,
    }
    assert f"dataset 'houses' has {len(now)} rows and had {len(BASE)}: compared on" in said(record)
    for name, is_champion in ((record.against, True), (record.night, False)):
        night = stored_night(world.store, name)
        own, _ = make_scores(world.store, night, ResultsCache())
        again = measured_again(world.store, night, own, {"houses": common}, is_champion, ResultsCache())
        wanted = [plain_rmse(world.store, trial, common, expected) for trial in trials(night.trained)]
        assert again.rmse_T == pytest.approx(wanted, rel=1e-9)
        assert again.trial_T.tolist() == own.trial_T.tolist()


def plain_rmse(store, trial, common, expected):
    """Returns the RMSE of a trial on the chosen rows of its split, in the champion's unit."""
    split = trial.variant.dataset.split
    pair = common.by_split[split]
    rows = [row for row, keep in zip(rows_of(store, pair.theirs, "test"), expected[split], strict=True) if keep]
    found = {row["trial_id"]: row["pack"] for row in read_results(store).table.to_pylist()}
    answer_N = answers(store, found[trial.id], trial, np.array(rows)[:, :-1])
    return float(np.sqrt(np.mean((answer_N - np.array(rows)[:, -1]) ** 2))) / unit_in(store, pair.theirs)


def test_a_grown_file_is_judged_with_the_noise_of_earlier_nights_on_other_rows(world):
    """Nights on the same rows count once, and those on the champion's rows not at all."""
    counts = (150, 160, 160, 150, 170)
    for number, count in enumerate(counts, 1):
        world.write(GROWN[:count])
        record = world.night(number)
        assert record.result == "same", record.message
    assert "until 5 nights on other rows of the tables exist, only a 10x change counts" in said(record)
    world.write(GROWN)
    assert "until 5 nights" in said(world.night(6))
    for number, count in ((7, 155), (8, 165)):
        world.write(GROWN[:count])
        assert ("until 5 nights" in said(world.night(number))) == (number == 7)


POOR = SPEC.replace("[0.01, 0.02]", "1e-6").replace("seeds = 4", "seeds = 6")
MORE = POOR.replace("1e-6", "0.02").replace("epochs = 4", "epochs = 60")
EARLY = Options(policy=Policy(early=2.0))


@pytest.fixture
def promoted(tmp_path):
    """A poor first night, and a better one on a file that has grown; the record of the latter."""
    world = World(tmp_path)
    world.write(BASE)
    assert world.night(0, POOR).result == "first"
    world.write(GROWN)
    return world, world.night(1, MORE, EARLY)


def test_a_much_better_night_on_a_grown_file_is_promoted_and_the_next_is_compared_with_its_rows(promoted, cli):  # noqa: F811
    """Then back to the first, whose model still answers: its rows and models were kept."""
    world, better = promoted
    assert (better.result, better.exit_code) == ("better", exits.OK), better.message
    assert "the spec was edited: the best of each dataset is compared" in said(better)
    assert "has 180 rows and had 150" in said(better)
    world.write(GROWN + lines(5, seed=2))
    record = world.night(2, MORE, EARLY)
    assert (record.result, record.gate["tables"][0]["rows_then"]) == ("same", 180)
    champion = rollback(world.store, "now").night
    assert champion == better.against
    ended = cli("predict", "champion", "0.5", "3", "--store", world.store.root, "--json")
    assert ended.code == 0, ended.err


def test_a_much_worse_night_is_exit_8_and_the_champion_stays(promoted):
    """The message says how many rows were compared, and how to promote it all the same."""
    world, better = promoted
    world.write(GROWN + lines(5, seed=2))
    worse = world.night(2, POOR, EARLY)
    assert (worse.result, worse.exit_code) == ("worse", exits.REGRESSED), worse.message
    assert "has 185 rows and had 180: compared on" in said(worse)
    assert f"nightly promote {worse.night}" in said(worse)
    assert read_champion(world.store)[0].night == better.night


def without_rooms():
    return ["{0},{2}".format(*row.split(",")) for row in GROWN]


def with_age():
    return [f"{row},{place % 7}" for place, row in enumerate(GROWN)]


TARGET = SPEC.replace('target = "price"', 'target = "rooms"')
BY_COLUMN = SPEC.replace("test = 0.2", 'test = "held"')


@pytest.mark.parametrize(
    ("text", "rows", "head", "reason"),
    [
        (SPEC, without_rooms(), "area,price", "its column 'rooms' is no input any more"),
        (SPEC, with_age(), f"{HEAD},age", "its column 'age' is a new input"),
        (TARGET, GROWN, HEAD, "its target is 'rooms', and was 'price'"),
        (FOLDS, GROWN, HEAD, "it has 3 splits, and had 1"),
        (SPEC, BASE * 2, HEAD, None),
    ],
    ids=["column removed", "column added", "other target", "folds", "every row twice"],
)
def test_a_table_that_asks_something_else_is_not_comparable(world, text, rows, head, reason):
    """It is exit 8, says why, and the champion stays; a table with every row twice is compared on what is left."""
    world.write(rows, head)
    record = world.night(1, text)
    if reason is None:
        assert record.gate["tables"][0]["compared_rows"] < record.gate["tables"][0]["test_rows"]
        return
    assert (record.result, record.exit_code) == ("apart", exits.REGRESSED)
    assert f"dataset 'houses': {reason}" in said(record)
    assert record.gate["reasons"] == {"houses": reason}
    assert f"nightly promote {record.night}" in said(record)
    assert read_champion(world.store)[0].night == record.against


def test_if_the_night_trains_on_all_test_rows_nothing_can_be_compared(tmp_path):
    """The column that holds rows out is turned round."""
    world = World(tmp_path)
    held = [f"{row},{place % 4 == 0}" for place, row in enumerate(BASE)]
    world.write(held, f"{HEAD},held")
    assert world.night(0, BY_COLUMN).result == "first"
    world.write(
        [row.replace("True", "x").replace("False", "True").replace("x", "False") for row in held], f"{HEAD},held"
    )
    record = world.night(1, BY_COLUMN)
    assert (record.result, record.exit_code) == ("apart", exits.REGRESSED)
    assert "none of its 38 test rows is left to compare on: the night trains on 38 of them" in said(record)


def test_categories_and_nulls_are_compared_as_far_as_both_nights_know_them(tmp_path):
    """A new category is 0 for old rows, one that is gone leaves its rows out; nulls have the means of each night."""
    world = World(tmp_path)
    text = SPEC.replace("test = 0.2", 'test = 0.2\ncategories = "one_hot"\nmissing = "mean"')
    names = ["north", "south", "east"]
    rows = [f"{'' if place % 9 == 0 else row},{names[place % 3]}" for place, row in enumerate(BASE)]
    rows = [row if row[0] != "," else f",1,{place / 100}{row}" for place, row in enumerate(rows)]
    world.write(rows, f"{HEAD},side")
    assert world.night(0, text).result == "first"
    world.write([*rows, *(f"{row},west" for row in lines(20, seed=3))], f"{HEAD},side")
    record = world.night(1, text)
    (told,) = record.gate["tables"]
    assert (record.result, told["test_rows"]) == ("same", 30)
    assert 25 <= told["compared_rows"] <= 30
    world.write([row for row in rows if "east" not in row], f"{HEAD},side")
    record = world.night(2, text)
    theirs, ours = tables_of(world, record)
    east = [column.category for column in theirs.input_columns].index("east")
    (pair,) = common_rows(world.store, theirs, ours).pairs
    test = rows_of(world.store, pair.theirs, "test")
    assert any(row[east] for row in test)
    assert not any(row[east] for row, keep in zip(test, pair.chosen_N, strict=True) if keep)
    assert "have a category or a null that its rows don't have" in said(record)


def test_a_night_that_was_interrupted_is_continued_to_the_same_verdict(world, monkeypatch):
    """Its rows are in the store by then; nothing is trained twice."""
    world.write(GROWN)

    def stopped(*_):
        raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(nightly, "decide", stopped)
        with pytest.raises(RuntimeError, match="stopped"):
            world.night(1)
    before = sorted(world.store.list("trials"))
    record = world.night(1)
    assert (record.attempt, record.result) == (2, "same")
    assert sorted(world.store.list("trials")) == before
    assert found(world.store) == {}


def test_pruning_keeps_the_rows_that_kept_nights_and_runs_need(world):
    """Rows of a content that only pruned nights had are deleted, with what was measured on them."""
    for number, count in enumerate((160, 170, 180), 1):
        world.write(GROWN[:count])
        world.night(number)
    folders = {
        name: f"datasets/{stored_night(world.store, name).spec.datasets[0].content}"
        for name in list_nights(world.store)
    }
    plan = plan_pruning(world.store, RetentionPolicy(1, 1), date(2026, 12, 1))
    assert plan.foreign == ()
    prune(world.store, plan, lambda: None)
    kept = list_nights(world.store)
    assert len(kept) == 2
    assert {name for name, folder in folders.items() if world.store.list(folder)} == {*kept}
    assert found(world.store) == {}
    world.write(GROWN)
    assert world.night(30).result == "same"


def test_lost_rows_of_the_champion_can_not_be_read_from_a_file_that_has_grown(tmp_path):
    """The message says how to go on; with another champion the nights do."""
    world = World(tmp_path)
    world.write(BASE)
    world.night(0)
    theirs = stored_night(world.store, list_nights(world.store)[0]).spec.datasets[0]
    world.write(GROWN)
    second = world.night(1)
    world.store.delete(f"datasets/{theirs.content}/rows/part-00000.parquet")
    world.write(GROWN + lines(3, seed=4))
    with pytest.raises(ValueError, match=r"rows of the champion, night .* are lost") as error:
        world.night(2)
    assert exits.code_of(error.value) == exits.DATA
    assert f"nightly rollback --to {second.night}" in str(error.value)
    rollback(world.store, "now", second.night)
    assert world.night(2).result == "same"


def test_noise_that_drifts_causes_no_more_false_alarms_than_noise_of_fresh_rows():
    """Of nights whose mean is a random walk at most as many are called worse as the module says, and some more."""
    draw, policy = np.random.default_rng(1), Policy()
    names = np.array([f"v-{seed}" for seed in range(4)])
    alarms = nights = 0
    for _ in range(60):
        levels = np.cumsum(0.05 * draw.normal(size=21))
        history = [drifting(names, levels[0], draw)]
        for level in levels[1:]:
            night = drifting(names, level, draw)
            verdict = judge(night, history[0], history, policy).verdict
            alarms, nights = alarms + (verdict == "worse"), nights + 1
            history = [night] if verdict == "better" else [*history, night] if verdict == "same" else history
    assert alarms / nights < 0.02


def drifting(names, level, draw):
    """Returns the scores of a night of one variant."""
    return Scores(names, np.array(["v"] * len(names)), np.exp(10 + level + 0.001 * draw.normal(size=len(names))))


def test_lost_test_rows_of_the_champion_are_an_error_with_a_remedy(world):
    """The night fails, names the file, and the champion stays."""
    world.write(GROWN)
    theirs = stored_night(world.store, list_nights(world.store)[0]).spec.datasets[0]
    shard = f"datasets/{theirs.content}/rows/part-00000.parquet"
    data = bytearray(world.store.get(shard))
    data[len(data) // 2] ^= 1
    world.store.put(shard, bytes(data))
    with pytest.raises(ValueError, match="test rows of the champion") as error:
        world.night(1)
    assert exits.code_of(error.value) == exits.DATA
    assert shard in str(error.value)
    assert read_champion(world.store)[0].night == list_nights(world.store)[0]


@pytest.fixture
def typed(cli, world, tmp_path, monkeypatch):  # noqa: F811
    """The command line in the folder of the first night."""
    monkeypatch.chdir(world.folder)
    (world.folder / "spec.toml").write_text(SPEC)

    def night(day, *words, spec="spec.toml"):
        return cli("nightly", str(spec), "--workers", "0", "--quiet", "--date", day, *words)

    return night


def test_fresh_data_is_refused_for_a_table(typed, world):
    """It is exit 2, and nothing is written."""
    before = {path: world.store.get(path) for path in world.store.list()}
    ended = typed("2026-11-02", "--fresh-data")
    assert ended.code == 2
    assert "--fresh-data draws new rows every night, and those of dataset 'houses' are a file's" in ended.err
    assert {path: world.store.get(path) for path in world.store.list()} == before


def test_a_file_that_is_gone_is_a_failure_and_the_champion_stays(typed, world):
    """The hook is called; a spec of the store needs no file, so the first night can be started again."""
    assert typed("2026-11-02").code == 0
    world.file.unlink()
    ended = typed("2026-11-03", "--hook", "tee log")
    assert ended.code == 4
    assert "houses.csv of dataset 'houses' is not there any more" in ended.err
    assert '"failure"' in (world.folder / "log").read_text()
    champion, second = list_nights(world.store)
    stored = f"store/nightly/{champion}/spec.toml"
    again = typed("2026-11-01", spec=stored)
    assert (again.code, list_nights(world.store)) == (0, [champion, second])
    world.write(GROWN)
    assert typed("2026-11-01", spec=stored).code == 0
    assert list_nights(world.store) == [champion, second]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"PAR1 nothing of that kind", 2, "its first bytes are those of a Parquet file"),
        (b"", 2, "it is empty"),
        (b"area,rooms,cost\n1,2,3\n2,3,4\n", 2, "price"),
        (b"area;rooms;price\n1;2;3\n2;3;4\n", 2, 'write separator = ";"'),
        (b"area,rooms,price\n1,2,3\n", 2, "it has 1 row"),
    ],
    ids=["Parquet", "empty", "target renamed", "semicolons", "one row"],
)
def test_a_file_that_can_not_be_used_any_more_is_refused_before_the_night(typed, world, content, code, said):
    """Nothing is written, and the champion stays."""
    world.file.write_bytes(content)
    before = {path: world.store.get(path) for path in world.store.list()}
    ended = typed("2026-11-02")
    assert (ended.code, said in ended.err) == (code, True), ended.err
    assert {path: world.store.get(path) for path in world.store.list()} == before


def test_the_same_rows_as_parquet_are_the_same_night(world, tmp_path):
    """The spec names another file of another type; names, types and values are what counts."""
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    pq.write_table(csv.read_csv(world.file), world.folder / "houses.parquet")
    record = world.night(1, SPEC.replace("houses.csv", "houses.parquet"))
    first = list_nights(world.store)[0]
    assert record.night[11:] == first[11:]
    assert read_night(world.store, first).trained_digest == record.trained_digest


def test_a_store_on_another_disk_is_no_other_store(world, tmp_path):
    """A moved store has all that a night needs of its champion."""
    moved = World(tmp_path / "moved")
    shutil.copytree(world.folder, moved.folder)
    world.file.unlink()
    shutil.rmtree(world.folder)
    moved.write(GROWN)
    assert moved.night(1).result == "same"
    assert Store(moved.store.root).list("tables")


def test_one_night_per_option_set_is_unchanged(world):
    """Options reach the gate of a table as of generated rows."""
    world.write(GROWN)
    options = replace(Options(), policy=replace(Options().policy, early=1.0 + 1e-9, alpha=0.5, least_effect=0.0))
    record = world.night(1, SPEC, options)
    assert record.result in ("better", "worse", "same")
    assert record.gate["early"] == options.policy.early
