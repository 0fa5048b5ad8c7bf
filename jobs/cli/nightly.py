"""`sumsquares nightly SPEC` and the commands beside it, as Typer reads them. `--help` imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sumsquares.jobs.cli.numbers import real, whole
from sumsquares.jobs.cli.options import LONGEST, Address, MaxTrials, Output, Spec, StoreRoot, WorkerOptions
from sumsquares.jobs.cli.parameters import Default, flat

if TYPE_CHECKING:
    from sumsquares.jobs.night.retention import Keep

NIGHT = "start"
"""The command that is meant when none is named."""


class NightGroup(TyperGroup):
    """A group whose first word is a spec unless it is a command; a spec of a command's name is written ./status."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command in front where it was left out."""
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
        typer.Option("--keep", parser=whole(1, MOST_NIGHTS), help="Nights to keep at least, the newest."),
        Default(30),
    ]
    keep_days: Annotated[
        int, typer.Option("--keep-days", parser=whole(0, 36_525), help="Days to keep nights for at least."), Default(30)
    ]

    def policy(self) -> Keep:
        """These options, for the function that does the command's work."""
        from sumsquares.jobs.night.retention import Keep

        return Keep(self.keep, self.keep_days)


@nightly_app.command(NIGHT)
@flat
def start(
    spec: Spec,
    store: StoreRoot,
    *,
    date: Annotated[str | None, typer.Option("--date", help="The night's date. Default: today in UTC.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First date of a range to make up for.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last date of the range. Default: today.")] = None,
    fresh_data: Annotated[
        bool,
        typer.Option(
            "--fresh-data", help="Train on the date's own rows; without it, nothing new while SPEC is the same."
        ),
    ] = False,
    alpha: Annotated[
        float,
        typer.Option("--alpha", parser=real(1e-9, 0.5), help="False alarms: share of nights with nothing changed."),
    ] = 0.01,
    least_effect: Annotated[
        float,
        typer.Option(
            "--least-effect", parser=real(0, 1e9), help="Change of the RMSE that doesn't count yet; 0.02 is 2 %."
        ),
    ] = 0.02,
    early_factor: Annotated[
        float,
        typer.Option(
            "--early-factor",
            parser=real(1, 1e9),
            help="Factor that counts before there are 5 fresh nights; 10 where SPEC was edited.",
        ),
    ] = 10.0,
    retention: Retention,
    hook: Annotated[
        str | None,
        typer.Option("--hook", help="Command told of success, regression, recovery, failure, missed; JSON on stdin."),
    ] = None,
    hook_timeout: Annotated[
        float, typer.Option("--hook-timeout", parser=real(0.1, LONGEST), help="Seconds the hook may take.")
    ] = 60.0,
    workers: WorkerOptions,
    address: Address,
    max_trials: MaxTrials,
    output: Output,
) -> None:
    """One night of SPEC, or those of a range; started again, it goes on, or says that it is finished."""
    from sumsquares.jobs.commands import nightly as commands
    from sumsquares.jobs.night.clock import Clock
    from sumsquares.jobs.night.gate import Policy
    from sumsquares.jobs.night.here import Options

    placement = workers.options().placement(address)
    policy, kept = Policy(alpha, least_effect, early_factor), retention.policy()
    options = Options(policy, kept, commands.checked_hook(hook), hook_timeout)
    days = commands.dates(date, first, last, Clock())
    told = output.shared(store)
    raise typer.Exit(commands.start(spec, max_trials, days, fresh_data, options, placement, told))


@nightly_app.command()
@flat
def status(
    *,
    nights: Annotated[
        int, typer.Option("--nights", parser=whole(1, MOST_NIGHTS), help="Nights to show, the newest.")
    ] = 14,
    store: StoreRoot,
    output: Output,
) -> None:
    """Show the last nights: result, best RMSE of each dataset, duration; and which are missing."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.status(nights, output.shared(store)))


@nightly_app.command()
@flat
def rollback(
    *,
    to: Annotated[str | None, typer.Option("--to", help="Id of a good night. Default: the champion before.")] = None,
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
    """Make a finished night the champion by hand, whatever the gate said of it."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.promote_by_hand(night, output.shared(store)))


@nightly_app.command()
@flat
def unlock(store: StoreRoot, output: Output) -> None:
    """Free the lock of a night that is dead; one that lives can't promote any more."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.free(output.shared(store)))


@nightly_app.command()
@flat
def prune(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, delete nothing.")] = False,
    retention: Retention,
    store: StoreRoot,
    output: Output,
) -> None:
    """Delete nights beyond both count and age, as each night does at its end."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.prune_nights(retention.policy(), dry_run, output.shared(store)))
