"""The command line: each command parses its options, makes one call and prints. `--help` imports nothing heavy.

Exit codes are in `jobs/exits.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from sumsquares import __version__
from sumsquares.jobs.cli.cluster import cluster_app
from sumsquares.jobs.cli.export import export_app
from sumsquares.jobs.cli.first import first_app
from sumsquares.jobs.cli.nightly import nightly_app
from sumsquares.jobs.cli.numbers import whole
from sumsquares.jobs.cli.options import (
    Address,
    GpuWorkers,
    MaxTrials,
    Output,
    Patience,
    ResultOptions,
    Run,
    Spec,
    StoreRoot,
    WorkerOptions,
    Workers,
)
from sumsquares.jobs.cli.parameters import flat
from sumsquares.jobs.cli.sections import Sections
from sumsquares.jobs.cli.stores import stores_app
from sumsquares.jobs.cli.tables import CsvOptions, tables_app
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.proof_size import FEWEST_SEEDS, SEEDS, VARIANTS
from sumsquares.jobs.stages.placement import PlacementOptions

app = typer.Typer(
    cls=Sections,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Why can a network learn sums but not squares? Trains every variant of a grid to find out.",
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
    """Options that precede the command."""


_NEGATIVE = re.compile(r"-\.?[0-9]")


class TakesNumbers(TyperCommand):
    """A command that takes -5 and -2.5 as numbers; if no argument is such a number, unknown options are errors."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the command's own arguments."""
        ctx.ignore_unknown_options = any(_NEGATIVE.match(arg) for arg in args)
        return super().parse_args(ctx, args)


@app.command()
@flat
def run(
    spec: Spec,
    store: StoreRoot,
    workers: WorkerOptions,
    patience: Patience,
    address: Address,
    max_trials: MaxTrials,
    results: ResultOptions,
    output: Output,
) -> None:
    """Plan, generate, train what is missing, summarise. Prints the answer, then the result tables."""
    from sumsquares.jobs.commands import run as commands

    placement = workers.options(patience).placement(address)
    raise typer.Exit(commands.run(spec, max_trials, placement, output.shared(store), results.shown()))


@app.command()
@flat
def plan(
    spec: Spec, store: StoreRoot, workers: Workers, gpu_workers: GpuWorkers, max_trials: MaxTrials, output: Output
) -> None:
    """Show what would run, and how much memory and time it takes. Changes nothing."""
    from sumsquares.jobs.commands import run as commands

    placement = PlacementOptions(workers, gpu_workers).placement(None)
    raise typer.Exit(commands.plan(spec, max_trials, placement, output.shared(store)))


@app.command()
@flat
def generate(
    spec: Spec,
    store: StoreRoot,
    workers: Workers,
    patience: Patience,
    address: Address,
    max_trials: MaxTrials,
    output: Output,
) -> None:
    """Generate the missing datasets."""
    from sumsquares.jobs.commands import run as commands

    placement = PlacementOptions(workers, gpu_workers=0, patience=patience).placement(address)
    raise typer.Exit(commands.generate(spec, max_trials, placement, output.shared(store)))


@app.command()
@flat
def train(
    spec: Spec,
    store: StoreRoot,
    workers: WorkerOptions,
    patience: Patience,
    address: Address,
    max_trials: MaxTrials,
    output: Output,
) -> None:
    """Train the missing trials. Their datasets must have been generated."""
    from sumsquares.jobs.commands import run as commands

    placement = workers.options(patience).placement(address)
    raise typer.Exit(commands.train(spec, max_trials, placement, output.shared(store)))


@app.command()
@flat
def summarize(spec: Spec, store: StoreRoot, max_trials: MaxTrials, results: ResultOptions, output: Output) -> None:
    """Aggregate the trained trials. Prints the answer, then the result tables."""
    from sumsquares.jobs.commands import run as commands

    raise typer.Exit(commands.summarize(spec, max_trials, output.shared(store), results.shown()))


