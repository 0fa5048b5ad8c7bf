"""Invalid specs: what each message must contain, and that no input takes long or raises another error."""

import time
import tracemalloc
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.spec.errors import MAX_PROBLEMS
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, load_spec, parse_spec

SUMS = 'name = "sums"\ntask = "sum"\nlargest = 1000\nrows = 1000'


def spec(
    name: str = '"q"', dataset: str = SUMS, train: str = "", grid: str = 'dataset = ["sums"]', top: str = ""
) -> str:
    """Returns a spec that is valid unless a part of it is replaced."""
    return f"name = {name}\n{top}\n[[dataset]]\n{dataset}\n[train]\n{train}\n[[grid]]\n{grid}\n"


def two(line: str, without: str = "") -> str:
    """Returns a spec whose second dataset has one more line, which may replace another."""
    lines = ['name = "squares"', 'task = "square"', "largest = 1000", "rows = 1000"]
    kept = [kept for kept in lines if not without or not kept.startswith(without)]
    return spec(dataset=SUMS + "\n[[dataset]]\n" + "\n".join([*kept, line]))


def grid(line: str) -> str:
    """Returns a spec whose grid has one more line."""
    return spec(grid=f'dataset = ["sums"]\n{line}')


def train(line: str) -> str:
    """Returns a spec with a line in [train]."""
    return spec(train=line)


NAME_RULE = "1 to 64 lower-case letters, digits, - and _"
LONG_SEEDS = "lr = [{}]\nhidden = [{}]\nseeds = 1_000_000_000".format(
    ", ".join(f"{i}e-4" for i in range(1, 101)), ", ".join(f"[{i}]" for i in range(1, 101))
)

