"""Checks who is to be told of a night, before it begins."""

from __future__ import annotations

import os
from pathlib import Path

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.night.hook import check_hook
from sumsquares.jobs.night.metrics import check_metrics_file
from sumsquares.jobs.night.webhook import Webhook
from sumsquares.jobs.night.webhook_address import read_address
from sumsquares.jobs.show.progress import Progress


def checked_hook(command: str | None) -> str | None:
    """Returns the hook.

    Raises:
        UsageError: it can't be parsed, or there is no such program.

    """
    try:
        check_hook(command)
    except ValueError as error:
        raise UsageError(f"--hook: {error}; write a program and its arguments as in a shell") from None
    return command


def checked_webhook(file: str | None, kind: str, seconds: float) -> Webhook | None:
    """Returns the webhook, if the environment or a file has its address.

    Raises:
        UsageError: it has none that can be posted to.

    """
    url = read_address(file, os.environ, Progress().warn)
    return None if url is None else Webhook(url, kind, seconds)


def checked_metrics_file(path: Path | None) -> Path | None:
    """Returns the file for Prometheus.

    Raises:
        UsageError: node_exporter wouldn't read it, or it can't be written.

    """
    if path is not None:
        check_metrics_file(path)
    return path
