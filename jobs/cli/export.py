"""The command that hands a run to other tools, as Typer reads it. `--help` imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sumsquares.jobs.cli.options import Output, Run, StoreRoot
from sumsquares.jobs.cli.parameters import flat

export_app = typer.Typer()


@export_app.command()
@flat
def export(
    run: Run,
    *,
    mlflow: Annotated[
        str | None,
        typer.Option(
            "--mlflow",
            help="Address of an MLflow tracking server, which gets a run per variant and the best networks as models.",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", help="Name of the experiment in MLflow. Default: that of the run's spec."),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option("--tensorboard", help="Folder for TensorBoard's event files.", show_default=False),
    ] = None,
    store: StoreRoot,
    output: Output,
) -> None:
    """Write a finished run to MLflow, or as TensorBoard's files. For the champion of the nights RUN is champion."""
    from sumsquares.jobs.commands import export as commands

    wanted = commands.Wanted(run, mlflow, experiment, tensorboard)
    raise typer.Exit(commands.export(wanted, output.shared(store)))
