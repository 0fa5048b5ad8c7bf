"""Small tables for tests of fit, init and predict, and what a folder holds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from sumsquares.jobs.pipeline import fitting


def houses(rows=60, seed=0):
    """Areas, rooms and a text with the price that follows from them, nearly."""
    drawn = np.random.default_rng(seed)
    area, rooms = drawn.uniform(30, 200, rows).round(1), drawn.integers(1, 7, rows)
    place = np.array(["north", "south"])[drawn.integers(0, 2, rows)]
    price = 2.0 * area + 10.0 * rooms + 30 * (place == "south") + drawn.normal(0, 5, rows)
    return pa.table({"area": area, "rooms": rooms, "place": place, "price": price.round(2)})


def put(path, table):
    """Writes a table, as the name of the file says."""
    pq.write_table(table, path) if path.suffix == ".parquet" else pa_csv.write_csv(table, path)
    return path


def tree(folder):
    """Every file below a folder, with the digest of its bytes."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def small_grid(patch, **values):
    """Has `fit` train 16 variants of at most four units, or those of other values."""
    whole = fitting.default_grid
    few = {"hidden": ((), (4,)), "lr": (0.003, 0.03), "weight_decay": (0.0, 1.0), **values}
    patch.setattr(fitting, "default_grid", lambda *arguments: replace(whole(*arguments), **few))
