"""The commands that use a cluster's Jobs API: submit, status, logs, stop, list."""

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
    typer.Option("--address", help="URL of the cluster's head. Default: RAY_API_SERVER_ADDRESS, else RAY_ADDRESS."),
    Default(None),
]
Header = Annotated[
    list[str], typer.Option("--header", help="Extra HTTP header of every request.", metavar="NAME:VALUE"), Default([])
]
Verify = Annotated[
    str | None,
    typer.Option("--verify", help="Verify the certificate: true, false, or a file of CA certificates."),
    Default(None),
]
JobId = Annotated[str, typer.Argument(help="Id of a job; without its .N, the last attempt.", show_default=False)]


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
    wait: Annotated[bool, typer.Option("--wait", help="Follow the log, then exit with the job's exit code.")] = False,
    workers: WorkerOptions,
    patience: Patience,
    max_trials: MaxTrials,
    header: Header,
    verify: Verify,
    output: Output,
) -> None:
    """Run a spec on a cluster. Attaches to the job that already runs it, if there is one."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    jobs = cluster_commands.connect(address, header, verify)
    options = workers.options(patience)
    raise typer.Exit(cluster_commands.submit(jobs, spec, max_trials, options, wait, output.shared(store)))


@cluster_app.command()
@flat
def status(job: JobId, cluster: Connection, answer: Answer) -> None:
    """Show the state of a job. Exits with 0 while it runs, then with its exit code."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(cluster_commands.status(cluster.jobs(), job, answer.shared()))


@cluster_app.command()
@flat
def logs(
    job: JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Follow the log until the job ends.")] = False,
    cluster: Connection,
    debug: Debug,
) -> None:
    """Print the log of a job."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    shared("", False, True, debug)
    raise typer.Exit(cluster_commands.logs(cluster.jobs(), job, follow))


@cluster_app.command()
@flat
def stop(job: JobId, cluster: Connection, answer: Answer) -> None:
    """Stop a job. What it has finished stays in its store."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(cluster_commands.stop(cluster.jobs(), job, answer.shared()))


@cluster_app.command(name="list")
@flat
def list_jobs(cluster: Connection, answer: Answer) -> None:
    """List the jobs of a cluster, newest first."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(cluster_commands.list_jobs(cluster.jobs(), answer.shared()))
