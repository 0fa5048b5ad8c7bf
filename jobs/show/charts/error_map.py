"""The error map of a dataset with two inputs: a lattice coloured by what a network is off by.

Colours are classes of the error's size, with the same shade on both sides of 0. Cells with an error below 0 are
striped, and some errors stand as numbers in the map, so that nothing is said by colour alone. A row's
neighbouring cells of one class are one stroke, so that a map costs about 2 to 10 kB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from xml.etree.ElementTree import SubElement

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.results.figures.data import ErrorMap, Floats
from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.keys import area_key, line_key
from sumsquares.jobs.show.charts.numbers import MINUS, column_text, digits_text
from sumsquares.jobs.show.charts.plot import ACROSS, DOWN, LEFT, TOP, Plot
from sumsquares.jobs.show.charts.scales import Linear, finite
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.format import number

_CELLS = 40  # along each axis at most
_SHARES = (0.2, 0.5, 0.8)  # of the cells whose errors are below the ends of the first classes
_WRITTEN = (4, 3)  # numbers in the map, along each axis


def map_chart(subject: Subject, found: ErrorMap, place: int) -> Chart | None:
    """Returns the map of one network, the one with this place; None without finite errors."""
    known = finite(found.error_AB.ravel())
    if not known:
        return None
    ends, name, words = _ends(known), f"map-{place + 1}", subject.chosen(found.chosen)
    label = _label(found, words)
    x, y = Linear(*_edges(found.inputs_A)), Linear(*_edges(found.inputs_B))
    plot = Plot(subject.id(name), label, x, y, found.names)
    cells_AB = _lattice(found)
    _cells(plot, cells_AB, ends)
    _range(plot, found)
    written = _written(found)
    texts = dict(zip(written, column_text([float(found.error_AB[a, b]) for a, b in written]), strict=True))
    for a, b in written:
        plot.value((float(found.inputs_A[a]), float(found.inputs_B[b])), _short(float(found.error_AB[a, b])))
    return Chart(
        name=name,
        title=f"Errors over both inputs, {subject.role(found.chosen)}",
        caption=f"The best trial of {words}. Predicted minus expected: the stronger the colour, the larger; striped"
        " where the prediction is too low. Numbers are errors at their places, and the dashed frame is the training"
        " range.",
        label=label,
        svg=plot.done(),
        legend=_legend(ends, known),
        numbers=_numbers(found, texts),
    )


def _ends(known: Sequence[float]) -> list[float]:
    """Where the classes of an error's size end: round numbers, so that each class has a good part of the cells."""
    sizes = np.abs([error for error in known if error] or [0.0])
    shares = [float(each) for each in np.quantile(sizes, _SHARES)]
    return sorted({_nice_below(each) for each in shares if each > 0})


