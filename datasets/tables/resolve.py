"""Reads a user's table: every row once or twice, in batches of bounded size, and finds what a spec leaves open."""

from __future__ import annotations

import pyarrow as pa

from sumsquares.datasets.tables.choose import Choice, choose
from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.files import Stamp
from sumsquares.datasets.tables.keys import DEFAULT_TEST, TableKeys
from sumsquares.datasets.tables.measure import Measured
from sumsquares.datasets.tables.roles import Drawing
from sumsquares.datasets.tables.scan import Column
from sumsquares.datasets.tables.shown import plural, show
from sumsquares.datasets.tables.source import Raw, Source
from sumsquares.datasets.tables.splits import splits_of, too_many_folds
from sumsquares.datasets.tables.stored import StoredColumns, blocks, changed
from sumsquares.datasets.tables.table import ColumnType, TableDataset
from sumsquares.datasets.tables.verdict import problems_of_rows, repeated
from sumsquares.datasets.tables.wanted import Header, Wanted, test_columns, wanted

KEPT_BYTES = 256 << 20
"""A table of fewer bytes is kept between the two passes; a larger one is read twice."""


def resolve(keys: TableKeys, folder: str) -> TableDataset:
    """Returns the table that the keys stand for.

    Args:
        keys: the [[dataset]] of the spec.
        folder: where a relative `file` starts: a local folder, or an address such as s3://bucket/specs.

    Raises:
        TableMissing: there is no such file.
        TableError: the file or the spec has to be changed; all problems are listed.
        DamagedTable: its bytes are no whole Parquet or compressed file.
        TableUnreachable: an object store doesn't answer.

    """
    source = Source(keys, folder)
    header = source.columns()
    asked, problems = wanted(keys, header)
    if asked is None or problems:
        raise TableError(source.shown, problems)
    scanned, kept = _scan(source, header, asked)
    if (rows := scanned[asked.target].rows) < 2:
        raise TableError(source.shown, [f"file: it has {plural(rows, 'row')}; write at least two"])
    with_target = rows - scanned[asked.target].missing[0]
    choice, problems = choose(keys, asked, scanned)
    problems += too_many_folds(keys.folds, with_target)
    if problems:
        raise TableError(source.shown, problems)
    columns = _stored(keys, choice, scanned[asked.target])
    nulls = frozenset(scanned[position].name for position in asked.inputs if scanned[position].missing[0])
    measured = Measured(columns, _drawing(keys, with_target), nulls)
    at = {scanned[position].name: position for position in asked.all}
    raws = source.rows([name for name, _ in header], asked.all) if kept is None else kept
    measured.add_all(blocks(columns.batches(raws, at, keys.decimal, source.shown), columns.block_rows))
    if source.stamps() != stamps(keys, folder):
        raise changed(source.shown, "its size or time is another")
    return _table(keys, choice, measured, rows, source.shown)


def stamps(keys: TableKeys, folder: str) -> tuple[Stamp, ...]:
    """Returns path, size and time of change of each file, without reading one; it raises as `resolve` does."""
    return Source(keys, folder).stamps()


def _scan(source: Source, header: Header, asked: Wanted) -> tuple[dict[int, Column], list[Raw] | None]:
    """Returns what the columns hold, and the rows if they are few enough to be kept."""
    keys, is_csv = source.keys, not source.files[0].is_parquet
    one_hot = keys.categories == "one_hot"
    columns = {
        position: Column(
            name=header[position][0],
            decimal=keys.decimal,
            parses=is_csv or position in asked.held_out,
            wants_categories=one_hot and position in asked.inputs,
        )
        for position in sorted(asked.all)
    }
    kept: list[Raw] | None = []
    size = 0
    for raw in source.rows([name for name, _ in header], asked.all):
        found = {at: column.add(raw.batch.column(str(at)), raw.place) for at, column in columns.items()}
        arrays = {str(at): array for at, array in found.items() if array is not None}
        size += sum(array.nbytes for array in arrays.values())
        if size > KEPT_BYTES:
            kept = None
        if kept is not None:
            kept.append(Raw(raw.file, raw.first, pa.RecordBatch.from_pydict(arrays)))
    return columns, kept


def _stored(keys: TableKeys, choice: Choice, target: Column) -> StoredColumns:
    target_type: ColumnType = "double" if target.stored == "double" else "int64"
    return StoredColumns(choice.inputs, keys.target, target_type, test_columns(keys), keys.missing)


def _drawing(keys: TableKeys, rows: int) -> Drawing:
    test = DEFAULT_TEST if keys.test is None and keys.folds is None else keys.test
    return Drawing(keys.seed, rows, test, keys.folds, keys.validation)


def _table(keys: TableKeys, choice: Choice, measured: Measured, read: int, source: str) -> TableDataset:
    """Returns the table after a look at its rows: inputs that repeat one another are left out unless they are named."""
    problems = [*problems_of_rows(keys, measured, read)]
    if problems:
        raise TableError(source, problems)
    twins = repeated(measured) if keys.inputs is None else {}
    inputs = tuple(each for each in choice.inputs if each.name not in twins)
    drawing = _drawing(keys, measured.rows)
    split_rows, problems = splits_of(drawing, measured, {each.name for each in inputs})
    if problems:
        raise TableError(source, problems)
    names = [*(each.name for each in inputs), keys.target, *drawing.columns]
    return TableDataset(
        name=keys.name,
        file=keys.file,
        content=measured.digest.hexdigest(names),
        rows=measured.rows,
        target=keys.target,
        target_type=measured.columns.target_type,
        has_integer_target=measured.is_integer,
        input_columns=inputs,
        test=drawing.test,
        folds=keys.folds,
        validation=keys.validation,
        missing=keys.missing,
        seed=keys.seed,
        split_rows=split_rows,
        dropped=read - measured.rows,
        left_out=(*choice.left_out, *((name, f"equals {show(twin)} in every row") for name, twin in twins.items())),
        ends=tuple(measured.ends[name] for name in (*(each.name for each in inputs), keys.target)),
    )
