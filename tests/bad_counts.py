"""Specs with impossible counts: each is rejected before anything is expanded."""

from __future__ import annotations

HEAD = 'name = "small"\n'
DATASET = '[[dataset]]\nname = "sq"\ntask = "square"\nlargest = 20\nrows = 50\n'
GRID = '[[grid]]\ndataset = "sq"\nhidden = [[4]]\n'


def spec(dataset: str = DATASET, train: str = "epochs = 5\nbatch_size = 10\n", grid: str = GRID) -> str:
    """A small spec with a part replaced."""
    return f"{HEAD}{dataset}[train]\n{train}{grid}"


def datasets(count: int, rows: int, test_rows: int) -> str:
    """A spec with this many datasets of this many rows."""
    one = DATASET.replace("rows = 50", f"rows = {rows}\ntest_rows = {test_rows}\nseed = {{0}}")
    return "".join(one.format(index).replace('"sq"', f'"sq{index or ""}"') for index in range(count))


WIDE = f"hidden = [{[16_384] * 8}]"
# What is asked for: the spec, other arguments, and what the message has to hold.
TOO_MANY: dict[str, tuple[str, tuple[str, ...], list[str]]] = {
    "a billion seeds": (spec(grid=GRID + "seeds = 1_000_000_000\n"), (), ["1_000_000_000 trials", "grid[0]"]),
    "a billion seeds that are allowed": (
        spec(grid=GRID + "seeds = 1_000_000_000\n"),
        ("--max-trials", "1000000000"),
        ["GB of memory", "500.0 GB", "--max-trials allows what fits"],
    ),
    "trials that all limits are raised for": (
        spec(grid=GRID + "seeds = 1_000_000_000\nlr = [0.1, 0.2, 0.3]\n"),
        ("--max-trials", "1" + "0" * 18),
        ["3_000_000_000 trials", "GB of memory"],
    ),
    "more rows than two million shards": (spec(datasets(3, 10**12, 10)), (), ["3_000_000_000_060 rows", "fewer rows"]),
    "test rows that are more": (spec(datasets(2, 100, 10**12)), (), ["4_000_000_000_200 rows", "test_rows"]),
    "a thousand datasets of a trillion rows": (spec(datasets(1000, 10**12, 10**12)), (), ["fewer datasets"]),
    "steps without end": (
        spec(datasets(1, 10**12, 10), "epochs = 10_000_000\nbatch_size = 1\n"),
        (),
        ["10_000_000_000_000_000_000 steps", "fewer epochs"],
    ),
    "steps without end in a grid": (
        spec(datasets(1, 10**10, 10), grid=GRID + "epochs = [1, 10_000_000]\nbatch_size = [1, 100]\n"),
        (),
        ["grid[0]", "100_000_000_000_000_000 steps"],
    ),
    "a network of 37 GB": (spec(grid=GRID.replace("hidden = [[4]]", WIDE)), (), ["MiB of memory", "narrower"]),
    "a batch of a hundred billion rows": (
        spec(datasets(1, 10**11, 10), "epochs = 1\nbatch_size = 100_000_000_000\n"),
        (),
        ["MiB of memory", "smaller batch_size"],
    ),
}
"""`run` refuses each with exit code 2; the last two are a plan's, which prints them with a warning."""
OF_PLANS = ("a network of 37 GB", "a batch of a hundred billion rows")