def _nice_below(value: float) -> float:
    """The next smaller of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(times * power for times in (1, 2, 5) if times * power <= value * (1 + 1e-9) or times == 1)


def _class(error: float, ends: Sequence[float]) -> str | None:
    """The CSS classes of an error."""
    if not np.isfinite(error):
        return None
    size = sum(abs(error) > end for end in ends)
    return f"e{size}" if size == 0 or error > 0 else f"e{size} low"


def _edges(values: Floats) -> tuple[float, float]:
    """The ends of an axis on which each value is the middle of a cell."""
    if len(values) < 2:
        return float(values[0]) - 0.5, float(values[0]) + 0.5
    half = float(values[-1] - values[0]) / (len(values) - 1) / 2
    return float(values[0]) - half, float(values[-1]) + half


def _nearest(values: Floats) -> NDArray[np.intp]:
    """Which values stand for equal cells along an axis."""
    low, high = _edges(values)
    count = min(len(values), _CELLS)
    middles = low + (high - low) * (np.arange(count) + 0.5) / count
    nearest: NDArray[np.intp] = np.abs(values[None, :] - middles[:, None]).argmin(axis=1)
    return nearest


def _lattice(found: ErrorMap) -> Floats:
    """The errors of equal cells."""
    return found.error_AB[np.ix_(_nearest(found.inputs_A), _nearest(found.inputs_B))]


def _cells(plot: Plot, cells_AB: Floats, ends: Sequence[float]) -> None:
    """Draws the cells, in units of a cell: a path for each class."""
    across, up = cells_AB.shape
    runs: dict[str, list[str]] = {}
    for b in range(up):
        start = 0
        for name, cells in groupby(_class(float(error), ends) for error in cells_AB[:, b]):
            count = sum(1 for _ in cells)
            if name is not None:
                runs.setdefault(name, []).append(f"M{start} {up - b - 1}h{count}")
            start += count
    middle = TOP + DOWN / up / 2  # of the highest row, where its stroke lies
    scale = f"translate({LEFT} {middle:.4f}) scale({ACROSS / across:.4f} {DOWN / up:.4f})"
    group = SubElement(plot.svg, "g", {"class": "cells", "transform": scale})
    for name in sorted(runs):
        SubElement(group, "path", {"class": name, "d": "".join(runs[name])})


def _range(plot: Plot, found: ErrorMap) -> None:
    (left, bottom), (right, top) = found.low, found.high
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    plot.line(corners, "line range-under")
    plot.line(corners, "line range")


def _written(found: ErrorMap) -> list[tuple[int, int]]:
    """The cells whose errors stand as numbers."""
    picked = [
        np.unique(((np.arange(many) + 0.5) / many * len(values)).astype(int))
        for many, values in zip(_WRITTEN, (found.inputs_A, found.inputs_B), strict=True)
    ]
    return [(int(a), int(b)) for a in picked[0] for b in picked[1] if np.isfinite(found.error_AB[a, b])]


def _short(error: float) -> str:
    """An error in the map: its sign, and two digits."""
    sign = MINUS if error < 0 else "+"
    return f"{sign if error else ''}{digits_text(abs(error), 2)}"


def _label(found: ErrorMap, words: str) -> str:
    """The largest error within the training range, and beyond it."""
    inside_A = (found.inputs_A >= found.low[0]) & (found.inputs_A <= found.high[0])
    inside_B = (found.inputs_B >= found.low[1]) & (found.inputs_B <= found.high[1])
    inside_AB = inside_A[:, None] & inside_B[None, :]
    parts = []
    for where, is_there_AB in (("within the training range", inside_AB), ("beyond it", ~inside_AB)):
        known = finite(found.error_AB[is_there_AB])
        if known:
            parts.append(f"{number(max(known, key=abs))} {where}")
    return f"Errors of {words} over both inputs: the largest is {' and '.join(parts)}."


def _legend(ends: Sequence[float], known: Sequence[float]) -> list[Key]:
    """The classes that occur, in the order of their errors."""
    sizes = range(1, len(ends) + 1)
    classes = [(f"e{size} low", _class_words(ends, size, MINUS)) for size in reversed(sizes)]
    classes += [("e0", f"within ±{digits_text(ends[0], 1)}" if ends else "0")]
    classes += [(f"e{size}", _class_words(ends, size, "")) for size in sizes]
    there = {_class(error, ends) for error in known}
    keys = [area_key(f"swatch {name}", words) for name, words in classes if name in there]
    return [*keys, line_key("line range", "training range")]


def _class_words(ends: Sequence[float], size: int, sign: str) -> str:
    """The errors of a class on one side of 0."""
    near = f"{sign}{digits_text(ends[size - 1], 1)}"
    if size == len(ends):
        return f"{'below' if sign else 'above'} {near}"
    far = f"{sign}{digits_text(ends[size], 1)}"
    return f"{far} to {near}" if sign else f"{near} to {far}"


def _numbers(found: ErrorMap, texts: dict[tuple[int, int], str]) -> Numbers:
    """The errors that are written in the map: a row for each of the second input, the highest first."""
    columns = sorted({a for a, _ in texts})
    heads = column_text([float(found.inputs_A[a]) for a in columns])
    names = [f"{found.names[0]} = {head}" for head in heads]
    ups = sorted({b for _, b in texts}, reverse=True)
    rows = [
        [f"{found.names[1]} = {text}", *(texts.get((a, b), "-") for a in columns)]
        for b, text in zip(ups, column_text([float(found.inputs_B[b]) for b in ups]), strict=True)
    ]
    return Numbers(["error at", *names], rows)
