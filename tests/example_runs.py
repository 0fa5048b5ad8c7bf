"""Runs of the examples as a user would start them, for tests of what they show."""

from __future__ import annotations

from unittest import mock

from typer.testing import CliRunner

from sumsquares.jobs.cli.main import app
from sumsquares.jobs.storage.store import Store


def run_example(path, store):
    """Runs an example in a new folder, and returns its store and output."""
    command = ["run", str(path), "--store", str(store), "--quiet"]
    # `make run` installs no scikit-learn.
    with mock.patch("sumsquares.jobs.results.stored_baselines.sklearn_version", return_value=None):
        found = CliRunner(env={"COLUMNS": "100"}).invoke(app, command)
    assert found.exit_code == 0, found.output
    return Store(str(store)), found.stdout
