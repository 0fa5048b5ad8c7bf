"""`sumsquares nightly SPEC` and the commands beside it, as Typer reads them. `--help` imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sumsquares.jobs.cli.numbers import real, whole
from sumsquares.jobs.cli.options import (
    DEFAULT_MAX_TRIALS,
    DEFAULT_STORE,
    LONGEST,
    Address,
    Debug,
    GpusPerWorker,
    GpuWorkers,
    GroupSize,
    Json,
    Label,
    MaxTrials,
    MemoryLimit,
    Quiet,
    Resource,
    Spec,
    StoreRoot,
    Workers,
    shared,
)

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
KeepNights = Annotated[
    int, typer.Option("--keep", parser=whole(1, MOST_NIGHTS), help="Nights to keep at least, the newest.")
]
KeepDays = Annotated[
    int, typer.Option("--keep-days", parser=whole(0, 36_525), help="Days to keep nights for at least.")
]


@nightly_app.command(NIGHT)
def start(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
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
    keep: KeepNights = 30,
    keep_days: KeepDays = 30,
    hook: Annotated[
        str | None,
        typer.Option("--hook", help="Command told of success, regression, recovery, failure, missed; JSON on stdin."),
    ] = None,
    hook_timeout: Annotated[
        float, typer.Option("--hook-timeout", parser=real(0.1, LONGEST), help="Seconds the hook may take.")
    ] = 60.0,
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
    """One night of SPEC, or those of a range; started again, it goes on, or says that it is finished."""
    from sumsquares.jobs.commands import nightly as commands
    from sumsquares.jobs.night.clock import Clock
    from sumsquares.jobs.night.context import Options
    from sumsquares.jobs.night.gate import Policy
    from sumsquares.jobs.night.retention import RetentionPolicy
    from sumsquares.jobs.stages.placement import PlacementOptions

    placement = PlacementOptions(
        workers, gpu_workers, gpus_per_worker, resource, label, group_size, memory_limit
    ).placement(address)
    policy, kept = Policy(alpha, least_effect, early_factor), RetentionPolicy(keep, keep_days)
    options = Options(policy, kept, commands.checked_hook(hook), hook_timeout)
    nights = commands.Requested(commands.dates(date, first, last, Clock()), fresh_data)
    told = shared(store, json, quiet, debug)
    raise typer.Exit(commands.start(spec, max_trials, nights, options, placement, told))


@nightly_app.command()
def status(
    nights: Annotated[
        int, typer.Option("--nights", parser=whole(1, MOST_NIGHTS), help="Nights to show, the newest.")
    ] = 14,
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show the last nights: result, best RMSE of each dataset, duration; and which are missing."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.status(nights, shared(store, json, quiet, debug)))


@nightly_app.command()
def rollback(
    to: Annotated[str | None, typer.Option("--to", help="Id of a good night. Default: the champion before.")] = None,
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make an earlier night the champion again."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.roll_back(to, shared(store, json, quiet, debug)))


@nightly_app.command()
def promote(
    night: Annotated[str, typer.Argument(help="Id of a finished night, as `sumsquares nightly status` shows it.")],
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a finished night the champion by hand, whatever the gate said of it."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.promote_by_hand(night, shared(store, json, quiet, debug)))


@nightly_app.command()
def unlock(store: StoreRoot = DEFAULT_STORE, json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Free the lock of a night that is dead; one that lives can't promote any more."""
    from sumsquares.jobs.commands import nightly as commands

    raise typer.Exit(commands.free(shared(store, json, quiet, debug)))


@nightly_app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, delete nothing.")] = False,
    keep: KeepNights = 30,
    keep_days: KeepDays = 30,
    store: StoreRoot = DEFAULT_STORE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Delete nights beyond both count and age, as each night does at its end."""
    from sumsquares.jobs.commands import nightly as commands
    from sumsquares.jobs.night.retention import RetentionPolicy

    raise typer.Exit(
        commands.prune_nights(RetentionPolicy(keep, keep_days), dry_run, shared(store, json, quiet, debug))
    )
