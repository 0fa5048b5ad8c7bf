"""Tables in specs: what is refused and when, which rows a spec stands for, and what is stored of it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_specs import HOUSES, gone, houses, table_of

from sumsquares.datasets.tables.errors import DamagedTable, TableError
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, load_spec, parse_spec, parse_stored
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.spec.size import size_of
from sumsquares.jobs.spec.tables import MARK, toml
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.spec.variants import trials, variants
from sumsquares.jobs.spec.written import derived, raw_of, spec_of

FILE = 'file = "houses.csv"'


def with_line(line: str, instead: str = "") -> str:
    """Returns the spec with a line more in its [[dataset]], or in the place of another."""
    return HOUSES.replace(instead, line) if instead else HOUSES.replace("[train]", f"{line}\n[train]")


def problems(text: str, resolve: Any = lambda keys, _: table_of(keys)) -> list[str]:
    """Returns what a user's spec is refused for."""
    with pytest.raises(SpecError) as refused:
        parse_spec(text.encode(), "s.toml", new=True, resolve=resolve)
    return [*refused.value.problems]


FAULTS = {
    "an unknown key": (with_line("fold = 5"), ['"houses".fold:', "unknown key", 'did you mean "folds"?', '"missing"']),
    "rows": (with_line("rows = 5"), ['"houses".rows:', "belongs to generated rows", "remove file"]),
    "a task": (with_line('task = "sum"'), ['"houses".task:', "belongs to generated rows", "remove it"]),
    "a formula": (with_line('formula = "x"'), ['"houses".formula:', "belongs to generated rows", "remove it"]),
    "no target": (with_line("", 'target = "price"'), ['"houses".target:', "missing", "the name of a column"]),
    "no file": (with_line("", FILE), ['"houses".file:', "missing", 'such as "houses.csv"']),
    "another word": (with_line('path = "a.csv"', FILE), ['"houses".file:', "missing"]),
    "a target of a task": (
        with_line('task = "sum"\nlargest = 9\nrows = 50', FILE),
        ['"houses".target:', "belongs to a table of your own", 'file = "houses.csv"'],
    ),
    "no kind": (
        HOUSES.replace(FILE, "").replace('target = "price"', ""),
        ['dataset[0] "houses":', "task, formula and file are missing", 'file = "houses.csv"'],
    ),
    "a negative share": (with_line("test = -0.5"), ['"houses".test:', "-0.5 is out", "of at least 0 and below 1"]),
    "all rows": (with_line("test = 1.0"), ['"houses".test:', "1.0 is out", "the name of a column", "such as 0.2"]),
    "no rows": (with_line("test = 0"), ['"houses".test:', "0 holds out no rows", "such as 0.2"]),
    "a test as a bool": (with_line("test = true"), ['"houses".test:', "the boolean true", "or a list"]),
    "no test columns": (with_line("test = []"), ['"houses".test:', "the list is empty"]),
    "a number as a test column": (with_line("test = [3]"), ['"houses".test[0]:', "the whole number 3", "a column"]),
    "both": (with_line("test = 0.2\nfolds = 3"), ['dataset[0] "houses":', "test and folds", "remove one"]),
    "one fold": (with_line("folds = 1"), ['"houses".folds:', "1 is out of range", "from 2 to 1_000"]),
    "no validation": (with_line("validation = 0"), ['"houses".validation:', "0 is out of range", "above 0 and below"]),
    "an unknown way": (with_line('missing = "zero"'), ['"houses".missing:', '"zero" is unknown', '"drop", "mean"']),
    "inputs as text": (with_line('inputs = "area"'), ['"houses".inputs:', 'the text "area"', "a list"]),
    "a long separator": (with_line('separator = "::"'), ['"houses".separator:', "too long", "one character in"]),
    "a seed below 0": (with_line("seed = -1"), ['"houses".seed:', "-1", "from 0 to"]),
    "normalize question": (
        HOUSES.replace("[train]", '[train]\nnormalize = "question"'),
        ["train.normalize:", 'dataset "houses"', "largest target of a task, and this is a table", '"zscore"'],
    ),
    "many trials": (
        with_line("folds = 1000").replace("seeds = 2", "seeds = 1000"),
        ["grid:", "4_000_000 trials", "1_000 splits x 2 hidden x 2 lr x 1_000 seeds"],
    ),
    "a table that says what it holds": (HOUSES + '[resolved.houses]\nrows = 3\n', ["resolved:", "unknown key"]),
}  # fmt: skip


