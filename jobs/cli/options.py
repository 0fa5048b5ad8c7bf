"""The options that several commands share, as Typer reads them. Nothing is parsed further here, nothing done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sumsquares.jobs import exits
from sumsquares.jobs.cli.numbers import real, whole
from sumsquares.jobs.stages.placement import MOST_WORKERS, PATIENCE

if TYPE_CHECKING:
    from sumsquares.jobs.commands.shared import Shared

LONGEST = 31_536_000
"""Seconds that an option may ask for, a year: longer waits are beyond what an operating system counts."""

Spec = Annotated[Path, typer.Argument(help="Job spec, a TOML file.", show_default=False)]
Run = Annotated[str, typer.Argument(help="Name of a run, as in its spec.", show_default=False)]
StoreRoot = Annotated[
    str,
    typer.Option("--store", envvar="SUMSQUARES_STORE", help="A folder, or s3://, gs://, az:// with bucket and prefix."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, warnings alone.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
MaxTrials = Annotated[int, typer.Option("--max-trials", parser=whole(1, 10**18), help="Refuse a spec of more trials.")]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        help="CPU workers on Ray: 4, 2:8 as nodes come and go, or all; 0 runs in this process. Default: all, or, where "
        "training is shorter than Ray's start, processes of this machine.",
        metavar="N",
    ),
]
GpuWorkers = Annotated[
    int | None,
    typer.Option(
        "--gpu-workers",
        parser=whole(0, MOST_WORKERS),
        help="Workers with a GPU and a CPU each. Default: all GPUs.",
    ),
]
GpusPerWorker = Annotated[
    float,
    typer.Option("--gpus-per-worker", parser=real(0.01, 1000), help="GPUs of a GPU worker; 0.25 lets four share one."),
]
Resource = Annotated[
    list[str], typer.Option("--resource", help="Custom resource of every worker, NAME=AMOUNT.", metavar="NAME=AMOUNT")
]
Label = Annotated[
    list[str], typer.Option("--label", help="Label that every worker's node must carry.", metavar="NAME=VALUE")
]
GroupSize = Annotated[
    int,
    typer.Option("--group-size", parser=whole(1, MOST_WORKERS), help="Workers that a lost one stops with it, at most."),
]
MemoryLimit = Annotated[
    int,
    typer.Option(
        "--memory-limit", parser=whole(1, 10**12), help="MiB of rows a worker holds; a larger dataset is streamed."
    ),
]
Patience = Annotated[
    float,
    typer.Option("--patience", parser=real(1, LONGEST), help="Seconds to wait for nodes while no worker is left."),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="A Ray that runs: auto, or host:6379. Default: one of this machine's own."),
]
AllVariants = Annotated[
    bool, typer.Option("--all-variants", help="All variants in the tables, not only the best and the worst ones.")
]
DEFAULT_STORE, DEFAULT_MAX_TRIALS, DEFAULT_PATIENCE = "store", 1_000_000, PATIENCE


def shared(store: str, json: bool, quiet: bool, debug: bool) -> Shared:
    """The options of every command."""
    from sumsquares.jobs.commands.shared import Shared

    if debug:
        os.environ[exits.DEBUG] = "1"
    return Shared(store, json, quiet)
