"""Tables that can't be used as they are, each with its keys, the exit code, and what the message must name."""

from __future__ import annotations

import datetime
import decimal
import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 40
GOOD = "\n".join(f"{i},{i * i % 7},{i * i % 11 + 0.5}" for i in range(ROWS))


@dataclass(frozen=True)
class Bad:
    """One bad table: a folder is filled by `make`, and `keys` name what is in it."""

    name: str
    make: Callable[[Path], object]
    told: tuple[str, ...]
    """Parts of the message: where, what, and the remedy."""
    keys: dict[str, Any] = field(default_factory=dict)
    code: int = 2


def text(name: str, content: str, *told: str, file: str = "t.csv", code: int = 2, **keys: Any) -> Bad:
    """A CSV file in UTF-8."""
    return raw(name, content.encode(), *told, file=file, code=code, **keys)


def raw(name: str, content: bytes, *told: str, file: str = "t.csv", code: int = 2, **keys: Any) -> Bad:
    """A file of these bytes."""
    return Bad(name, lambda folder: (folder / file).write_bytes(content), told, {"file": file, **keys}, code)


def arrow(name: str, columns: dict[str, Any], *told: str, **keys: Any) -> Bad:
    """A Parquet file."""

    def make(folder: Path) -> None:
        pq.write_table(pa.table(columns), folder / "t.parquet")

    return Bad(name, make, told, {"file": "t.parquet", **keys})


def made(name: str, make: Callable[[Path], object], *told: str, code: int = 2, **keys: Any) -> Bad:
    """Whatever a function puts into the folder."""
    return Bad(name, make, told, {"file": "t.csv", **keys}, code)


def rows(*lines: str, header: str = "a,b,y") -> str:
    """Good rows, and then these."""
    return f"{header}\n{GOOD}\n" + "\n".join(lines) + "\n"


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "t.csv")


def _loop(folder: Path) -> None:
    (folder / "t.csv").symlink_to("u.csv")
    (folder / "u.csv").symlink_to("t.csv")


def _mixed(folder: Path) -> None:
    (folder / "a.csv").write_text(rows())
    pq.write_table(pa.table({"a": [1.0, 2.0], "y": [1.0, 3.0]}), folder / "b.parquet")


def _others(folder: Path) -> None:
    (folder / "a.csv").write_text(rows())
    (folder / "b.csv").write_text(rows(header="a,c,y"))


def _ragged_second(folder: Path) -> None:
    (folder / "a.csv").write_text(rows())
    (folder / "b.csv").write_text(rows("1,2,3,4"))


