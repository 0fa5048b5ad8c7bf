"""The command for a table of one's own, fit, and the options about tables. `--help` imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sumsquares.jobs.cli.numbers import whole
from sumsquares.jobs.cli.options import (
    Address,
    MaxTrials,
    Open,
    Output,
    Patience,
    StoreRoot,
    WorkerOptions,
)
from sumsquares.jobs.cli.parameters import Default, flat
from sumsquares.jobs.messages.values import is_plain, shown

tables_app = typer.Typer()

FILE = "Parquet or CSV: a file, a folder, a glob, or an address such as s3://bucket/houses/."


def one_of(*values: str) -> Callable[[Any], str]:
    """Returns a parser for one of these words."""

    def word(given: Any) -> str:
        if given not in values:
            raise typer.BadParameter(f"{shown(str(given))} is not valid; write {' or '.join(values)}")
        return str(given)

    return word


def share_or_column(given: Any) -> float | str:
    """Parses a share of the rows, or else the name of a column."""
    text = str(given)
    if not is_plain(text):
        return text
    if not 0 < float(text) < 1:
        remedy = "write a share above 0 and below 1, such as 0.2, or the name of a boolean column"
        raise typer.BadParameter(f"{shown(text)} is not valid; {remedy}")
    return float(text)


@dataclass(frozen=True)
class CsvOptions:
    """How a CSV file is written."""

    separator: Annotated[
        str | None,
        typer.Option("--separator", help="Of CSV: what stands between two fields. Default: a comma.", metavar="CHAR"),
        Default(None),
    ]
    decimal: Annotated[
        str | None,
        typer.Option("--decimal", help="Of CSV: the decimal point. Default: a point.", metavar="CHAR"),
        Default(None),
    ]
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of CSV: how its text is encoded. Default: utf-8."), Default(None)
    ]

    def keys(self) -> dict[str, str]:
        """The keys of a [[dataset]] that were given."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class TableOptions:
    """How a table is read, and which of its rows are held out."""

    target: Annotated[
        str | None,
        typer.Option("--target", help="Column to predict.", metavar="COLUMN", show_default=False),
        Default(None),
    ]
    inputs: Annotated[
        list[str],
        typer.Option(
            "--inputs",
            help="Input columns, separated by commas. Default: every other numeric column.",
            metavar="COLUMN,...",
            show_default=False,
        ),
        Default([]),
    ]
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            parser=whole(2, 1000),
            help="Hold out each of so many folds once. Default: 5; above 100,000 rows --test 0.2.",
            show_default=False,
        ),
        Default(None),
    ]
    test: Annotated[
        list[str],
        typer.Option(
            "--test",
            parser=share_or_column,
            help="Instead of folds: the share of rows held out, or a boolean column that says which; several columns "
            "are several splits.",
            metavar="SHARE|COLUMN",
            show_default=False,
        ),
        Default([]),
    ]
    missing: Annotated[
        str | None,
        typer.Option(
            "--missing",
            parser=one_of("drop", "mean"),
            help="Rows with nulls: drop leaves them out, mean fills in the mean of the training rows. Default: refuse.",
            metavar="drop|mean",
            show_default=False,
        ),
        Default(None),
    ]
    one_hot: Annotated[
        bool,
        typer.Option("--one-hot", help="Text columns are inputs, a column of zeros and ones for each value."),
        Default(False),
    ]

    def keys(self) -> dict[str, Any]:
        """The keys of a [[dataset]] that were given, without name and file."""
        inputs = [name for text in self.inputs for name in text.split(",") if name]
        keys = {
            "target": self.target,
            "inputs": inputs or None,
            "folds": self.folds,
            "test": self.test[0] if len(self.test) == 1 else self.test or None,
            "missing": self.missing,
            "categories": "one_hot" if self.one_hot else None,
        }
        return {key: value for key, value in keys.items() if value is not None}


@tables_app.command()
@flat
def fit(
    table: Annotated[str, typer.Argument(help=FILE, metavar="TABLE", show_default=False)],
    options: TableOptions,
    csv: CsvOptions,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run. Default: from the name of the file.")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", parser=whole(1, 1000), help="Networks of each variant and split.")
    ] = 1,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            parser=whole(1, 10**7),
            help="Passes over the training rows. Default: from the number of rows, at most 100.",
            show_default=False,
        ),
    ] = None,
    store: StoreRoot,
    workers: WorkerOptions,
    patience: Patience,
    address: Address,
    max_trials: MaxTrials,
    in_browser: Open,
    output: Output,
) -> None:
    """Fit networks to a table, and choose one for predictions."""
    from sumsquares.jobs.commands import fit as commands

    placement = workers.options(patience).placement(address)
    wanted = commands.Wanted(table, {**options.keys(), **csv.keys()}, name, seeds, epochs, max_trials, in_browser)
    raise typer.Exit(commands.fit(wanted, placement, output.shared(store)))