def never(keys: TableKeys, _folder: str) -> TableDataset:
    """Is not called."""
    raise AssertionError(f"{keys.file} was read")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_table_is_refused_with_path_value_and_remedy_before_a_file_is_read(fault):
    """In the form of all other problems."""
    text, (path, *words) = FAULTS[fault]
    lines = problems(text, never)
    assert any(path in line and all(word in line for word in words) for line in lines), lines
    assert all(";" in line and line.isprintable() and len(line) < 500 for line in lines)


def test_problems_of_tables_come_with_all_others():
    """Each with its path."""
    text = with_line("folds = 1").replace("seeds = 2", "seeds = 0\nlr2 = 3") + '[[dataset]]\nname = "x"\nrows = -1\n'
    paths = [line.partition(": ")[0] for line in problems(text, never)]
    assert paths == [
        'dataset[0] "houses".folds',
        'dataset[1] "x".rows',
        "grid[0].seeds",
        "grid[0].lr2",
        'dataset[1] "x"',
    ]


def test_what_is_wrong_with_files_comes_with_their_datasets():
    """Of all tables at once, in the order of the spec."""
    text = HOUSES + HOUSES.partition("[train]")[0].partition("\n[[dataset]]")[2].join(["[[dataset]]", ""])
    text = text.replace('[[dataset]]\nname = "houses"', '[[dataset]]\nname = "other"', 1)

    def resolve(keys, _folder):
        raise TableError(keys.file, [f"column {keys.name}1 is text; leave it out", "column b is empty; fill it"])

    lines = problems(text, resolve)
    places = ['dataset[0] "other" (houses.csv)'] * 2 + ['dataset[1] "houses" (houses.csv)'] * 2
    assert [line.partition(": ")[0] for line in lines] == places
    assert lines[0].endswith(": column other1 is text; leave it out")


def test_a_damaged_file_is_no_matter_of_the_spec():
    """The error keeps its exit code."""

    def resolve(_keys, _folder):
        raise DamagedTable("houses.csv: cut off")

    with pytest.raises(DamagedTable):
        houses(resolve)


