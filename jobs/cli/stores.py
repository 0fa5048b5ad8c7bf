"""The commands about a whole store: runs, show, diff, rm, gc. `--help` imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

from sumsquares.jobs.cli.numbers import real
from sumsquares.jobs.cli.options import AllVariants, Output, ResultOptions, StoreRoot
from sumsquares.jobs.cli.parameters import flat

stores_app = typer.Typer()

AnyRun = Annotated[
    str,
    typer.Argument(
        help="Name of a run, as in its spec; NAME@DIGEST for an earlier one that is kept; `champion`.",
        show_default=False,
    ),
]


@stores_app.command()
@flat
def runs(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="List the earlier runs that are kept as well, as NAME@DIGEST.")
    ] = False,
    nights: Annotated[bool, typer.Option("--nights", help="List the runs of nights, too.")] = False,
    store: StoreRoot,
    output: Output,
) -> None:
    """List the runs of a store, newest first, and its disk use."""
    from sumsquares.jobs.commands.runs import runs

    raise typer.Exit(runs(everything, nights, output.shared(store)))


@stores_app.command()
@flat
def show(
    run: AnyRun,
    *,
    spec: Annotated[bool, typer.Option("--spec", help="Show the text of its spec, too.")] = False,
    results: ResultOptions,
    store: StoreRoot,
    output: Output,
) -> None:
    """Show what a finished run printed. Its files say when and where it ran, the answer, the tables."""
    from sumsquares.jobs.commands.show import show

    raise typer.Exit(show(run, spec, results.shown(), output.shared(store)))


@stores_app.command()
@flat
def diff(
    before: AnyRun,
    after: AnyRun,
    *,
    other_store: Annotated[
        str | None, typer.Option("--other-store", help="Store of the second run. Default: that of the first.")
    ] = None,
    all_variants: AllVariants,
    store: StoreRoot,
    output: Output,
) -> None:
    """Compare two runs: specs, and RMSEs of variants that both have. The test is that of the nights."""
    from sumsquares.jobs.commands.diff import diff

    raise typer.Exit(diff(before, after, other_store, all_variants, output.shared(store)))


@stores_app.command()
@flat
def rm(
    run: Annotated[
        str,
        typer.Argument(
            help="Name of a run: it goes with the earlier ones of its name. NAME@DIGEST is one of those alone.",
            show_default=False,
        ),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask. Needed where there is no terminal.")] = False,
    store: StoreRoot,
    output: Output,
) -> None:
    """Delete a run's files: its spec, summary and report. Trials and datasets stay until `gc --delete`."""
    from sumsquares.jobs.commands.rm import rm

    raise typer.Exit(rm(run, yes, output.shared(store)))


@stores_app.command()
@flat
def gc(
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it. Default: only show it.")] = False,
    days: Annotated[
        float, typer.Option("--days", parser=real(0, 36_500), help="Age from which on it may be deleted.")
    ] = 7,
    store: StoreRoot,
    output: Output,
) -> None:
    """Show, or delete, what no run and no night names. That is trials, datasets and checkpoints."""
    from sumsquares.jobs.commands.gc import gc

    raise typer.Exit(gc(delete, days, output.shared(store)))