# By description: the spec, and what one line of the message must contain, starting with the path.
FAULTS: dict[str, tuple[str, list[str]]] = {
    # names of runs and datasets
    "name climbs": (spec(name='"../x"'), ["name:", '"../x"', NAME_RULE]),
    "name is a path": (spec(name='"/etc"'), ["name:", '"/etc"', NAME_RULE]),
    "name is long": (spec(name='"' + "a" * 300 + '"'), ["name:", "(300 characters)", NAME_RULE]),
    "name has 65 characters": (spec(name='"' + "a" * 65 + '"'), ["name:", NAME_RULE]),
    "name is a command": (spec(name="'$(id)'"), ["name:", '"$(id)"', NAME_RULE]),
    "name is backquoted": (spec(name="'`id`'"), ["name:", NAME_RULE]),
    "name has control characters": (spec(name=r'"a\u0000\u001b[31m"'), ["name:", r'"a\u0000\u001b[31m"', NAME_RULE]),
    "name has a delete character": (spec(name=r'"a\u007f"'), ["name:", r'"a\u007f"', NAME_RULE]),
    "name ends in a line break": (spec(name=r'"question\n"'), ["name:", r'"question\n"', NAME_RULE]),
    "name turns the text around": (spec(name=r'"a\u202eb"'), ["name:", r'"a\u202eb"', NAME_RULE]),
    "name is markup": (spec(name='"<script>"'), ["name:", '"<script>"', NAME_RULE]),
    "name is empty": (spec(name='""'), ["name:", '""', NAME_RULE]),
    "name has capitals": (spec(name='"Question"'), ["name:", NAME_RULE]),
    "name has a space": (spec(name='"a b"'), ["name:", NAME_RULE]),
    "name starts with a dash": (spec(name='"-rf"'), ["name:", NAME_RULE]),
    "name is a dot": (spec(name='"."'), ["name:", NAME_RULE]),
    "name has a letter that looks like another": (spec(name='"\u0430dam"'), ["name:", r'"\u0430dam"', NAME_RULE]),
    "name is a number": (spec(name="5"), ["name:", "the whole number 5", NAME_RULE]),
    "dataset's name is markup": (two('name = "<script>"', "name"), ['dataset[1] "<script>".name:', NAME_RULE]),
    "dataset's name climbs": (two('name = "../x"', "name"), ['dataset[1] "../x".name:', NAME_RULE]),
    "dataset's name twice": (two('name = "sums"', "name"), ['dataset[1] "sums".name:', "dataset[0]", "another name"]),
    "dataset's rows twice": (
        spec(dataset=SUMS + "\n[[dataset]]\n" + SUMS.replace('"sums"', '"twins"')),
        ['dataset[1] "twins":', 'the same rows as dataset[0] "sums"', "another seed"],
    ),
    # what is missing, unknown or in the wrong place
    "nothing": ("", ["name:", "missing", NAME_RULE]),
    "no dataset": ('name = "q"\n[[grid]]\ndataset = "sums"', ["dataset:", "missing", "[[dataset]]"]),
    "no grid": (f'name = "q"\n[[dataset]]\n{SUMS}', ["grid:", "missing", "[[grid]]"]),
    "single brackets": (f'name = "q"\n[dataset]\n{SUMS}', ["dataset:", "found a table", "double brackets"]),
    "a list of datasets without any": ('name = "q"\ndataset = []', ["dataset:", "found an empty list", "[[dataset]]"]),
    "a dataset that is a number": ('name = "q"\ndataset = [1]', ["dataset[0]:", "the whole number 1", "a table"]),
    "train in double brackets": (spec().replace("[train]", "[[train]]"), ["train:", "a list of 1", "a table"]),
    "unknown key of the spec": (spec(top="nmae = 1"), ["nmae:", 'did you mean "name"?', '"train", "engine", "grid"']),
    "an unknown engine": (spec(top='engine = "gpu"'), ["engine:", 'one of "auto", "torch", "lanes", "cuda"']),
    "unknown table": (spec() + "[trian]\n", ["trian:", 'did you mean "train"?']),
    "unknown key of a dataset": (two("lagrest = 5"), ['dataset[1] "squares".lagrest:', '"largest"?', '"rows"']),
    "unknown key of train": (train("batch_sice = 1"), ["train.batch_sice:", '"batch_size"?', '"shuffle_seed"']),
    "unknown key of a grid": (grid("learning_rate = 1"), ["grid[0].learning_rate:", "unknown key", '"lr"']),
    "unknown key with control characters": (grid(r'"a\u0007b" = 1'), [r'grid[0]."a\u0007b":', "unknown key"]),
    "unknown key that is long": (grid("k" * 5000 + " = 1"), ['grid[0]."kkkk', "(5000 characters)", "unknown key"]),
    "seeds in train": (train("seeds = 5"), ["train.seeds:", "unknown key", "the valid keys here"]),
    "a private attribute": (spec(top='_source_text = "x"'), ["_source_text:", "unknown key"]),
    "the model's own field name": (spec(top="datasets = []"), ["datasets:", 'did you mean "dataset"?']),
    "no rows": (two("seed = 1", "rows"), ['dataset[1] "squares".rows:', "missing", "from 1 to 1_000_000_000_000"]),
    "no name": (two("seed = 1", "name"), ["dataset[1].name:", "missing", NAME_RULE]),
    # datasets
    "unknown task": (two('task = "squre"', "task"), ['"squares".task:', '"squre"', '"square"?', '"sum_of_squares"']),
    "rows of zero": (two("rows = 0", "rows"), ['dataset[1] "squares".rows:', "0 is out of range", "from 1 to"]),
    "negative rows": (two("rows = -5", "rows"), ['dataset[1] "squares".rows:', "-5", "from 1 to"]),
    "rows as a bool": (two("rows = true", "rows"), ['"squares".rows:', "the boolean true", "from 1 to"]),
    "rows as text": (two('rows = "10"', "rows"), ['"squares".rows:', 'the text "10"', "a whole number"]),
    "rows as a float": (two("rows = 1e6", "rows"), ['"squares".rows:', "the number 1000000.0", "a whole number"]),
    "rows beyond int64": (two("rows = 9223372036854775808", "rows"), ['"squares".rows:', "9223372036854775808"]),
    "largest beyond its range": (two("largest = 2147483648", "largest"), ['"squares".largest:', "2_147_483_647"]),
    "largest infinite": (two("largest = inf", "largest"), ['"squares".largest:', "the number inf", "from 1 to"]),
    "largest as a date": (two("largest = 1979-05-27", "largest"), ['"squares".largest:', "1979-05-27"]),
    "a product beyond int64": (
        two('task = "product"\nn_numbers = 16', "task"),
        ['dataset[1] "squares":', "n_numbers = 16", "largest = 1000", "int64", "largest = 7 or less"],
    ),
    "a sum of squares beyond int64": (
        two("largest = 2147483647", "largest").replace('"square"', '"sum_of_squares"'),
        ['dataset[1] "squares":', "sum_of_squares", "int64"],
    ),
    "a square of two numbers": (two("n_numbers = 2"), ['dataset[1] "squares":', "n_numbers = 2"]),
    "too many numbers": (two("n_numbers = 1025"), ['"squares".n_numbers:', "1025 is out of range", "from 1 to 1_024"]),
    "negative unused": (two("unused = -1"), ['"squares".unused:', "-1", "from 0 to 1_023"]),
    "a seed below 0": (two("seed = -1"), ['"squares".seed:', "-1", "from 0 to"]),
    # one value of an axis
    "lr of 0": (grid("lr = [0.1, 0.01, 0]"), ["grid[0].lr[2]:", "0 is out of range", "above 0", "such as 0.001"]),
    "lr below 0": (grid("lr = [-1e-3]"), ["grid[0].lr[0]:", "-0.001", "above 0"]),
    "lr too small for a float": (grid("lr = 1e-400"), ["grid[0].lr:", "0.0 is out of range", "above 0"]),
    "lr not a number": (grid("lr = [0.1, nan]"), ["grid[0].lr[1]:", "nan is not finite", "above 0"]),
    "lr infinite": (grid("lr = [inf]"), ["grid[0].lr[0]:", "inf is not finite", "above 0"]),
    "lr negatively infinite": (train("lr = -inf"), ["train.lr:", "-inf", "above 0"]),
    "lr too large for a float": (grid("lr = 1e400"), ["grid[0].lr:", "inf is not finite"]),
    "lr a huge integer": (grid("lr = 0x" + "f" * 9999), ["grid[0].lr:", "39_996 bits", "a finite number above 0"]),
    "lr as text": (grid('lr = [0.1, "fast"]'), ["grid[0].lr[1]:", 'the text "fast"', "a finite number above 0"]),
    "lr as a bool": (grid("lr = true"), ["grid[0].lr:", "the boolean true", "a finite number above 0"]),
    "lr as a table": (grid("lr = {a = 1}"), ["grid[0].lr:", "a table", "a finite number above 0"]),
    "a list in train": (train("lr = [0.1, 0.2]"), ["train.lr:", "a list of 2", "belongs in [[grid]]", "above 0"]),
    "weight decay below 0": (grid("weight_decay = -0.5"), ["grid[0].weight_decay:", "-0.5", "of at least 0"]),
    "epochs of zero": (train("epochs = 0"), ["train.epochs:", "0 is out of range", "from 1 to 10_000_000"]),
    "epochs as a float": (train("epochs = 1.5"), ["train.epochs:", "the number 1.5", "a whole number from 1"]),
    "epochs without end": (train("epochs = 10000001"), ["train.epochs:", "10000001", "from 1 to 10_000_000"]),
    "batch size of zero": (grid("batch_size = [100, 0]"), ["grid[0].batch_size[1]:", "0 is out of range", "from 1 to"]),
    "batch size as a bool": (grid("batch_size = [true]"), ["grid[0].batch_size[0]:", "the boolean true"]),
    "batch larger than rows": (grid("batch_size = [10, 2000]"), ["grid[0].batch_size[1]:", "2000", "1_000 rows"]),
    "batch of train larger than rows": (train("batch_size = 2000"), ["train.batch_size:", "2000", "from 1 to 1_000"]),
    "default batch larger than rows": (
        spec(dataset=SUMS.replace("rows = 1000", "rows = 50")),
        ["grid[0].batch_size:", "100 is more than", '50 rows of dataset "sums"', "from 1 to 50"],
    ),
    "default batch larger than one row": (
        spec(dataset=SUMS.replace("rows = 1000", "rows = 1")),
        ["grid[0].batch_size:", '100 is more than the 1 row of dataset "sums"'],
    ),
    "unknown activation": (grid('activation = ["rellu"]'), ["grid[0].activation[0]:", '"rellu"', '"relu"?', '"silu"']),
    "activation in capitals": (train('activation = "Tanh"'), ["train.activation:", '"Tanh"', 'did you mean "tanh"?']),
    "unknown optimizer": (grid('optimizer = ["sgd", "lion"]'), ["grid[0].optimizer[1]:", '"lion"', '"rmsprop"']),
    "activation as a number": (grid("activation = 3"), ["grid[0].activation:", "whole number 3", 'one of "identity"']),
    "unknown dtype": (grid('dtype = "float16"'), ["grid[0].dtype:", '"float16"', 'one of "float32", "float64"']),
    "shuffle seed below 0": (grid("shuffle_seed = -1"), ["grid[0].shuffle_seed:", "-1", "from 0 to"]),
    # hidden layers
    "one network in a grid": (grid("hidden = [64, 64]"), ["grid[0].hidden:", "[[64, 64]]", "[[]]"]),
    "no network in a grid": (grid("hidden = []"), ["grid[0].hidden:", "[[]] for no hidden layer"]),
    "a width in a grid": (grid("hidden = 64"), ["grid[0].hidden:", "[[64, 64]]"]),
    "a network and a width": (grid("hidden = [[64], 64]"), ["grid[0].hidden[1]:", "the whole number 64", "[64, 64]"]),
    "a width of zero": (grid("hidden = [[64, 0]]"), ["grid[0].hidden[0][1]:", "0 is out of range", "from 1 to 16_384"]),
    "a width that is too large": (train("hidden = [16385]"), ["train.hidden[0]:", "16385", "from 1 to 16_384"]),
    "a width as a bool": (grid("hidden = [[true]]"), ["grid[0].hidden[0][0]:", "the boolean true"]),
    "65 layers": (grid(f"hidden = [{[1] * 65}]"), ["grid[0].hidden[0]:", "a list of 65 is too long", "at most 64"]),
    # seeds
    "seeds of zero": (grid("seeds = 0"), ["grid[0].seeds:", "0 is out of range", "from 1 to"]),
    "seeds as a bool": (grid("seeds = true"), ["grid[0].seeds:", "the boolean true", "a whole number", "or a list"]),
    "no seeds": (grid("seeds = []"), ["grid[0].seeds:", "the list is empty"]),
    "a seed in the list below 0": (grid("seeds = [1, -1]"), ["grid[0].seeds[1]:", "-1 is out of range", "from 0 to"]),
    "a seed beyond int64": (grid(f"seeds = [{2**63}]"), ["grid[0].seeds[0]:", "9223372036854775808", "from 0 to"]),
    # values that don't go together
    "a solved readout of a sigmoid": (
        grid('readout = ["trained", "solved"]\noutput = ["linear", "sigmoid"]'),
        ["grid[0].readout[1]:", '"solved" needs output = "linear"', 'has output = "sigmoid"', "grids of their own"],
    ),
    "a solved readout of another loss": (
        spec(train='readout = "solved"', grid='dataset = ["sums"]\nloss = "huber"'),
        ["train.readout:", '"solved" needs loss = "mse"', 'has loss = "huber"'],
    ),
    "cross-entropy of a linear output": (
        grid('loss = ["bce"]\nnormalize_target = "none"'),
        ["grid[0].loss[0]:", '"bce" needs output = "sigmoid"', 'has output = "linear"'],
    ),
    "cross-entropy of a task": (
        grid('loss = "bce"\noutput = "sigmoid"\nnormalize = "none"'),
        ["grid[0].loss:", '"bce" needs a target from 0 to 1', 'that of dataset "sums" reaches 2000', "another loss"],
    ),
    "cross-entropy of a scaled target": (
        grid('loss = "bce"\noutput = "sigmoid"'),
        ["grid[0].loss:", '"bce" needs normalize_target = "none"', 'has normalize = "unit"'],
    ),
    "cross-entropy of a target with a scale of its own": (
        grid('loss = "bce"\noutput = "sigmoid"\nnormalize = "none"\nnormalize_target = ["same", "zscore"]'),
        ["grid[0].loss:", '"bce" needs normalize_target = "none"', 'has normalize_target = "zscore"'],
    ),
    # grids as a whole
    "an empty axis": (grid("lr = []"), ["grid[0].lr:", "the list is empty", "such as [0.001]"]),
    "an empty axis of choices": (grid("optimizer = []"), ["grid[0].optimizer:", "the list is empty", '["sgd"]']),
    "no dataset in a grid": (spec(grid="dataset = []"), ["grid[0].dataset:", "the list is empty", '["squares"]']),
    "unknown dataset": (
        spec(grid='dataset = ["sums", "smus"]'),
        ["grid[0].dataset[1]:", '"smus"', 'did you mean "sums"?', 'the defined: "sums"'],
    ),
    "a dataset as a number": (spec(grid="dataset = 3"), ["grid[0].dataset:", "the whole number 3", "text in quotes"]),
    "a grid that explodes": (
        grid(LONG_SEEDS),
        ["grid:", "10_000_000_000_000 trials", "1_000_000", "100 hidden x 100 lr x 1_000_000_000 seeds", "--max-"],
    ),
    # not TOML
    "no value": ("name = \n", ["line 1, column 8:", "not TOML"]),
    "text without quotes": ('a = 1\nname = fast\n', ["line 2, column 8:", "not TOML", "text in quotes"]),
    "an open text": ('name = "abc', ["line 1, column 12:", "not TOML", "Unterminated string"]),
    "a key twice": (spec(top='name = "r"'), ["line 2, column 11:", "not TOML", "every key once"]),
    "a control character": ('name = "a\x01"', ["line 1, column 10:", "not TOML", r"\x01"]),
    "a nested list": ("a = " + "[" * 100_000, ["line 1, column 104:", "nested too deeply"]),
    "a nested table": ("a = " + "{a = " * 100_000, ["line 1, column", "nested too deeply"]),
    "a nested list that ends": (spec(top="a = " + "[" * 300 + "]" * 300), ["a:", "unknown key"]),
    "a key with many parts": ("a=1\n" + ".".join("a" * 100_000) + " = 1", ["line 2, column 1:", "16 dotted parts"]),
    "a quoted key with many parts": ("[" + ' . "\\""' * 17 + "]", ["line 1, column", "16 dotted parts"]),
    "a number with many digits": ("\na = " + "1" * 5000, ["line 2, column 5:", "thousands of digits"]),
    "many values": (f"a = {[0] * 60_000}", ["60_001 values", "50_000", "shorten its lists"]),
    "10 MB": ("#" * 10_000_000, ["1_048_576 bytes (1 MiB)"]),
}  # fmt: skip


