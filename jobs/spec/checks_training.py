"""The checks of hyperparameters that don't go together, with each other or with a dataset of their grid.

A grid is a Cartesian product, so a value that doesn't go with one value of another axis is refused. The values are read
from the raw TOML data, with those of [train] and the defaults.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.spec.errors import path_of
from sumsquares.jobs.spec.messages import show
from sumsquares.jobs.spec.raw import Place, Raw, axis_of, datasets_of, tables, valid

_SEPARATE = "or list the two in grids of their own"


@dataclass(frozen=True)
class _Axes:
    """The values of a grid's axes that depend on each other, each with its place."""

    raw: Raw
    index: int
    grid: Raw

    def of(self, axis: str) -> dict[str, Place]:
        """Returns the texts among the values of an axis, each with the first place where it is written."""
        found: dict[str, Place] = {}
        for place, value in axis_of(self.raw, self.index, self.grid, axis):
            if isinstance(value, str):
                found.setdefault(value, place)
        return found

    def others(self, axis: str, needed: str) -> list[str]:
        """Returns the texts among the values of an axis that are not the one that is needed."""
        return [value for value in self.of(axis) if value != needed]


def training_problems(raw: Raw) -> Iterator[str]:
    """Yields a line for each combination that can't be trained. One of [train] alone is told once."""
    datasets = {dataset.name: dataset for _, dataset in valid(NamedDataset, raw, "dataset")}
    seen = set()
    for index, grid in tables(raw, "grid"):
        axes = _Axes(raw, index, grid)
        named = [datasets[name] for name in dict.fromkeys(datasets_of(raw, grid)) if name in datasets]
        for place, problem in (*_solved(axes), *_entropy(axes), *_question(axes, named), *_noise(axes, named)):
            line = f"{path_of(place, raw)}: {problem}"
            if line not in seen:
                seen.add(line)
                yield line


def _solved(axes: _Axes) -> Iterator[tuple[Place, str]]:
    """A readout is solved by least squares, so the answer is linear in it and the loss is their squares."""
    if place := axes.of("readout").get("solved"):
        for axis, needed in (("output", "linear"), ("loss", "mse")):
            for other in axes.others(axis, needed):
                yield place, f'"solved" with {axis} {show(other)}; write {axis} = "{needed}" with it, {_SEPARATE}'


def _entropy(axes: _Axes) -> Iterator[tuple[Place, str]]:
    """Cross-entropy compares probabilities with targets as they are."""
    if place := axes.of("loss").get("bce"):
        for other in axes.others("output", "sigmoid"):
            yield place, f'"bce" with output {show(other)}; write output = "sigmoid" with it, {_SEPARATE}'
        scales = [("normalize_target", scale) for scale in axes.others("normalize_target", "none") if scale != "same"]
        if "same" in axes.of("normalize_target"):
            scales += [("normalize", scale) for scale in axes.others("normalize", "none")]
        for axis, scale in scales:
            yield place, f'"bce" with {axis} {show(scale)}; write normalize_target = "none" with it, {_SEPARATE}'


def _question(axes: _Axes, datasets: list[NamedDataset]) -> Iterator[tuple[Place, str]]:
    """The question's scale is made of `largest`, which formulas don't have."""
    place = axes.of("normalize").get("question")
    for dataset in datasets if place else ():
        if place and dataset.task is None:
            yield place, f'"question" with the formula of dataset {show(dataset.name)}; write "unit", {_SEPARATE}'


def _noise(axes: _Axes, datasets: list[NamedDataset]) -> Iterator[tuple[Place, str]]:
    """With noise, a target of 0 or 1 leaves that range."""
    place = axes.of("loss").get("bce")
    for dataset in datasets if place else ():
        if place and dataset.noise:
            yield place, f'"bce" with the noise of dataset {show(dataset.name)}; write noise = 0.0 there, {_SEPARATE}'
