"""The command line: each command parses its options, makes one call and prints. `--help` imports nothing heavy.

Exit codes are in `jobs/exits.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from sumsquares import __version__
from sumsquares.jobs.cli.cluster import cluster_app
from sumsquares.jobs.cli.nightly import nightly_app
from sumsquares.jobs.cli.numbers import whole
from sumsquares.jobs.cli.options import (
    DEFAULT_MAX_TRIALS,
    DEFAULT_PATIENCE,
    DEFAULT_STORE,
    Address,
    AllVariants,
    Debug,
    GpusPerWorker,
    GpuWorkers,
    GroupSize,
    Json,
    Label,
    MaxTrials,
    MemoryLimit,
    Patience,
    Quiet,
    Resource,
    Run,
    Spec,
    StoreRoot,
    Workers,
    shared,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Why can a network learn sums but not squares? Trains every variant of a grid, and tells.",
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"sumsquares {__version__}")
        raise typer.Exit


@app.callback()
def before_a_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The options that stand before a command."""


class TakesNumbers(TyperCommand):
    """A command to which -5 is a number; without one, what looks like an option must be one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the command's own arguments."""
        ctx.ignore_unknown_options = any(arg.startswith("-") and arg[1:].isdecimal() for arg in args)
        return super().parse_args(ctx, args)


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
    patience: Patience = DEFAULT_PATIENCE,
    address: Address = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    all_variants: AllVariants = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Plan, generate, train what is missing, summarise. Prints what was found, then the result tables."""
    from sumsquares.jobs.commands import run as commands
    from sumsquares.jobs.stages.placement import PlacementOptions

    options = PlacementOptions(
        workers, gpu_workers, gpus_per_worker, resource, label, group_size, memory_limit, patience
    )
    placement = options.placement(address)
    raise typer.Exit(commands.run(spec, max_trials, placement, shared(store, json, quiet, debug), all_variants))


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
    """Show what would run, its memory and time. Changes nothing."""
    from sumsquares.jobs.commands import run as commands
    from sumsquares.jobs.stages.placement import PlacementOptions

    placement = PlacementOptions(workers, gpu_workers).placement(None)
    raise typer.Exit(commands.plan(spec, max_trials, placement, shared(store, json, quiet, debug)))


@app.command()
def generate(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    workers: Workers = None,
    patience: Patience = DEFAULT_PATIENCE,
    address: Address = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make the datasets that are missing."""
    from sumsquares.jobs.commands import run as commands
    from sumsquares.jobs.stages.placement import PlacementOptions

    placement = PlacementOptions(workers, gpu_workers=0, patience=patience).placement(address)
    raise typer.Exit(commands.generate(spec, max_trials, placement, shared(store, json, quiet, debug)))


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
    patience: Patience = DEFAULT_PATIENCE,
    address: Address = None,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train the trials that are missing. Their datasets must have been generated."""
    from sumsquares.jobs.commands import run as commands
    from sumsquares.jobs.stages.placement import PlacementOptions

    options = PlacementOptions(
        workers, gpu_workers, gpus_per_worker, resource, label, group_size, memory_limit, patience
    )
    raise typer.Exit(commands.train(spec, max_trials, options.placement(address), shared(store, json, quiet, debug)))


@app.command()
def summarize(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    all_variants: AllVariants = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Aggregate what has been trained. Prints what was found, then the result tables."""
    from sumsquares.jobs.commands import run as commands

    raise typer.Exit(commands.summarize(spec, max_trials, shared(store, json, quiet, debug), all_variants))


@app.command(cls=TakesNumbers)
def predict(
    run: Run,
    numbers: Annotated[list[int], typer.Argument(parser=whole(), help="The numbers to ask about.", show_default=False)],
    dataset: Annotated[str | None, typer.Option("--dataset", help="Default: every dataset that fits.")] = None,
    trial: Annotated[str | None, typer.Option("--trial", help="Id of a trial. Default: the dataset's best.")] = None,
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Ask the best trial of a run, or a named one. Prints Expected, Predicted and err."""
    from sumsquares.jobs.commands import run as commands

    raise typer.Exit(commands.predict(run, numbers, dataset, trial, shared(store, json, quiet, debug)))


@app.command()
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove or write anew what follows from specs and seeds.")
    ] = False,
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find damaged files, and name a remedy for each."""
    from sumsquares.jobs.commands.verify import verify

    raise typer.Exit(verify(repair, shared(store, json, quiet, debug)))


app.add_typer(cluster_app)
app.add_typer(nightly_app, name="nightly")
