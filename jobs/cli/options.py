"""The options that several commands share, each with its default and its help, as Typer reads them.

A command takes a single option by its type (`store: StoreRoot`), or several as a group (`output: Output`): see
parameters.py. Values are checked here as far as the type goes; nothing is done.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sumsquares.jobs import exits
from sumsquares.jobs.cli.numbers import real, whole
from sumsquares.jobs.cli.parameters import Default
from sumsquares.jobs.stages.placement import MOST_WORKERS, PlacementOptions

if TYPE_CHECKING:
    from sumsquares.jobs.commands.shared import Shared

LONGEST = 31_536_000
"""Seconds that an option may ask for, a year: longer waits are beyond what an operating system counts."""

Spec = Annotated[Path, typer.Argument(help="Job spec, a TOML file.", show_default=False)]
Run = Annotated[str, typer.Argument(help="Name of a run, as in its spec.", show_default=False)]
StoreRoot = Annotated[
    str,
    typer.Option("--store", envvar="SUMSQUARES_STORE", help="A folder, or s3://, gs://, az:// with bucket and prefix."),
    Default("store"),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object to stdout."),
    Default(False),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="No progress, warnings alone."),
    Default(False),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error."),
    Default(False),
]
MaxTrials = Annotated[
    int,
    typer.Option("--max-trials", parser=whole(1, 10**18), help="Refuse a spec of more trials."),
    Default(1_000_000),
]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        help="CPU workers on Ray: 4, 2:8 as nodes come and go, or all; 0 runs in this process. Default: all, or, where "
        "training is shorter than Ray's start, processes of this machine.",
        metavar="N",
    ),
    Default(PlacementOptions.workers),
]
GpuWorkers = Annotated[
    int | None,
    typer.Option(
        "--gpu-workers",
        parser=whole(0, MOST_WORKERS),
        help="Workers with a GPU and a CPU each. Default: all GPUs.",
    ),
    Default(PlacementOptions.gpu_workers),
]
GpusPerWorker = Annotated[
    float,
    typer.Option("--gpus-per-worker", parser=real(0.01, 1000), help="GPUs of a GPU worker; 0.25 lets four share one."),
    Default(PlacementOptions.gpus_per_worker),
]
Resource = Annotated[
    list[str],
    typer.Option("--resource", help="Custom resource of every worker, NAME=AMOUNT.", metavar="NAME=AMOUNT"),
    Default([]),
]
Label = Annotated[
    list[str],
    typer.Option("--label", help="Label that every worker's node must carry.", metavar="NAME=VALUE"),
    Default([]),
]
GroupSize = Annotated[
    int,
    typer.Option("--group-size", parser=whole(1, MOST_WORKERS), help="Workers that a lost one stops with it, at most."),
    Default(PlacementOptions.group_size),
]
MemoryLimit = Annotated[
    int,
    typer.Option(
        "--memory-limit", parser=whole(1, 10**12), help="MiB of rows a worker holds; a larger dataset is streamed."
    ),
    Default(PlacementOptions.memory_limit),
]
Patience = Annotated[
    float,
    typer.Option("--patience", parser=real(1, LONGEST), help="Seconds to wait for nodes while no worker is left."),
    Default(PlacementOptions.patience),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="A Ray that runs: auto, or host:6379. Default: one of this machine's own."),
    Default(None),
]
AllVariants = Annotated[
    bool,
    typer.Option("--all-variants", help="All variants in the tables, not only the best and the worst ones."),
    Default(False),
]


@dataclass(frozen=True)
class Output:
    """How a command answers."""

    json: Json
    quiet: Quiet
    debug: Debug

    def shared(self, store: str) -> Shared:
        """These options and the store, for the function that does the command's work."""
        return shared(store, self.json, self.quiet, self.debug)


@dataclass(frozen=True)
class WorkerOptions:
    """Which workers train."""

    workers: Workers
    gpu_workers: GpuWorkers
    gpus_per_worker: GpusPerWorker
    resource: Resource
    label: Label
    group_size: GroupSize
    memory_limit: MemoryLimit

    def options(self, patience: float = PlacementOptions.patience) -> PlacementOptions:
        """These options, not parsed yet, with the patience of commands that wait for nodes."""
        return PlacementOptions(**vars(self), patience=patience)


def shared(store: str, json: bool, quiet: bool, debug: bool) -> Shared:
    """The options of every command; `debug` is put into the environment, where worker processes find it too."""
    from sumsquares.jobs.commands.shared import Shared

    if debug:
        os.environ[exits.DEBUG] = "1"
    return Shared(store, json, quiet)
