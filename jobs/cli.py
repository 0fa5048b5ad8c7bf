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
    int | None,
    typer.Option("--workers", min=0, help="CPU workers of a local Ray; 0 runs in this process. Default: all CPUs."),
]
GpuWorkers = Annotated[
    int | None, typer.Option("--gpu-workers", min=0, help="Workers with one GPU and one CPU each. Default: all GPUs.")
]
MemoryLimit = Annotated[
    int, typer.Option("--memory-limit", min=1, help="MiB of rows a worker holds; a larger dataset is streamed.")
]
DEFAULT_STORE, DEFAULT_MAX_TRIALS, DEFAULT_MEMORY_MIB = "store", 1_000_000, 1024


@app.command()
def run(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    gpu_workers: GpuWorkers = None,
    memory_limit: MemoryLimit = DEFAULT_MEMORY_MIB,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Plan, generate, train what is missing, summarise; prints the result tables."""
    from jobs import commands

    place = commands.place(workers, gpu_workers, memory_limit)
    raise typer.Exit(commands.run(spec, max_trials, place, _shared(store, json, quiet, debug)))


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

    place = commands.place(workers, gpu_workers, DEFAULT_MEMORY_MIB)
    raise typer.Exit(commands.plan(spec, max_trials, place, _shared(store, json, quiet, debug)))


@app.command()
def generate(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make the datasets that are missing."""
    from jobs import commands

    place = commands.place(workers, 0, DEFAULT_MEMORY_MIB)
    raise typer.Exit(commands.generate(spec, max_trials, place, _shared(store, json, quiet, debug)))


@app.command()
def train(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    gpu_workers: GpuWorkers = None,
    memory_limit: MemoryLimit = DEFAULT_MEMORY_MIB,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train the trials that are missing; their datasets must have been generated."""
    from jobs import commands

    place = commands.place(workers, gpu_workers, memory_limit)
    raise typer.Exit(commands.train(spec, max_trials, place, _shared(store, json, quiet, debug)))


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
