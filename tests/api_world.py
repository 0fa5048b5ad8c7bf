"""A small finished run for the tests of the public API, made once per file."""

from __future__ import annotations

from typing import NamedTuple

import pytest

import sumsquares
from sumsquares.jobs.storage.store import Store

SPEC = {
    "name": "small",
    "dataset": [
        {"name": "sums", "task": "sum", "largest": 50, "rows": 300, "test_rows": 40},
        {"name": "squares", "task": "square", "largest": 50, "rows": 300, "test_rows": 40},
    ],
    "train": {"epochs": 60, "batch_size": 20, "lr": 0.01},
    "grid": [{"hidden": [[], [16]], "activation": ["identity", "tanh"], "readout": ["trained", "solved"], "seeds": 2}],
}


class World(NamedTuple):
    """A run in a folder."""

    folder: object
    run: sumsquares.Run

    @property
    def store(self):
        """Its store."""
        return Store(str(self.folder / "store"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The run."""
    folder = tmp_path_factory.mktemp("api")
    return World(folder, sumsquares.run(SPEC, store=folder / "store"))
