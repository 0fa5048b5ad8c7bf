"""The commands to begin with: demo and init. `--help` imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sumsquares.jobs.cli.options import (
    STORE_ENVIRONMENT,
    STORE_HELP,
    Debug,
    Json,
    Output,
    Quiet,
    ResultOptions,
    Workers,
    shared,
)
from sumsquares.jobs.cli.parameters import Default, flat
from sumsquares.jobs.cli.tables import FILE, CsvOptions, TableOptions
from sumsquares.jobs.stages.placement import PlacementOptions

first_app = typer.Typer()

DemoStore = Annotated[
    str, typer.Option("--store", envvar=STORE_ENVIRONMENT, help=STORE_HELP), Default("sumsquares-demo")
]


@first_app.command()
@flat
def demo(
    name: Annotated[str, typer.Argument(help="Name of an example, as --list shows it.")] = "demo",
    *,
    list_: Annotated[bool, typer.Option("--list", help="List the examples, and run none.")] = False,
    store: DemoStore,
    workers: Workers,
    results: ResultOptions,
    output: Output,
) -> None:
    """Show in seconds why a network can't learn squares. With NAME, run another example."""
    from sumsquares.jobs.commands import demo as commands

    if list_:
        raise typer.Exit(commands.list_examples(output.shared(store)))
    placement = PlacementOptions(workers).placement(None)
    raise typer.Exit(commands.demo(name, placement, output.shared(store), results.shown()))


@first_app.command()
@flat
def init(
    *,
    table: Annotated[
        str | None, typer.Option("--from", help=f"The table that the spec is about: {FILE}", metavar="TABLE")
    ] = None,
    example: Annotated[
        str | None,
        typer.Option("--example", help="An example in place of a new spec, as `sumsquares demo --list` shows them."),
    ] = None,
    options: TableOptions,
    csv: CsvOptions,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run. Default: from the name of the file.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--output", help="File to write. Default: NAME.toml.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    json: Json,
    quiet: Quiet,
    debug: Debug,
) -> None:
    """Write a first job spec, also from an example or for a table."""
    from sumsquares.jobs.commands import init as commands

    wanted = commands.Wanted(table, example, {**options.keys(), **csv.keys()}, name)
    raise typer.Exit(commands.init(wanted, path, overwrite, shared("", json, quiet, debug)))
