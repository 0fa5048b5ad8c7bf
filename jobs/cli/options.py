"""The options that commands share, each with its default and its help.

A command takes a single option by its type (`store: StoreRoot`), or several as a group (`output: Output`): see
parameters.py. Numbers are parsed here; other values are passed on as they were given.
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
    from sumsquares.jobs.commands.printing import Shown
    from sumsquares.jobs.commands.shared import Shared

LONGEST = 31_536_000
"""Upper limit of options in seconds, a year: operating systems reject much longer waits."""

Spec = Annotated[Path, typer.Argument(help="Job spec, a TOML file.", show_default=False)]
Run = Annotated[str, typer.Argument(help="Name of a run, as in its spec.", show_default=False)]
STORE_ENVIRONMENT = "SUMSQUARES_STORE"
STORE_HELP = "Where results are kept: a folder, or s3://, gs:// or az:// with bucket and prefix."
StoreRoot = Annotated[str, typer.Option("--store", envvar=STORE_ENVIRONMENT, help=STORE_HELP), Default("store")]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object to stdout."),
    Default(False),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Show only warnings, no progress."),
    Default(False),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error."),
    Default(False),
]
MaxTrials = Annotated[
    int,
    typer.Option("--max-trials", parser=whole(1, 10**18), help="Reject a spec with more trials than this."),
    Default(1_000_000),
]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        help="CPU workers: 4, 2:8 to follow the number of nodes, or all, on Ray also on this machine; 0 runs in this "
        "process. Default: all; on this machine in plain processes, unless Ray's start is at most 3 % of the run.",
        metavar="N",
    ),
    Default(PlacementOptions.workers),
]
GpuWorkers = Annotated[
    int | None,
    typer.Option(
        "--gpu-workers",
        parser=whole(0, MOST_WORKERS),
        help="Workers with one CPU and a GPU, or a share of one. Default: all GPUs.",
    ),
    Default(PlacementOptions.gpu_workers),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        parser=real(0.01, 1000),
        help="GPUs per GPU worker; with 0.25, four workers share one GPU. Default: 0.25 if there are four CPUs for "
        "each GPU, 0.5 if there are two; with --gpu-workers, 1 if there are as many GPUs.",
    ),
    Default(PlacementOptions.gpus_per_worker),
]
Resource = Annotated[
    list[str],
    typer.Option("--resource", help="Custom Ray resource that every worker needs.", metavar="NAME=AMOUNT"),
    Default([]),
]
Label = Annotated[
    list[str],
    typer.Option("--label", help="Ray label that every worker's node must have.", metavar="NAME=VALUE"),
    Default([]),
]
GroupSize = Annotated[
    int,
    typer.Option(
        "--group-size", parser=whole(1, MOST_WORKERS), help="Workers per group; losing one restarts its group."
    ),
    Default(PlacementOptions.group_size),
]
MemoryLimit = Annotated[
    int,
    typer.Option(
        "--memory-limit",
        parser=whole(1, 10**12),
        help="MiB of rows that a worker caches; larger datasets are streamed.",
    ),
    Default(PlacementOptions.memory_limit),
]
Patience = Annotated[
    float,
    typer.Option("--patience", parser=real(1, LONGEST), help="Seconds to wait for nodes while there is no worker."),
    Default(PlacementOptions.patience),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Running Ray cluster: auto or host:6379. Default: start a local Ray."),
    Default(None),
]
AllVariants = Annotated[
    bool,
    typer.Option("--all-variants", help="Show all variants in the tables, not only the best and the worst."),
    Default(False),
]
Samples = Annotated[
    bool,
    typer.Option("--samples", help="Show expected and predicted numbers of each dataset's best trial."),
    Default(False),
]
Open = Annotated[
    bool,
    typer.Option("--open", help="Open the report in a browser, or say where it is if there is none here."),
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
class ResultOptions:
    """Which results are printed after the answer."""

    all_variants: AllVariants
    samples: Samples
    open: Open

    def shown(self) -> Shown:
        """These options, for the function that prints."""
        from sumsquares.jobs.commands.printing import Shown

        return Shown(self.all_variants, self.samples, self.open)


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
