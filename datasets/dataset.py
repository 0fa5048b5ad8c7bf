"""The kinds of datasets: rows that are generated from a spec, and tables of one's own."""

from __future__ import annotations

from typing import TypeAlias

from sumsquares.datasets.spec import DatasetSpec, NamedDataset
from sumsquares.datasets.tables.table import TableDataset, TableSplit

Dataset: TypeAlias = DatasetSpec | TableSplit
"""What a trial is trained on, maybe without a name."""
Named: TypeAlias = NamedDataset | TableSplit
"""What a variant of a trial is trained on."""
Whole: TypeAlias = NamedDataset | TableDataset
"""What a spec's [[dataset]] stands for: a table with all its splits."""
