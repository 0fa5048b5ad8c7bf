"""What `sumsquares init` does: writes a first job spec with comments, about the question or about a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs import exits
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.table_asked import as_options, check_name, last_number, name_of
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.pipeline.fitting import Fit, FitSpecs
from sumsquares.jobs.spec.first_spec import FIRST_NAME, FIRST_SPEC
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.table_spec import table_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import StorageError