@cache
def refusal(text: str | bytes) -> SpecError:
    """Returns the error that a spec raises."""
    with pytest.raises(SpecError) as caught:
        parse_spec(text if isinstance(text, bytes) else text.encode(), "spec.toml")
    return caught.value


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_spec_is_refused_with_path_value_and_remedy(fault: str) -> None:
    """One line of the message contains the path, the value and what to write instead."""
    text, (path, *words) = FAULTS[fault]
    error = refusal(text)
    assert any(path in line and all(word in line for word in words) for line in error.problems), str(error)
    assert all(";" in line for line in error.problems)
    assert "Traceback" not in str(error)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_message_is_short_and_prints_as_it_is(fault: str) -> None:
    """No message contains control characters or a long value."""
    error = refusal(FAULTS[fault][0])
    assert all(line.isprintable() and line.isascii() and len(line) < 500 for line in error.problems)
    assert str(error).splitlines()[0].startswith("spec.toml: ")
    assert len(str(error).splitlines()) == 1 + len(error.problems)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a = 1\nb = '\xff'", "line 2, column 6"),
        (b"\xef\xbb\xbfa = 1\nb = '\xff'", "line 2, column 6"),
        ("b = 'é".encode() + b"\xe9'", "line 1, column 7"),
        (spec().encode("utf-16"), "line 1, column 1"),
    ],
)
def test_another_encoding_is_reported_with_line_and_column(data: bytes, place: str) -> None:
    """A byte that is not UTF-8 is reported with its line and column, counted in characters."""
    (problem,) = refusal(data).problems
    assert problem.startswith(place)
    assert "UTF-8" in problem


