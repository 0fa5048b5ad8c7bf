"""The options of `sumsquares nightly` that say who is told of a night: a hook, a webhook, a file for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sumsquares.jobs.cli.numbers import real
from sumsquares.jobs.cli.options import LONGEST
from sumsquares.jobs.cli.parameters import Default
from sumsquares.jobs.night.payloads import FORMATS

if TYPE_CHECKING:
    from sumsquares.jobs.night.context import Options
    from sumsquares.jobs.night.retention import RetentionPolicy
    from sumsquares.jobs.results.gate import Policy


def _format(given: Any) -> str:
    """Returns the name of a format. A wrong one isn't echoed: it may be the address, in the wrong variable."""
    if given not in FORMATS:
        raise typer.BadParameter(f"there is no such format; write one of {', '.join(FORMATS)}")
    return str(given)


@dataclass(frozen=True)
class Watching:
    """Who is told of a night, and how."""

    hook: Annotated[
        str | None,
        typer.Option(
            "--hook", help="Command to run after every night, and for nights that were missed or killed; JSON on stdin."
        ),
        Default(None),
    ]
    hook_timeout: Annotated[
        float,
        typer.Option("--hook-timeout", parser=real(0.1, LONGEST), help="Seconds after which the hook is killed."),
        Default(60.0),
    ]
    webhook_file: Annotated[
        str | None,
        typer.Option(
            "--webhook-file",
            help="File with the address to POST the same JSON to, or set SUMSQUARES_WEBHOOK_FILE; the address itself "
            "may be in SUMSQUARES_WEBHOOK. It is a secret, so no option takes it.",
            metavar="PATH",
        ),
        Default(None),
    ]
    webhook_format: Annotated[
        str,
        typer.Option(
            "--webhook-format",
            envvar="SUMSQUARES_WEBHOOK_FORMAT",
            parser=_format,
            help=f"What is posted: {', '.join(FORMATS)}.",
            metavar="NAME",
        ),
        Default("json"),
    ]
    webhook_timeout: Annotated[
        float,
        typer.Option(
            "--webhook-timeout", parser=real(0.1, LONGEST), help="Seconds for posting an event, with all tries."
        ),
        Default(60.0),
    ]
    metrics_file: Annotated[
        Path | None,
        typer.Option(
            "--metrics-file",
            envvar="SUMSQUARES_METRICS_FILE",
            help="File for node_exporter's textfile collector, rewritten after every night; it ends in .prom.",
            metavar="PATH",
        ),
        Default(None),
    ]

    def options(self, policy: Policy, retention: RetentionPolicy) -> Options:
        """These options with those of the gate and of retention, checked."""
        from sumsquares.jobs.commands import watching as commands
        from sumsquares.jobs.night.context import Options

        webhook = commands.checked_webhook(self.webhook_file, self.webhook_format, self.webhook_timeout)
        return Options(
            policy,
            retention,
            commands.checked_hook(self.hook),
            self.hook_timeout,
            webhook,
            commands.checked_metrics_file(self.metrics_file),
        )