ROWS = {
    "a batch larger than the training rows": (
        HOUSES.replace("batch_size = 20", "batch_size = 90"),
        ["train.batch_size:", "90 is more than the 80 training rows of dataset \"houses\"", "from 1 to 80"],
    ),
    "the same rows twice": (
        HOUSES.replace("[train]", '[[dataset]]\nname = "again"\nfile = "copy.csv"\ntarget = "price"\n[train]'),
        ['dataset[1] "again":', "the same rows as dataset[0] \"houses\"", "remove one"],
    ),
    "steps without end": (
        HOUSES.replace("epochs = 5", "epochs = 10_000_000"),
        ["grid[0]:", "steps of training a trial", "fewer epochs or rows"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", ROWS)
def test_what_only_the_rows_show_is_refused_once_they_are_read(fault):
    """By the counts of training rows."""
    text, (path, *words) = ROWS[fault]
    rows = 10**10 if "steps" in fault else 100
    (line,) = problems(text, lambda keys, _: table_of(keys, rows))
    assert line.startswith(path)
    assert all(word in line for word in words), line


ENDS = ((0.5, 9.0), (1.0, 5.0), (-1.0, 3.0), (0.0, 2.0))
VALUES_OF_ROWS = {
    "inputs": ('normalize = "log"', ['"log" needs inputs above 0', "has -1 in some row", "another normalize"]),
    "a target": (
        'normalize_target = "log"',
        ['"log" needs a target above 0', 'that of dataset "houses" is 0', "write a normalize_target"],
    ),
    "probabilities": (
        'loss = "bce"\noutput = "sigmoid"\nnormalize_target = "none"',
        ['"bce" needs a target from 0 to 1', "is 2 in some row", 'such as "mse"'],
    ),
}


@pytest.mark.parametrize("fault", VALUES_OF_ROWS)
def test_values_that_can_not_be_trained_on_as_asked_are_refused(fault):
    """By the ends of the columns, at the place of what asks for it; and accepted if they can."""
    line, words = VALUES_OF_ROWS[fault]
    text = HOUSES.replace("[train]", f"[train]\n{line}")
    found = problems(text, lambda keys, _: table_of(keys, ends=ENDS))
    assert all(word in found[0] for word in words), found
    assert found[0].startswith(f"train.{line.partition(' ')[0]}: ")
    fine = ((0.5, 9.0), (1.0, 5.0), (2.0, 3.0), (0.1, 1.0))
    assert parse_spec(text.encode(), "s", new=True, resolve=lambda keys, _: table_of(keys, ends=fine)).datasets


def test_a_table_is_read_relative_to_the_folder_of_its_spec(tmp_path):
    """With its keys."""
    (tmp_path / "spec.toml").write_text(HOUSES)
    asked = []
    spec = load_spec(
        tmp_path / "spec.toml", resolve=lambda keys, folder: asked.append((keys, folder)) or table_of(keys)
    )
    assert asked == [(spec.tables["houses"], str(tmp_path))]
    assert spec.datasets == (table_of(spec.tables["houses"]),)


@pytest.mark.parametrize(
    "keys", [{}, {"folds": "3"}, {"test": '["a", "b"]'}, {"validation": "0.5", "missing": '"mean"'}]
)
def test_a_stored_spec_means_the_same_rows_whatever_the_file_holds_now(keys):
    """With the same digest, the same trials and the same bytes when it is stored again."""
    spec = houses(**keys)
    again = parse_stored(seal_text(spec.stored_text), "job.toml")
    assert (again.datasets, again.digest, again.stored_text) == (spec.datasets, spec.digest, spec.stored_text)
    assert again.tables == spec.tables
    assert [trial.id for trial in trials(again)] == [trial.id for trial in trials(spec)]
    assert [each.left_out for each in again.datasets] == [(("street", "text"),)]
    assert again.source_text == spec.source_text == spec.stored_text.partition(MARK)[0]


def test_a_spec_without_tables_is_stored_as_it_is_written():
    """To the byte."""
    text = b'name = "a"\n[[dataset]]\nname = "s"\ntask = "sum"\nlargest = 9\nrows = 200\n[[grid]]\n# no line end'
    assert parse_spec(text, "s").stored_text == text


def test_a_copy_of_a_stored_spec_reads_the_file_if_it_is_there():
    """Else it stands for what the file held, unless somebody has changed its keys."""
    stored = houses().stored_text
    other = parse_spec(stored, "s", new=True, resolve=lambda keys, _: table_of(keys, content="cd" * 32))
    assert (other.datasets[0].content, other.gone) == ("cd" * 32, ())
    same = parse_spec(stored, "s", new=True, resolve=gone)
    assert (same.datasets, same.gone) == (houses().datasets, ("houses",))
    with pytest.raises(SpecError, match=r'dataset\[0\] "houses" \(houses.csv\): no such file'):
        parse_spec(stored.replace(b'target = "price"', b'target = "area"', 1), "s", new=True, resolve=gone)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b'target = "price"', b'target = "area"', r'target is "price" in the resolved table below it, and "area" here'),
        (b"[train]", b"seed = 3\n[train]", "seed is 0 in the resolved"),
        (b"[train]", b'inputs = ["area"]\n[train]', "inputs is"),
        (b"[resolved.houses]", b"[resolved.cars]", "not known here"),
        (b"content = ", b"contents = ", "not what was written"),
        (b"rows = 100", b"rows = -1", "not what was written"),
        (b"rows = 100", b"rows = ", "not what was written"),
        (b"rows = 100", b"rows = " + b"1" * 5000, "not what was written"),
        (b"rows = 100", b"rows = " + b"[" * 5000, "not what was written"),
        (b"rows = 100", b".".join([b"a"] * 100_000) + b" = 1", "not what was written"),
        (b"[resolved.houses]", b"[resolved]\nhouses = 3\n[x]", "not what was written"),
        (MARK, b"", "resolved: unknown key"),
    ],
)
def test_a_stored_spec_that_was_changed_is_refused(before, after, words):
    """Its tables must be those that its keys ask for."""
    with pytest.raises(SpecError, match=words):
        parse_stored(houses().stored_text.replace(before, after, 1), "job.toml")


def test_a_stored_or_derived_spec_may_measure_on_its_training_rows():
    """A new one may not."""
    text = with_line("test = 0").encode()
    spec = parse_spec(text, "final", resolve=lambda keys, _: table_of(keys))
    assert spec.datasets[0].test == 0
    assert parse_stored(spec.stored_text, "job.toml").digest == spec.digest


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
)


@given(VALUES)
def test_any_value_is_read_as_it_was_written(value):
    """Whatever characters the names of columns have."""
    assert tomllib.loads(f"a = {toml(value)}") == {"a": value}