def test_all_problems_are_reported_at_once() -> None:
    """Invalid values, unknown keys and contradictions between tables don't hide each other."""
    text = spec(
        name='"../x"',
        dataset=SUMS.replace("1000\nrows", "-5\nrows") + '\n[[dataset]]\nname = "sums"\ntask = "product"\n'
        "n_numbers = 16\nlargest = 1000\nrows = 50",
        train="lr = nan\nepoch = 5",
        grid='dataset = ["sums", "cubes"]\nhidden = [[0]]\nbatch_size = [60]\nseeds = true\n[[grid]]\nlr = []',
    )
    paths = [problem.split(": ")[0] for problem in refusal(text).problems]
    assert sorted(paths) == sorted(
        [
            "name", 'dataset[0] "sums".largest', 'dataset[1] "sums"', 'dataset[1] "sums".name', "train.lr",
            "train.epoch", "grid[0].dataset[1]", "grid[0].hidden[0][0]", "grid[0].batch_size[0]", "grid[0].seeds",
            "grid[1].batch_size", "grid[1].lr",
        ]
    )  # fmt: skip


def test_an_exploding_grid_is_reported_together_with_other_problems() -> None:
    """An invalid value in one grid doesn't hide that another grid has too many trials."""
    problems = refusal(grid(LONG_SEEDS) + '[[grid]]\ndataset = "sums"\nlr = -1\n').problems
    assert [problem.split(":")[0] for problem in problems] == ["grid[1].lr", "grid"]


