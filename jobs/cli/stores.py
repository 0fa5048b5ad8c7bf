"""The commands about a whole store: runs, show, diff, rm, gc. `--help` imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

from sumsquares.jobs.cli.numbers import real
from sumsquares.jobs.cli.options import Output, StoreRoot
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
    """List the runs of a store, newest first, and what the store takes on the disk."""
    from sumsquares.jobs.commands.runs import runs

    raise typer.Exit(runs(everything, nights, output.shared(store)))


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
    """Show, or delete, the trials, datasets and checkpoints that no run and no night names."""
    from sumsquares.jobs.commands.gc import gc

    raise typer.Exit(gc(delete, days, output.shared(store)))