def _torn(folder: Path) -> None:
    pq.write_table(pa.table({"a": np.arange(1000.0), "y": np.arange(1000.0) % 7}), folder / "t.parquet")
    data = (folder / "t.parquet").read_bytes()
    (folder / "t.parquet").write_bytes(data[: len(data) // 2])


def _flipped(folder: Path) -> None:
    """Overwrites the pages, and leaves the footer."""
    table = pa.table({"a": np.arange(1000.0), "y": np.arange(1000.0) % 7})
    pq.write_table(table, folder / "t.parquet", compression="snappy")
    data = bytearray((folder / "t.parquet").read_bytes())
    data[4:2000] = bytes(255 - byte for byte in data[4:2000])
    (folder / "t.parquet").write_bytes(data)


X = np.arange(ROWS) % 13 + 0.25
Y = np.arange(ROWS) ** 2 % 17 + 0.5
FLAG = [i % 4 == 0 for i in range(ROWS)]
WIDE = "\n".join(f"{i},{i % 7},{9 * 10**18 + 10**18 * i},{i * i % 11}" for i in range(ROWS))

BAD = (
    # The file itself.
    made("missing", lambda folder: None, "there is no", "t.csv"),
    made("misspelt", lambda folder: (folder / "houses.csv").write_text(rows()), 'mean "houses.csv"', file="house.csv"),
    made("folder-empty", lambda folder: (folder / "t.csv").mkdir(), "t.csv", "has no *.parquet"),
    made("fifo", _fifo, "t.csv", "is a FIFO", "write the path"),
    made("device", lambda folder: None, "/dev/zero", "is a device", file="/dev/zero"),
    made("link-loop", _loop, "t.csv", "leads back to itself"),
    made("link-nowhere", lambda folder: (folder / "t.csv").symlink_to("gone.csv"), "leads nowhere"),
    made("glob-nothing", lambda folder: None, "no file matches", "*.csv", file="*.csv"),
    made("scheme", lambda folder: None, "gopher://", "s3://", file="gopher://houses/t.csv"),
    made("two-kinds", _mixed, "both Parquet and CSV", "a.csv", "*.parquet", file="."),
    made("other-columns", _others, "b.csv", '"b"', '"c"', file="*.csv"),
    made("ragged-second-file", _ragged_second, "b.csv", "row 41", "4 cells", file="*.csv"),
    raw("empty", b"", "is empty", "names of the columns"),
    raw("blank-lines", b"\n\r\n\n", "is empty"),
    raw("excel", b"PK\x03\x04" + bytes(50), "Excel", "save the table as CSV"),
    raw("gzip-unnamed", gzip.compress(rows().encode()), "gzip", "*.csv.gz"),
    raw("gzip-torn", gzip.compress(rows().encode())[:-9], "compressed", "again", file="t.csv.gz", code=3),
    raw("gzip-not", rows().encode(), "compressed", "again", file="t.csv.gz", code=3),
    raw("parquet-as-csv", b"PAR1" + bytes(50), "Parquet", "*.parquet"),
    raw("csv-as-parquet", rows().encode(), "can't be read as Parquet", file="t.parquet", code=3),
    raw("parquet-empty", b"", "can't be read as Parquet", file="t.parquet", code=3),
    made("parquet-torn", _torn, "can't be read as Parquet", "again", file="t.parquet", code=3),
    made("parquet-flipped", _flipped, "can't be read as Parquet", "again", file="t.parquet", code=3),
    # Text and its encoding.
    raw("latin-1", "a,b,y\n1,2,3\n4,5,é\n".encode("latin-1"), "byte 17", "line 3", 'encoding = "latin-1"'),
    raw("utf-16", rows().encode("utf-16"), 'encoding = "utf-16"'),
    raw("utf-16-bare", rows().encode("utf-16-le"), "NUL", 'encoding = "utf-16"'),
    raw("nul", b"a,b,y\n1,2,3\n4,\0,6\n", "NUL", "byte 15"),
    text("encoding-unknown", rows(), "encoding", '"latin-15x"', encoding="latin-15x"),
    text("encoding-no-text", rows(), "encoding", '"base64"', encoding="base64"),
    text("encoding-wrong", "a,b,y\n1,2,é\n", "byte", "utf-8", encoding="ascii"),
    # Separators, quotes, header.
    text("semicolons", "a;b;y\n1,5;2;3\n2;3;4\n", 'separator = ";"', 'decimal = ","'),
    text("tabs", "a\tb\ty\n1\t2\t3\n2\t3\t5\n", 'separator = "\\t"'),
    text("pipes", "a|b|y\n1|2|3\n2|3|5\n", 'separator = "|"'),
    text("separator-wrong", rows(), 'separator = ","', separator=";"),
    text("separator-is-decimal", rows(), "decimal", "separator", decimal=","),
    text("separator-quote", rows(), "separator", '"\\""', separator='"'),
    text("no-header", GOOD, "no header", "names of the columns"),
    text("header-only", "a,b,y\n", "0 rows", "at least two"),
    text("one-row", "a,b,y\n1,2,3\n", "1 row", "at least two"),
    text("ragged", rows("1,2", "3,4,5,6"), "row 41 has 2 cells instead of 3", "row 42 has 4 cells"),
    text("quote-open", rows('1,2,"3', "4,5,6"), "row 41", "quote", "close it"),
    text("quote-open-first", rows('"1,2,3', "4,5,6"), "row 41", "quote", "close it"),
    text("decimal-comma", rows('1,"1,5",2'), '"b"', 'row 41 has "1,5"', "decimal point", inputs=["b"]),
    text("decimal-comma-2", "a;y\n1;0,5\n2;7,5\n", '"y"', 'row 1 has "0,5"', 'decimal = ","', separator=";"),
    text("thousands", rows('1,2,"12,345"'), '"y"', 'row 41 has "12,345"', "thousands"),
    text("names-twice", rows(header="a,a,y"), "columns 1 and 2", '"a"', "rename"),
    # Which columns.
    text("target-missing", rows(header="a,b,price"), "no column", 'mean "price"', target="Price"),
    text("target-far", rows(), 'no column "zzz"', '"a", "b", "y"', target="zzz"),
    text("input-missing", rows(), "inputs", 'no column "c"', inputs=["a", "c"]),
    text("test-missing", rows(), "test", 'no column "held"', test="held"),
    text("target-in-inputs", rows(), '"y" is the target', "remove it", inputs=["a", "y"]),
    text("input-twice", rows(), '"a" is named 2 times', inputs=["a", "a"]),
    text("test-in-inputs", rows(), '"b" names the test rows', inputs=["a", "b"], test="b"),
    text("test-is-target", rows(), '"y" is the target', test="y"),
    text("only-target", "y\n1\n2\n4\n", "no input is left", '"y"', "add a column"),
    text("unicode", rows(header="größe,地図,y"), "no column", 'mean "größe"', target="grösse"),
    text("name-escaped", "a\x1b[31m,y\n1,2\n2,x\n", '"y"', 'row 2 has "x"'),
    # Targets.
    text("target-text", rows("1,2,n/v"), '"y" is text', 'row 41 has "n/v"', "write a number"),
    text("target-words", "a,y\n1,red\n2,blue\n3,red\n", '"y" is text', 'row 1 has "red"'),
    arrow(
        "category-called-as-target",
        {"a": [*range(ROWS)], "c": ["x", "z"] * (ROWS // 2), "c=x": Y},
        *('"c=x"', "one of them a category", "rename the other"),
        target="c=x",
        categories="one_hot",
    ),
    arrow(
        "category-called-as-held-out",
        {"a": [*range(ROWS)], "c": ["x", "z"] * (ROWS // 2), "c=x": [True, False] * (ROWS // 2), "y": Y},
        *('"c=x"', "one of them a category", "rename the other"),
        test="c=x",
        categories="one_hot",
    ),
    arrow(
        "category-leak",
        {"a": [*range(ROWS)], "c": ["x", "z"] * (ROWS // 2), "y": [True, False] * (ROWS // 2)},
        *('"c=x" is equal to the target', '"c=z" is a linear function', 'write inputs = ["a"]'),
        categories="one_hot",
    ),
    arrow(
        "leak-with-nulls",
        {"a": [*range(ROWS)], "b": [*Y[: ROWS // 2], *[None] * (ROWS // 2)], "y": Y},
        *(f'"b" is equal to the target in the {ROWS // 2} rows in which it has a value', 'inputs = ["a"]'),
        missing="mean",
    ),
    arrow(
        "constant-with-nulls",
        {"b": [1.5, None] * (ROWS // 2), "y": Y},
        *('"b" is 1.5 in every row with a value', "no input is left"),
        missing="drop",
    ),
    text(
        "integer-of-5000-digits",
        f"a,b,y\n{'0' * 5000}1,2,3\n1{'0' * 5000},2,4\n",
        *('"a": row 2 has "10000000000000000000..." (5,001 characters)', "beyond integers of 64 bits", "decimal point"),
    ),
    text("integer-below-64-bits", f"a,y\n{-(2**63)},3\n{-(2**63) - 1},4\n", '"a": row 2 has', "beyond integers of 64"),
    text("target-tiny", "a,y\n1,1e-300\n2,2e-300\n3,5e-300\n", '"y"', "squares", "1e-300", "another unit"),
    text("target-narrow", "a,y\n1,1e15\n2,1000000000000001\n3,1e15\n", '"y"', "last digits", "subtract"),
    arrow("target-one-double", {"a": [1, 2, 3], "y": [2**60, 2**60 + 1, 2**60]}, '"y" is 1.15292e+18 as float64'),
    arrow("input-one-double", {"a": [2**60, 2**60 + 1, 2**60], "y": [1, 2, 9]}, "as float64", "no input is left"),
    text("target-constant", "a,y\n1,5\n2,5\n3,5\n", '"y" is 5 in every row', "varies"),
    text("target-empty", "a,y\n1,\n2,NA\n3,nan\n", '"y" has no values'),
    text("target-null", rows("1,2,"), '"y"', "1 row of 41", "row 41", 'missing = "drop"'),
    text("target-infinite", rows("1,2,inf"), '"y"', "row 41", "inf", "finite"),
    text("target-huge", rows("1,2,1e150"), '"y"', "row 41", "1e+150", "another unit"),
    text("target-integer-huge", "a,y\n1,1\n2,99999999999999999999\n", '"y"', "row 2", "64 bits"),
    arrow("target-words-parquet", {"a": X, "y": ["red", "blue"] * 20}, '"y" is text', "name a column of numbers"),
    arrow("target-dates", {"a": X, "y": [datetime.date(2020, 1, 1)] * ROWS}, '"y" has no numbers'),
    arrow("target-lists", {"a": X, "y": [[1.0]] * ROWS}, '"y" has no numbers'),
    arrow("target-unsigned", {"a": X, "y": pa.array([2**64 - 1 - i for i in range(ROWS)], pa.uint64())}, "64 bits"),
    arrow("target-nulls", {"a": X, "y": pa.nulls(ROWS)}, '"y" has no values'),
    # Inputs.
    text("null", rows(",2,3"), '"a"', "row 41", 'missing = "drop"', '"mean"'),
    text("nan", rows("nan,2,3", "NA,2,3"), '"a"', "2 rows of 42", "row 41"),
    text("infinite", rows("1,-inf,3"), '"b"', "row 41", "-inf"),
    text("huge", rows("1,1e200,3"), '"b"', "row 41", "1e+200"),
    text("wide-integer", "a,b,c,y\n" + WIDE, '"c"', "row 2", "64 bits"),
    text("text-named", rows("1,?,3"), '"b" is text', 'row 41 has "?"', inputs=["a", "b"]),
    text("words-named", "a,y\nred,1\nblue,2\ngreen,4\n", '"a" is text', 'categories = "one_hot"', inputs=["a"]),
    text("constant-named", "a,b,y\n1,7,2\n2,7,3\n3,7,9\n", '"b" is 7 in every row', "remove it", inputs=["a", "b"]),
    text("all-text", "a,y\nred,1\nblue,2\ngreen,4\n", "no input is left", '"a" is text', "one_hot"),
    arrow(
        "dates-named",
        {"d": [datetime.datetime(2020, 1, 1 + i % 20) for i in range(ROWS)], "y": Y},
        '"d" has dates',
        "remove it",
        inputs=["d"],
    ),
    arrow("lists-named", {"a": [[1.0, 2.0]] * ROWS, "y": Y}, '"a" has lists', inputs=["a"]),
    arrow("bytes-named", {"a": [b"x"] * ROWS, "y": Y}, '"a" has values that are no numbers', inputs=["a"]),
    arrow("null-named", {"a": pa.nulls(ROWS), "b": X, "y": Y}, '"a" has no values', inputs=["a", "b"]),
    arrow("infinite-parquet", {"a": [*X[:-1], np.inf], "y": Y}, '"a"', "row 40", "inf"),
    arrow("decimal-constant", {"a": [decimal.Decimal("1.50")] * ROWS, "y": Y}, "no input is left", "1.5 in every row"),
    arrow("target-copied", {"a": X, "b": Y, "y": Y}, '"b" is equal to the target', 'inputs = ["a"]'),
    arrow("target-scaled", {"a": X, "cents": Y * 100 + 7, "y": Y}, '"cents" is a linear function', 'inputs = ["a"]'),
    arrow("target-copied-named", {"a": X, "b": Y, "y": Y}, '"b" is equal', 'remove "b"', inputs=["a", "b"]),
    text(
        "categories-many",
        "a,y\n" + "".join(f"w{i},{i % 7}\n" for i in range(3000)),
        '"a" has more than 1,024 categories',
        categories="one_hot",
    ),
    arrow(
        "categories-two-columns",
        {
            "a": [f"w{i % 600}" for i in range(3000)],
            "b": [f"v{i % 500}" for i in range(3000)],
            "y": np.arange(3000.0) % 17,
        },
        "1,100 inputs",
        '"a" has 600 categories',
        categories="one_hot",
    ),
    text(
        "category-long",
        "a,y\n" + "".join(f"{'x' * 500 if i else 'b'},{i % 7}\n" for i in range(9)),
        '"a"',
        "500 characters",
        "too long",
        categories="one_hot",
    ),
    arrow("inputs-many", {**{f"c{i}": X + i for i in range(1100)}, "y": Y}, "1,100 inputs", "name fewer columns"),
    # Rows that are held out.
    text("test-numbers", rows(), '"b" is not boolean', "write true", test="b"),
    text("test-words", "a,y,t\n1,2,yes\n2,3,no\n3,5,yes\n", '"t" is not boolean', '"yes"', test="t"),
    text("test-all", "a,y,t\n1,2,1\n2,3,1\n3,5,1\n", '"t" is true in every row', test="t"),
    text("test-none", "a,y,t\n1,2,false\n2,3,false\n3,5,false\n", '"t" is false in every row', test="t"),
    text("test-null", "a,y,t\n1,2,true\n2,3,\n3,5,false\n", '"t"', "1 row without a value", "row 2", test="t"),
    arrow("test-dates", {"a": X, "y": Y, "t": pa.array([0] * ROWS, pa.date32())}, '"t" has dates', "true", test="t"),
    text("folds-many-mean", "a,y\n1,2\n2,3\n,5\n", "3 rows for 10 folds", folds=10, missing="mean"),
    arrow("test-two", {"a": X, "y": Y, "t": FLAG, "u": [True] * ROWS}, '"u" is true in every row', test=["t", "u"]),
    text("folds-many", "a,y\n1,2\n2,3\n3,5\n", "3 rows for 10 folds", "fewer", folds=10),
    text("share-large", "a,y\n1,2\n2,3\n", "test", "no training row", test=0.9),
    text("validation-small", "a,y\n1,2\n2,3\n3,5\n", "validation", "none of the training rows", validation=0.001),
    # Rows that are dropped.
    text("drop-all", "a,b,y\n1,,2\n,2,3\n3,,5\n,4,4\n", "0 rows of 4", missing="drop"),
    text("drop-constant", "a,b,y\n1,,2\n1,2,3\n1,3,5\n2,,7\n", '"a" is 1 in all rows', missing="drop"),
    text(
        "mean-of-none",
        "a,b,y,t\n1,,2,false\n2,,3,false\n3,1,5,true\n4,2,6,true\n",
        '"b" has no value in any training row',
        'missing = "drop"',
        missing="mean",
        test="t",
    ),
    # Sizes.
    made(
        "row-huge",
        lambda folder: (folder / "t.csv").write_bytes(b"a,y\n1," + b"2" * (40 << 20) + b"\n3,4\n"),
        "16 MiB",
        "quote",
    ),
    made("line-endless", lambda folder: (folder / "t.csv").write_bytes(b"x" * (20 << 20)), "first line", "line end"),
    made(
        "gzip-bomb",
        lambda folder: (folder / "t.csv.gz").write_bytes(gzip.compress(b"a,y\n1," + b"x" * (200 << 20), 1)),
        "16 MiB",
        file="t.csv.gz",
    ),
)