def test_the_limit_of_trials_can_be_raised() -> None:
    """A grid with as many trials as the limit is accepted, and one with more is not."""
    text = grid("seeds = 5\nlr = [0.1, 0.2]").encode()
    assert parse_spec(text, "s", max_trials=10).grids[0].seeds == 5
    with pytest.raises(SpecError, match=r"--max-trials 10$"):
        parse_spec(text, "s", max_trials=9)


@pytest.mark.parametrize("path", ["missing.toml", ".", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_a_spec_error(path: str) -> None:
    """The message names the file and the reason."""
    with pytest.raises(SpecError, match=r"(cannot be read|not read): .+; give the path"):
        load_spec(path)


def test_an_endless_file_is_not_opened() -> None:
    """A device without end is rejected by its kind."""
    with pytest.raises(SpecError, match=r"it is a device; .* 1 MiB"):
        load_spec("/dev/zero")


def test_a_line_that_is_not_toml_is_not_echoed() -> None:
    """The file may not be a spec, and contain a password."""
    assert "hunter2" not in str(refusal("user = 1\npassword = hunter2\n"))


HOSTILE = {
    "tables": "[[grid]]\n" * 40_000,
    "unknown keys": "\n".join(f"key_{i} = 1" for i in range(40_000)),
    "unknown names": spec(grid=f"dataset = {['nosuchdataset'] * 40_000}"),
    "wrong values": grid(f"hidden = [{[0] * 40_000}]"),
    "long keys": "[" + ".".join("a" * 15) + "]\n" + "\n".join(".".join([f"k{i}"] * 15) + " = 1" for i in range(2000)),
    "escapes in a key": '"' + '\\"' * 500_000,
    "a key of 1 MB": "a" * 1_000_000,
    "keys in a list": "a = [" + "'a', " * 9000 + "'a']." + "a." * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_spec_costs_seconds_at_most(text: str) -> None:
    """Any 1 MiB is rejected in bounded time, with at most 100 problems."""
    start = time.perf_counter()
    error = refusal(text[: 1 << 20])
    assert time.perf_counter() - start < 10  # 0.1 to 0.9 s on an idle core
    assert len(error.problems) <= MAX_PROBLEMS
    assert len(str(error)) < 50_000


def test_a_hostile_spec_costs_little_memory() -> None:
    """Not all of tens of thousands of invalid values are formatted."""
    tracemalloc.start()
    refusal(HOSTILE["wrong values"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_more_problems_than_are_listed_are_mentioned() -> None:
    """The list has 100 problems, and the message says that there are more."""
    error = refusal(grid(f"lr = {[-1] * 101}"))
    assert len(error.problems) == MAX_PROBLEMS
    assert "more than 100 problems" in str(error).splitlines()[0]


PIECES = [
    *("=", "[", "]", "[[", "]]", "{", "}", ",", ".", "'", '"', "#", "\n", "é", "\x00", "\\u0000", "\ud800"),
    *("nan", "-1", "0x", "1e999", "true", "1979-05-27", "name", "dataset", "grid", "train", "lr", "hidden", "seeds"),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(spec())), st.integers(0, 8), st.sampled_from(PIECES)), max_size=6))
def test_any_text_is_a_spec_or_a_spec_error(edits: list[tuple[int, int, str]]) -> None:
    """Whatever is edited in a spec, it raises no other error."""
    text = spec(train="lr = 0.1", grid='dataset = ["sums"]\nhidden = [[8], []]\nseeds = [1, 2]')
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    with suppress(SpecError):
        assert isinstance(parse_spec(text.encode("utf-8", "surrogatepass"), "s"), JobSpec)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_spec_error(data: bytes) -> None:
    """No short byte string is a spec, and none raises another error."""
    assert refusal(data).problems
