"""Specs as TOML text, and specs that are made of variants: what is trained beside a run, such as a proof.

The text parses to the same variants with the same ids, whatever grids they came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sumsquares.datasets.dataset import Named
from sumsquares.jobs.spec.axes import AXES, Engine
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec
from sumsquares.jobs.spec.variants import Variant

_NO_LIMIT = 2**63


def spec_of(name: str, engine: Engine, seeds_of: Mapping[Variant, Sequence[int]]) -> JobSpec:
    """Returns a spec of exactly these variants, each with its seeds, at the current training version.

    Of datasets with the same rows the first one's name is used; others must have different names.

    Raises:
        SpecError: a variant is one that no spec can have.

    """
    datasets: dict[str, Named] = {}
    for variant in seeds_of:
        datasets.setdefault(variant.dataset_digest, variant.dataset)
    tables = [each.model_dump(mode="json", exclude_unset=True) for each in datasets.values()]
    grids = [
        {"dataset": datasets[variant.dataset_digest].name, **_axes(variant), "seeds": [*seeds]}
        for variant, seeds in seeds_of.items()
    ]
    raw = {"name": name, "engine": engine, "dataset": tables, "grid": grids}
    return parse_spec(toml_of(raw).encode(), f"run {name}", _NO_LIMIT)


def _axes(variant: Variant) -> dict[str, Any]:
    values = {axis: getattr(variant, axis) for axis in AXES}
    return {axis: [list(value)] if isinstance(value, tuple) else value for axis, value in values.items()}


def toml_of(raw: Mapping[str, Any]) -> str:
    """Returns a spec's data as TOML: JSON's strings, numbers and lists are TOML's as well."""
    return "\n".join(_lines(raw)) + "\n"


def _lines(raw: Mapping[str, Any]) -> Iterator[str]:
    for key in ("name", "engine"):
        if key in raw:
            yield f"{key} = {json.dumps(raw[key])}"
    tables = [("[[dataset]]", each) for each in raw["dataset"]]
    tables += [("[train]", raw["train"])] if "train" in raw else []
    tables += [("[[grid]]", each) for each in raw["grid"]]
    for head, table in tables:
        yield head
        yield from (f"{key} = {json.dumps(value)}" for key, value in table.items())