def test_trials_are_those_of_all_splits_and_variants_are_one():
    """The last axis changes fastest, within it the split."""
    spec = houses(folds="3")
    some = variants(spec)
    assert [each.dataset.split for each in some[:4]] == ["fold_1", "fold_2", "fold_3", "fold_1"]
    assert len({each.id for each in some}) == 12
    assert [each.group for each in some[:3]] == [some[0].group] * 3
    assert len({each.group for each in some}) == 4
    assert len(trials(spec)) == 24 == size_of(enumerate(spec.grids), {"houses": 3}).trials
    assert len({(trial.variant.group, trial.variant.dataset.split, trial.seed) for trial in trials(spec)}) == 24


def test_the_group_is_the_id_on_the_whole_table():
    """By canonical JSON, in which the table's digest is that of the dataset."""
    for variant in variants(houses(folds="3")):
        ids = {}
        for digest in (variant.dataset.digest, variant.dataset.whole.digest):
            content = {name: getattr(variant, name) for name in variant.in_digests}
            content |= {"dataset": digest, "training": TRAINING_VERSION}
            canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
            ids[digest] = hashlib.sha256(canonical.encode()).hexdigest()[:16]
        assert [*ids.values()] == [variant.id, variant.group]


DIFFERENCES: list[tuple[JobSpec, list[str]]] = [
    (houses(), []),
    (houses(lambda keys, _: table_of(keys).model_copy(update={"file": "elsewhere.csv", "dropped": 9})), []),
    (
        houses(lambda keys, _: table_of(keys, 120, "cd" * 32)),
        ['dataset "houses": other rows than before, 100 -> 120 rows'],
    ),
    (houses(seed="3"), ['dataset "houses".seed: 0 -> 3']),
    (houses(test="0.5"), ['dataset "houses".test: 0.2 -> 0.5']),
    (
        houses(lambda keys, _: table_of(keys, content="cd" * 32), inputs='["area"]'),
        [
            'dataset "houses".inputs: ["area", "rooms", "Gr\\u00f6\\u00dfe \\ud83c\\udfe0"] -> ["area"]',
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("other", "lines"), DIFFERENCES, ids=range(len(DIFFERENCES)))
def test_a_difference_of_tables_is_named(other, lines):
    """None if and only if the digests are equal."""
    assert describe_difference(houses(), other) == lines
    assert (houses().digest == other.digest) == (not lines)


def test_a_table_in_place_of_generated_rows_is_a_difference():
    """In one line."""
    text = 'name = "houses"\n[[dataset]]\nname = "houses"\ntask = "sum"\nlargest = 9\nrows = 200\n'
    generated = parse_spec((text + HOUSES[HOUSES.index("[train]") :]).encode(), "s")
    assert describe_difference(generated, houses()) == ['dataset "houses": generated -> a table']


@pytest.mark.parametrize("keys", [{}, {"folds": "3", "inputs": '["area", "rooms"]'}])
def test_a_spec_of_variants_has_their_trials_with_the_same_ids(keys):
    """One grid for the splits of a variant; the spec tells what its table held."""
    spec = houses(**keys)
    made = spec_of("proof", "auto", dict.fromkeys(variants(spec), (0, 1)))
    assert {trial.id for trial in trials(made)} == {trial.id for trial in trials(spec)}
    assert len(made.grids) == 4
    assert parse_stored(made.stored_text, "job.toml").digest == made.digest


def test_a_spec_of_some_splits_is_none():
    """A spec trains on all of them."""
    some = variants(houses(folds="3"))
    with pytest.raises(AssertionError, match="all splits"):
        spec_of("proof", "auto", dict.fromkeys(some[:2], (0, 1)))


def test_a_derived_spec_has_the_rows_of_the_one_that_it_is_made_of():
    """Under another name, with all keys of its tables."""
    spec = houses(separator='";"', folds="3")
    made = derived(spec, raw_of(spec) | {"name": "night"}, "night")
    assert (made.name, made.digest, made.tables, made.datasets) == ("night", spec.digest, spec.tables, spec.datasets)


def test_a_table_of_another_name_or_place_is_the_same_table():
    """Its digest, and so that of each split, follows from the content and from how rows are held out."""
    one = table_of(TableKeys(name="a", file="a.csv", target="price"))
    other = table_of(TableKeys(name="b", file="b.parquet", target="price"), dropped=7)
    assert one.digest == other.digest
    assert [split.digest for split in one.splits] == [split.digest for split in other.splits]
    assert json.loads(one.model_dump_json())["rows"] == 100
