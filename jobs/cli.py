"""The command line: each command parses its options, makes one call and prints. `--help` imports nothing heavy.

Exit codes are in `jobs/exits.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from jobs import exits

if TYPE_CHECKING:
    from jobs.commands import Shared

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Why can a network learn sums but not squares? Trains every variant of a grid, and tells.",
)

Spec = Annotated[Path, typer.Argument(help="Job spec, a TOML file.", show_default=False)]
Run = Annotated[str, typer.Argument(help="Name of a run, as in its spec.", show_default=False)]
StoreRoot = Annotated[
    str,
    typer.Option("--store", envvar="SUMSQUARES_STORE", help="A folder, or s3://, gs://, az:// with bucket and prefix."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, warnings alone.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
MaxTrials = Annotated[int, typer.Option("--max-trials", min=1, help="Refuse a spec of more trials.")]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers", help="CPU workers: 4, or 2:8 to grow; 0 runs without Ray. Default: all CPUs.", metavar="N"
    ),
]
GpuWorkers = Annotated[
    int | None, typer.Option("--gpu-workers", min=0, help="Workers with a GPU and a CPU each. Default: all GPUs.")
]
GpusPerWorker = Annotated[
    float, typer.Option("--gpus-per-worker", min=0.01, help="GPUs of a GPU worker; 0.25 lets four share one.")
]
Resource = Annotated[
    list[str], typer.Option("--resource", help="Custom resource of every worker, NAME=AMOUNT.", metavar="NAME=AMOUNT")
]
Label = Annotated[
    list[str], typer.Option("--label", help="Label that every worker's node must carry.", metavar="NAME=VALUE")
]
GroupSize = Annotated[int, typer.Option("--group-size", min=1, help="Workers that a lost one stops with it, at most.")]
MemoryLimit = Annotated[
    int, typer.Option("--memory-limit", min=1, help="MiB of rows a worker holds; a larger dataset is streamed.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="A Ray that runs: auto, or host:6379. Default: one of this machine's own."),
]
DEFAULT_STORE, DEFAULT_MAX_TRIALS = "store", 1_000_000


@app.command()
def run(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    gpu_workers: GpuWorkers = None,
    gpus_per_worker: GpusPerWorker = 1.0,
    resource: Resource = [],  # noqa: B006  Typer copies it
    label: Label = [],  # noqa: B006
    group_size: GroupSize = 32,
    memory_limit: MemoryLimit = 1024,
    address: Address = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Plan, generate, train what is missing, summarise; prints the result tables."""
    from jobs import commands
    from jobs.place import PlaceOptions

    options = PlaceOptions(workers, gpu_workers, gpus_per_worker, resource, label, group_size, memory_limit)
    raise typer.Exit(commands.run(spec, max_trials, options.place(address), _shared(store, json, quiet, debug)))


@app.command()
def plan(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    gpu_workers: GpuWorkers = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what would run, with operations, memory and time; changes nothing."""
    from jobs import commands
    from jobs.place import PlaceOptions

    place = PlaceOptions(workers, gpu_workers).place(None)
    raise typer.Exit(commands.plan(spec, max_trials, place, _shared(store, json, quiet, debug)))


@app.command()
def generate(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    address: Address = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make the datasets that are missing."""
    from jobs import commands
    from jobs.place import PlaceOptions

    place = PlaceOptions(workers, gpu_workers=0).place(address)
    raise typer.Exit(commands.generate(spec, max_trials, place, _shared(store, json, quiet, debug)))


@app.command()
def train(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    gpu_workers: GpuWorkers = None,
    gpus_per_worker: GpusPerWorker = 1.0,
    resource: Resource = [],  # noqa: B006  Typer copies it
    label: Label = [],  # noqa: B006
    group_size: GroupSize = 32,
    memory_limit: MemoryLimit = 1024,
    address: Address = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train the trials that are missing; their datasets must have been generated."""
    from jobs import commands
    from jobs.place import PlaceOptions

    options = PlaceOptions(workers, gpu_workers, gpus_per_worker, resource, label, group_size, memory_limit)
    raise typer.Exit(commands.train(spec, max_trials, options.place(address), _shared(store, json, quiet, debug)))


@app.command()
def summarize(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Aggregate what has been trained; prints the result tables."""
    from jobs import commands

    raise typer.Exit(commands.summarize(spec, max_trials, _shared(store, json, quiet, debug)))


@app.command()
def predict(
    run: Run,
    numbers: Annotated[list[int], typer.Argument(help="The numbers to ask about.", show_default=False)],
    dataset: Annotated[str | None, typer.Option("--dataset", help="Default: every dataset that fits.")] = None,
    trial: Annotated[str | None, typer.Option("--trial", help="Id of a trial. Default: the dataset's best.")] = None,
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Ask the best trial of a run, or a named one: Expected, Predicted, err."""
    from jobs import commands

    raise typer.Exit(commands.predict(run, numbers, dataset, trial, _shared(store, json, quiet, debug)))


def _shared(store: str, json: bool, quiet: bool, debug: bool) -> Shared:
    from jobs.commands import Shared

    if debug:
        os.environ[exits.DEBUG] = "1"
    return Shared(store, json, quiet)


def main() -> NoReturn:
    """Runs a command; whatever goes wrong ends in one message and an exit code."""
    exits.stop_on_signals()
    try:
        app(prog_name="sumsquares")
    except (Exception, exits.Stopped) as error:  # the outermost edge
        sys.exit(exits.tell(error))
    sys.exit(0)
