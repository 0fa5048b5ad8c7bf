"""The checks of hyperparameters that don't go together, with each other or with a dataset of their grid.

A grid is a Cartesian product, so a value is refused if it doesn't go with one value of another axis.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import get_args

from sumsquares.datasets.normalize import NormalizationKind, problem_of
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tasks import target_range
from sumsquares.jobs.spec.errors import path_of
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.raw import Axes, Datasets, Place, Raw, tables


def training_problems(raw: Raw, valid: Datasets, files: Mapping[int, TableKeys]) -> Iterator[str]:
    """Yields a line for each combination that can't be trained. Of tables, `files`, only the keys are known."""
    datasets = {dataset.name: dataset for dataset in valid.values()}
    tables_named = {keys.name for keys in files.values()}
    seen = set()  # several grids may have one value of [train]
    for index, grid in tables(raw, "grid"):
        axes = Axes(raw, index, grid)
        named = [datasets[name] for name in axes.datasets if name in datasets]
        scales = (*_scales(axes, named), *_scales_of_tables(axes, tables_named))
        for place, problem in (*_solved(axes), *_entropy(axes), *_outside(axes, named), *scales):
            line = f"{path_of(place, raw)}: {problem}"
            if line not in seen:
                seen.add(line)
                yield line


def _solved(axes: Axes) -> Iterator[tuple[Place, str]]:
    """A readout is solved by least squares, so the answer is linear in it and the loss is their squares."""
    if place := axes.of("readout").get("solved"):
        for axis, needed in (("output", "linear"), ("loss", "mse")):
            for other in axes.others(axis, needed):
                yield place, _needs("solved", axis, needed, f"{axis} = {show(other)}")


def _entropy(axes: Axes) -> Iterator[tuple[Place, str]]:
    """Cross-entropy compares probabilities with targets as they are."""
    if place := axes.of("loss").get("bce"):
        for other in axes.others("output", "sigmoid"):
            yield place, _needs("bce", "output", "sigmoid", f"output = {show(other)}")
        for scale, (axis, _) in axes.target_scales().items():
            if scale != "none":
                yield place, _needs("bce", "normalize_target", "none", f"{axis} = {show(scale)}")


def _needs(value: str, axis: str, needed: str, there: str) -> str:
    together = f'"{value}" needs {axis} = "{needed}", and this grid has {there}'
    return f'{together}; write {axis} = "{needed}", or list the two in grids of their own'


def _outside(axes: Axes, datasets: list[NamedDataset]) -> Iterator[tuple[Place, str]]:
    """Tasks have targets above 1, and noise takes those of 0 and 1 out of range. checks_formulas.py looks at rows."""
    place = axes.of("loss").get("bce")
    for dataset in datasets if place else ():
        top = target_range(dataset.task, dataset.n_numbers, 1, dataset.largest or 1)[1] if dataset.task else 1
        if place and top > 1:
            reached = f"that of dataset {show(dataset.name)} reaches {show(top)}"
            yield place, f'"bce" needs a target from 0 to 1, and {reached}; write another loss, such as "mse"'
        if place and dataset.noise:
            noisy = f"dataset {show(dataset.name)} has noise"
            yield place, f'"bce" needs a target from 0 to 1, and {noisy}; write noise = 0.0 there, or another loss'


def _scales(axes: Axes, datasets: list[NamedDataset]) -> Iterator[tuple[Place, str]]:
    """What the scales of inputs need is said where they are."""
    there = axes.of("normalize")
    for kind, dataset in product(get_args(NormalizationKind), datasets):
        if kind in there and (problem := problem_of(dataset, kind)):
            yield there[kind], f"dataset {show(dataset.name)}: {problem}"


def _scales_of_tables(axes: Axes, names: Collection[str]) -> Iterator[tuple[Place, str]]:
    """Only a task has the largest target that "question" divides by. What "log" needs only the rows of a table tell."""
    place = axes.of("normalize").get("question")
    for name in axes.datasets if place else ():
        if place and name in names:
            needed = 'normalize = "question" divides by the largest target of a task, and this is a table'
            yield place, f'dataset {show(name)}: {needed}; write "zscore" or "unit"'
