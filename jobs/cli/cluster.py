"""The commands that speak to a cluster's Jobs API: submit, status, logs, stop, list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sumsquares.jobs.cli.options import (
    Debug,
    Json,
    MaxTrials,
    Output,
    Patience,
    Spec,
    StoreRoot,
    WorkerOptions,
    shared,
)
from sumsquares.jobs.cli.parameters import Default, flat

if TYPE_CHECKING:
    from sumsquares.cluster.submission import Jobs
    from sumsquares.jobs.commands.shared import Shared

cluster_app = typer.Typer()

Cluster = Annotated[
    str | None,
    typer.Option(
        "--address", help="http:// or https:// of the head. Default: RAY_API_SERVER_ADDRESS, then RAY_ADDRESS."
    ),
    Default(None),
]
Header = Annotated[
    list[str], typer.Option("--header", help="Extra header of every request.", metavar="NAME:VALUE"), Default([])
]
Verify = Annotated[
    str | None,
    typer.Option("--verify", help="Check the certificate: true, false, or a file of authorities."),
    Default(None),
]
JobId = Annotated[str, typer.Argument(help="Id of a job; without its .N the last attempt.", show_default=False)]


@dataclass(frozen=True)
class Connection:
    """How the Jobs API of a cluster is reached."""

    address: Cluster
    header: Header
    verify: Verify

    def jobs(self) -> Jobs:
        """The jobs of that cluster."""
        from sumsquares.jobs.commands.cluster import connect

        return connect(self.address, self.header, self.verify)


@dataclass(frozen=True)
class Answer:
    """How a command about a job answers: without a store, and without progress."""

    json: Json
    debug: Debug

    def shared(self) -> Shared:
        """These options, for the function that does the command's work."""
        return shared("", self.json, True, self.debug)


@cluster_app.command()
@flat
def submit(
    spec: Spec,
    store: StoreRoot,
    address: Cluster,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the log and end with the job's exit code.")] = False,
    workers: WorkerOptions,
    patience: Patience,
    max_trials: MaxTrials,
    header: Header,
    verify: Verify,
    output: Output,
) -> None:
    """Run a spec on a cluster. Attaches to the job that does so already, if there is one."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    jobs = cluster_commands.connect(address, header, verify)
    options = workers.options(patience)
    raise typer.Exit(cluster_commands.submit(jobs, spec, max_trials, options, wait, output.shared(store)))


@cluster_app.command()
@flat
def status(job: JobId, cluster: Connection, answer: Answer) -> None:
    """Say how a job is. The exit code is 0 while it runs, its own once it has ended."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(cluster_commands.status(cluster.jobs(), job, answer.shared()))


@cluster_app.command()
@flat
def logs(
    job: JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    cluster: Connection,
    debug: Debug,
) -> None:
    """Print what a job has printed."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    shared("", False, True, debug)
    raise typer.Exit(cluster_commands.logs(cluster.jobs(), job, follow))


@cluster_app.command()
@flat
def stop(job: JobId, cluster: Connection, answer: Answer) -> None:
    """Stop a job; what it has finished is kept in its store."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(cluster_commands.stop(cluster.jobs(), job, answer.shared()))


@cluster_app.command(name="list")
@flat
def list_jobs(cluster: Connection, answer: Answer) -> None:
    """List the jobs of a cluster, the newest first."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(cluster_commands.list_jobs(cluster.jobs(), answer.shared()))
