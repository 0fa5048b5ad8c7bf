"""The commands that speak to a cluster's Jobs API: submit, status, logs, stop, list."""

from __future__ import annotations

from typing import Annotated

import typer

from sumsquares.jobs.cli.options import (
    DEFAULT_MAX_TRIALS,
    DEFAULT_PATIENCE,
    DEFAULT_STORE,
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
    Spec,
    StoreRoot,
    Workers,
    shared,
)

cluster_app = typer.Typer()

Cluster = Annotated[
    str | None,
    typer.Option(
        "--address", help="http:// or https:// of the head. Default: RAY_API_SERVER_ADDRESS, then RAY_ADDRESS."
    ),
]
Header = Annotated[list[str], typer.Option("--header", help="Extra header of every request.", metavar="NAME:VALUE")]
Verify = Annotated[
    str | None, typer.Option("--verify", help="Check the certificate: true, false, or a file of authorities.")
]
JobId = Annotated[str, typer.Argument(help="Id of a job; without its .N the last attempt.", show_default=False)]


@cluster_app.command()
def submit(
    spec: Spec,
    store: StoreRoot = DEFAULT_STORE,
    address: Cluster = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the log and end with the job's exit code.")] = False,
    workers: Workers = None,
    gpu_workers: GpuWorkers = None,
    gpus_per_worker: GpusPerWorker = 1.0,
    resource: Resource = [],  # noqa: B006  Typer copies it
    label: Label = [],  # noqa: B006
    group_size: GroupSize = 32,
    memory_limit: MemoryLimit = 1024,
    patience: Patience = DEFAULT_PATIENCE,
    max_trials: MaxTrials = DEFAULT_MAX_TRIALS,
    header: Header = [],  # noqa: B006
    verify: Verify = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a spec on a cluster. Attaches to the job that does so already, if there is one."""
    from sumsquares.jobs.commands import cluster as cluster_commands
    from sumsquares.jobs.stages.placement import PlacementOptions

    options = PlacementOptions(
        workers, gpu_workers, gpus_per_worker, resource, label, group_size, memory_limit, patience
    )
    jobs = cluster_commands.connect(address, header, verify)
    raise typer.Exit(cluster_commands.submit(jobs, spec, max_trials, options, wait, shared(store, json, quiet, debug)))


@cluster_app.command()
def status(
    job: JobId,
    address: Cluster = None,
    header: Header = [],  # noqa: B006
    verify: Verify = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how a job is. The exit code is 0 while it runs, its own once it has ended."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(
        cluster_commands.status(cluster_commands.connect(address, header, verify), job, shared("", json, True, debug))
    )


@cluster_app.command()
def logs(
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    address: Cluster = None,
    header: Header = [],  # noqa: B006
    verify: Verify = None,
    debug: Debug = False,
) -> None:
    """Print what a job has printed."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    shared("", False, True, debug)
    raise typer.Exit(cluster_commands.logs(cluster_commands.connect(address, header, verify), job, follow))


@cluster_app.command()
def stop(
    job: JobId,
    address: Cluster = None,
    header: Header = [],  # noqa: B006
    verify: Verify = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Stop a job; what it has finished is kept in its store."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(
        cluster_commands.stop(cluster_commands.connect(address, header, verify), job, shared("", json, True, debug))
    )


@cluster_app.command(name="list")
def list_jobs(
    address: Cluster = None,
    header: Header = [],  # noqa: B006
    verify: Verify = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the jobs of a cluster, the newest first."""
    from sumsquares.jobs.commands import cluster as cluster_commands

    raise typer.Exit(
        cluster_commands.list_jobs(cluster_commands.connect(address, header, verify), shared("", json, True, debug))
    )