@app.command(cls=TakesNumbers)
@flat
def predict(
    run: Run,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="[NUMBERS]...",
            help="Numbers to predict for; of a table the values of its input columns, in their order.",
            show_default=False,
        ),
    ] = [],  # noqa: B006  Typer copies it
    *,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Dataset whose trial is asked. Default: all that take these numbers."),
    ] = None,
    trial: Annotated[
        str | None, typer.Option("--trial", help="Id of the trial. Default: the best of each dataset.")
    ] = None,
    where: Annotated[
        list[str],
        typer.Option(
            "--where",
            help="Ask the best of the trials with this hyperparameter, written as in a spec, such as activation=relu "
            "or 'hidden=[64, 64]'. Several must all hold.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = [],  # noqa: B006  Typer copies it
    source: Annotated[
        str | None,
        typer.Option("--input", help="Table to predict for: its columns are found by their names.", metavar="TABLE"),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", help="Where its rows go, with a column `prediction`: *.parquet or *.csv."),
    ] = None,
    csv: CsvOptions,
    store: StoreRoot,
    output: Output,
) -> None:
    """Predict for numbers, or for the rows of a table."""
    from sumsquares.jobs.commands import predict as commands

    question = commands.Question(run, dataset, trial, where)
    files = commands.files(source, output_file, csv.keys(), values)
    answer = output.shared(store)
    raise typer.Exit(
        commands.predict_file(question, files, answer) if files else commands.predict(question, values, answer)
    )


@app.command()
@flat
def explain(
    run: Run,
    *,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Dataset whose variants are explained. Default: all.")
    ] = None,
    variant: Annotated[
        list[str],
        typer.Option(
            "--variant",
            help="Variants to explain: a hyperparameter as in a spec, such as activation=relu or 'hidden=[64, 64]', or "
            "an id. Several must all hold. Default: the first of each dataset, the best, an example of each cause.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = [],  # noqa: B006  Typer copies it
    all_variants: Annotated[
        bool, typer.Option("--all-variants", help="Explain all variants, the worst first.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove",
            help="Train again with only the change of the first cause, and beside it with another hyperparameter "
            "changed at random. Default: of the first variant of each dataset.",
        ),
    ] = False,
    most: Annotated[
        int, typer.Option("--max", parser=whole(1, 1000), help="Variants that --prove trains again at most.")
    ] = VARIANTS,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", parser=whole(FEWEST_SEEDS, 1000), help="Seeds that --prove trains of each variant at least."
        ),
    ] = SEEDS,
    seed: Annotated[
        int,
        typer.Option("--seed", parser=whole(0, 2**63 - 1), help="Seed of the controls that --prove draws at random."),
    ] = 0,
    store: StoreRoot,
    workers: WorkerOptions,
    patience: Patience,
    address: Address,
    output: Output,
) -> None:
    """Tell why variants of a run end where they do. With --prove, train again with the one change that mends it."""
    from sumsquares.jobs.commands import explain as commands
    from sumsquares.jobs.results.chosen import Wanted

    if not prove and (most, seeds, seed) != (VARIANTS, SEEDS, 0):
        raise UsageError("--max, --seeds and --seed only apply to --prove: add it, or leave them out")
    proving = commands.Proving(most, seeds, seed, workers.options(patience).placement(address)) if prove else None
    raise typer.Exit(commands.explain(run, Wanted(dataset, variant, all_variants), proving, output.shared(store)))


@app.command()
@flat
def verify(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Delete or rewrite damaged files that follow from specs and seeds.")
    ] = False,
    store: StoreRoot,
    output: Output,
) -> None:
    """Find damaged files, and name the remedy for each."""
    from sumsquares.jobs.commands.verify import verify

    raise typer.Exit(verify(repair, output.shared(store)))


app.add_typer(first_app)
app.add_typer(tables_app)
app.add_typer(stores_app)
app.add_typer(export_app)
app.add_typer(cluster_app)
app.add_typer(nightly_app, name="nightly")
