"""Specs as TOML text, and specs that are made of variants: what is trained beside a run, such as a proof.

The text parses to the same variants with the same ids, whatever grids they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.axes import AXES, Engine
from sumsquares.jobs.spec.job_spec import JobSpec, parse_spec
from sumsquares.jobs.spec.tables import keys_of, toml, with_resolved
from sumsquares.jobs.spec.variants import Variant

_NO_LIMIT = 2**63


def spec_of(name: str, engine: Engine, seeds_of: Mapping[Variant, Sequence[int]]) -> JobSpec:
    """Returns a spec of exactly these variants, each with its seeds, at the current training version.

    Of datasets with the same rows the first one's name is used; others must have different names. A spec trains on all
    splits of a table: variants on one must come with those on the others, with the same seeds.

    Raises:
        SpecError: a variant is one that no spec can have.

    """
    datasets: dict[str, Whole] = {}
    for variant in seeds_of:
        datasets.setdefault(variant.dataset.whole.digest, variant.dataset.whole)
    grids = [
        {"dataset": datasets[variant.dataset.whole.digest].name, **_axes(variant), "seeds": [*seeds]}
        for variant, seeds in _on_all_splits(seeds_of)
    ]
    raw = {"name": name, "engine": engine, "dataset": [*map(_written, datasets.values())], "grid": grids}
    return parse_spec(with_resolved(toml_of(raw).encode(), datasets.values()), f"run {name}", _NO_LIMIT)


def _written(dataset: Whole) -> dict[str, Any]:
    if isinstance(dataset, TableDataset):
        return keys_of(dataset)
    return dataset.model_dump(mode="json", exclude_unset=True)


def _on_all_splits(seeds_of: Mapping[Variant, Sequence[int]]) -> Iterator[tuple[Variant, Sequence[int]]]:
    """Yields each variant with its seeds, and one of those on the splits of a table for all of them."""
    found: dict[tuple[str, tuple[int, ...]], dict[str, Variant]] = {}
    for variant, seeds in seeds_of.items():
        if len(variant.dataset.whole.splits) == 1:
            yield variant, seeds
        else:
            found.setdefault((variant.group, tuple(sorted(seeds))), {})[variant.digest] = variant
    for (_, seeds), variants in found.items():
        one = next(iter(variants.values()))
        assert len(variants) == len(one.dataset.whole.splits), f"{one} is not on all splits with the same seeds"
        yield one, seeds


def raw_of(spec: JobSpec) -> dict[str, Any]:
    """Returns what a spec says as the data of its file: what `derived` makes another spec of."""
    raw = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    keys = {name: each.model_dump(mode="json", exclude_unset=True) for name, each in spec.tables.items()}
    raw["dataset"] = [keys.get(written["name"], written) for written in raw["dataset"]]
    return raw


def derived(spec: JobSpec, raw: Mapping[str, Any], source: str) -> JobSpec:
    """Returns the spec that `raw` says, with the tables of the spec that it was made of, as they were read.

    Raises:
        SpecError: it is invalid.

    """
    made = parse_spec(with_resolved(toml_of(raw).encode(), spec.datasets), source, _NO_LIMIT)
    return made.trained_by(spec.training_version)


def _axes(variant: Variant) -> dict[str, Any]:
    values = {axis: getattr(variant, axis) for axis in AXES}
    return {axis: [list(value)] if isinstance(value, tuple) else value for axis, value in values.items()}


def toml_of(raw: Mapping[str, Any]) -> str:
    """Returns a spec's data as TOML."""
    return "\n".join(_lines(raw)) + "\n"


def _lines(raw: Mapping[str, Any]) -> Iterator[str]:
    for key in ("name", "engine"):
        if key in raw:
            yield f"{key} = {toml(raw[key])}"
    tables = [("[[dataset]]", each) for each in raw["dataset"]]
    tables += [("[train]", raw["train"])] if "train" in raw else []
    tables += [("[[grid]]", each) for each in raw["grid"]]
    for head, table in tables:
        yield head
        yield from (f"{key} = {toml(value)}" for key, value in table.items())
