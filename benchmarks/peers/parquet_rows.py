"""Writes random numbers and their target as a Parquet file, with one library and setting per process. One thread.

All write the same columns, without fsync: numbers 1..1000 as INTEGER, and the target of the task as BIGINT; or, for a
formula, real numbers and its value as DOUBLE. Only ours computes digests. Libraries without fast random numbers of
their own use numpy's fastest generator.
"""

import os

os.environ.update(POLARS_MAX_THREADS="1", OMP_NUM_THREADS="1")

import tempfile
from functools import partial
from pathlib import Path

from protocol import Candidate, serve

SHAPES = {"sum": ("number_1", "number_2"), "square": ("number_1",)}
# Rounding 0.5..1000.5 is as uniform as floor() and 5 % faster.
RANDOM = "(random() * 1000 + 0.5)::INTEGER"
QUERIES = {
    "sum": "SELECT a AS number_1, b AS number_2, (a + b)::BIGINT AS target "
    "FROM (SELECT {random} AS a, {random} AS b FROM range({rows}))",
    "square": "SELECT a AS number_1, a::BIGINT * a AS target FROM (SELECT {random} AS a FROM range({rows}))",
}
FORMULA_QUERY = "SELECT {names}, {target} AS target FROM (SELECT {numbers} FROM range({rows}))"


def groups(question):
    """Returns the only candidate, which the question names. Its "models" are rows, its steps files."""
    make = {"ours": ours, "duckdb": duckdb, "polars": polars, "pyarrow": pyarrow}[question["library"]]
    folder = tempfile.TemporaryDirectory()
    task = question["task"]
    if question["formula"] is not None:
        make = {"ours": ours_of_formula, "duckdb": duckdb_of_formula}[question["library"]]
        task = {"formula": task, **question["formula"]}
    write = partial(make, task, question["rows"], question["options"])
    return [[Candidate(question["library"], question["rows"], lambda: writing(write, folder), 1)]]


def writing(make, folder):
    """Returns a function that writes the files repeatedly, and reports their size."""
    write = make(Path(folder.name))

    def run(steps):
        for _ in range(steps):
            write()
        return {"bytes": sum(path.stat().st_size for path in Path(folder.name).iterdir())}

    return run


def ours(task, rows, _options, folder):
    """Writes the shards of a task."""
    return shards({"task": task, "largest": 1000, "rows": rows}, folder)


def ours_of_formula(formula, rows, _options, folder):
    """Writes the shards of a formula."""
    fields = {name: formula[name] for name in ("formula", "low", "high")}
    return shards({**fields, "numbers": "real", "rows": rows}, folder)


def shards(dataset, folder):
    """Writes shards of the train split, with digests of their content and of each file."""
    from sumsquares.datasets.shards import encode_shard, shard_count
    from sumsquares.datasets.spec import DatasetSpec

    spec = DatasetSpec.model_validate(dataset)

    def write():
        for index in range(shard_count(spec, "train")):
            (folder / f"{index}.parquet").write_bytes(encode_shard(spec, "train", index)[0])

    return write


def duckdb(task, rows, options, folder):
    """Writes the query of a task."""
    return copied(QUERIES[task].format(random=RANDOM, rows=rows), options, folder)


def duckdb_of_formula(formula, rows, options, folder):
    """Writes numbers of the formula's range, and its expression in SQL."""
    low, width, names = formula["low"], formula["high"] - formula["low"], formula["names"]
    numbers = ", ".join(f"{low} + {width} * random() AS {name}" for name in names)
    columns = {"names": ", ".join(names), "target": formula["sql"], "numbers": numbers}
    return copied(FORMULA_QUERY.format(rows=rows, **columns), options, folder)


def copied(query, options, folder):
    """Writes with COPY from a query."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    settings = "".join(f", {name} {value}" for name, value in options.items())
    return lambda: connection.execute(f"COPY ({query}) TO '{folder / 'x.parquet'}' (FORMAT parquet{settings})")


def polars(task, rows, options, folder):
    """Writes a frame of numpy's numbers, with the target as an expression."""
    import polars

    draw = numbers(task, rows)
    first = polars.col("number_1").cast(polars.Int64)
    target = (first * first if task == "square" else first + polars.col("number_2")).alias("target")
    return lambda: polars.DataFrame(draw()).with_columns(target).write_parquet(folder / "x.parquet", **options)


def pyarrow(task, rows, options, folder):
    """Writes a table of numpy's numbers and target."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet

    pa.set_cpu_count(1)
    draw = numbers(task, rows)

    def write():
        columns = draw()
        first = columns["number_1"].astype(np.int64)
        columns["target"] = first * first if task == "square" else first + columns["number_2"]
        pyarrow.parquet.write_table(pa.table(columns), folder / "x.parquet", **options)

    return write


def numbers(task, rows):
    """Returns a function that draws the columns of numbers."""
    import numpy as np

    rng = np.random.Generator(np.random.SFC64(1))
    return lambda: {name: rng.integers(1, 1001, rows, np.int32) for name in SHAPES[task]}


if __name__ == "__main__":
    serve(groups)
