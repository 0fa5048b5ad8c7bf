"""`sumsquares nightly SPEC` and the commands beside it, as Typer reads them. `--help` imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sumsquares.jobs.cli.numbers import real, whole
from sumsquares.jobs.cli.options import Address, MaxTrials, Output, Spec, StoreRoot, WorkerOptions
from sumsquares.jobs.cli.parameters import Default, flat
from sumsquares.jobs.cli.watching import Watching

if TYPE_CHECKING:
    from sumsquares.jobs.night.retention import RetentionPolicy

NIGHT = "start"
"""The command if none is given."""


class NightGroup(TyperGroup):
    """A group whose first word is a spec, unless it is a command. A spec named like a command is written ./status."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Inserts the command if it was left out."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = [NIGHT, *args]
        return super().parse_args(ctx, args)


nightly_app = typer.Typer(
    cls=NightGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="One night: train, compare with the champion, promote, prune. `nightly SPEC` is `nightly start SPEC`.",
)

MOST_NIGHTS = 1_000_000


@dataclass(frozen=True)
class Retention:
    """Which nights are kept."""

    keep: Annotated[
        int,
        typer.Option("--keep", parser=whole(1, MOST_NIGHTS), help="Keep at least this many of the newest nights."),
        Default(30),
    ]
    keep_days: Annotated[
        int,
        typer.Option("--keep-days", parser=whole(0, 36_525), help="Keep nights for at least this many days."),
        Default(30),
    ]

    def policy(self) -> RetentionPolicy:
        """These options, for the function that does the command's work."""
        from sumsquares.jobs.night.retention import RetentionPolicy

        return RetentionPolicy(self.keep, self.keep_days)


@nightly_app.command(NIGHT)
@flat
def start(
    spec: Spec,
    store: StoreRoot,
    *,
    date: Annotated[str | None, typer.Option("--date", help="Date of the night. Default: today in UTC.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First date of a range of nights to catch up on.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last date of the range. Default: today.")] = None,
    fresh_data: Annotated[
        bool,
        typer.Option(
            "--fresh-data",
            help="Train on rows drawn for the date; otherwise an unchanged SPEC trains nothing new. Not for tables.",
        ),
    ] = False,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha", parser=real(1e-9, 0.5), help="False-alarm rate: share of unchanged nights called worse."
        ),
    ] = 0.01,
    least_effect: Annotated[
        float,
        typer.Option(
            "--least-effect", parser=real(0, 1e9), help="Smallest relative change of the RMSE that counts; 0.02 is 2 %."
        ),
    ] = 0.02,
    early_factor: Annotated[
        float,
        typer.Option(
            "--early-factor",
            parser=real(1, 1e9),
            help="Until 5 nights on other rows exist (10 if SPEC was edited), only a change by this factor counts.",
        ),
    ] = 10.0,
    retention: Retention,
    watching: Watching,
    workers: WorkerOptions,
    address: Address,
    max_trials: MaxTrials,
    output: Output,
) -> None:
    """Run one night of SPEC, or those of a range. Started again, it resumes, or reports that it is finished."""
    from sumsquares.jobs.commands import nightly as commands
    from sumsquares.jobs.night.clock import Clock
    from sumsquares.jobs.results.gate import Policy

    placement = workers.options().placement(address)
    options = watching.options(Policy(alpha, least_effect, early_factor), retention.policy())
    nights = commands.Requested(commands.dates(date, first, last, Clock()), fresh_data)
    raise typer.Exit(commands.start(spec, max_trials, nights, options, placement, output.shared(store)))


@nightly_app.command()
@flat
def status(
    *,
    nights: Annotated[
        int | None,
        typer.Option(
            "--nights",
            parser=whole(1, MOST_NIGHTS),
            help="Show this many of the newest nights. Default: 14, or all since --since.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Show nights from this date on; 7d stands for the last 7 days, today included."),
    ] = None,
    store: StoreRoot,
    output: Output,
) -> None:
    """Show the last nights, and which are missing. Each with result, RMSE, duration; changes of the champion, too."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.status(nights, since, output.shared(store)))


@nightly_app.command()
@flat
def rollback(
    *,
    to: Annotated[str | None, typer.Option("--to", help="Id of a good night. Default: the previous champion.")] = None,
    store: StoreRoot,
    output: Output,
) -> None:
    """Make an earlier night the champion again."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.roll_back(to, output.shared(store)))


@nightly_app.command()
@flat
def promote(
    night: Annotated[str, typer.Argument(help="Id of a finished night, as `sumsquares nightly status` shows it.")],
    store: StoreRoot,
    output: Output,
) -> None:
    """Make a finished night the champion, whatever the gate decided."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.promote_by_hand(night, output.shared(store)))


@nightly_app.command()
@flat
def unlock(store: StoreRoot, output: Output) -> None:
    """Free the lock of a dead night. If it is alive after all, it can no longer promote."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.free(output.shared(store)))


@nightly_app.command()
@flat
def prune(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, delete nothing.")] = False,
    retention: Retention,
    store: StoreRoot,
    output: Output,
) -> None:
    """Delete nights beyond both --keep and --keep-days. Every night does so at its end."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.prune_nights(retention.policy(), dry_run, output.shared(store)))
