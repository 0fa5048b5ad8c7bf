"""Formats measurements as Markdown tables. pages.py knows which file each belongs to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

PUBLISHED = ("plain", "dropout")
"""Figures of others, in the folder's README.md."""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table with its first column aligned left and the others right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z, share = 1.959964, hits / count
    centre, half = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return (centre - half) / (1 + z * z / count), (centre + half) / (1 + z * z / count)


def share(hits: int, count: int) -> str:
    """A share with its interval: `58/60 = 0.97 (0.89..0.99)`."""
    if not count:
        return "-"
    low, high = wilson(hits, count)
    return f"{hits}/{count} = {hits / count:.2f} ({low:.2f}..{high:.2f})"


def name_of(hidden: Iterable[int]) -> str:
    """A network's name, such as 1-16-16-1."""
    return "-".join(map(str, [1, *hidden, 1]))


def title(network: dict[str, Any]) -> str:
    """The name of a network that was measured."""
    return name_of(network["hidden"])


def spread(ratio: dict[str, float]) -> str:
    """Median, minimum and maximum as text."""
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}..{ratio['max']:.2f})"


def measured(network: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the contenders that ran, slowest first."""
    return sorted((row for row in network["entries"] if "us" in row), key=lambda row: -row["us"]["median"])


def training_details(networks: Sequence[dict[str, Any]]) -> str:
    """Returns one table per network."""
    parts = []
    for network in networks:
        best = next((row["ratio_to"] for row in network["entries"] if "ratio_to" in row), "ours")
        head = [title(network), "models", "us", f"times the {best} engine's (min..max)", "of the FMA peak"]
        rows = [(row["label"], str(row["models"]), *training_cells(row)) for row in measured(network)]
        parts.append(markdown(head, rows))
        parts += [
            f"{row['label']} was not measured: {row['unavailable']}." for row in network["entries"] if "us" not in row
        ]
    return "\n\n".join(parts)


def training_cells(row: dict[str, Any]) -> tuple[str, str, str]:
    """The cells of a contender: time, ratio, share of the peak."""
    share = f"{row['peak_share']:.1%}" if "peak_share" in row else "-"
    return f"{row['us']['median']:.2f}", spread(row["ratio"]) if "ratio" in row else "-", share


def training_table(training: dict[str, Any]) -> str:
    """Returns the table of microseconds by network and contender."""
    rows = training["networks"][0]["entries"]
    names = {row["name"]: row["label"] for row in rows if "us" in row}
    lines = []
    for network in training["networks"]:
        times = {row["name"]: f"{row['us']['median']:.2f}" for row in measured(network)}
        lines.append([title(network), *(times.get(name, "-") for name in names)])
    return markdown(["microseconds", *names.values()], lines)


def generation_table(generation: dict[str, Any]) -> str:
    """Returns one table per task."""
    head = ["M rows/s", "bytes per row", "ours is faster by (min..max)"]
    return "\n\n".join(
        markdown([f"{found['task']}s", *head], [generation_cells(row) for row in found["entries"]])
        for found in generation["tasks"]
    )


def formulas_table(generation: dict[str, Any]) -> str:
    """Returns a row per formula: our rate, and how many times faster it is than each of the others."""
    others = [row["label"] for row in generation["formulas"][0]["entries"][1:]]
    head = ["formula", "M rows/s", *(f"faster than {label}" for label in others)]
    lines = []
    for found in generation["formulas"]:
        ours, *rest = found["entries"]
        rate = f"{ours['rows_per_s']['median'] / 1e6:.1f}"
        lines.append([f"`{found['task']}`", rate, *(spread(row["rate_ratio"]) for row in rest)])
    return markdown(head, lines)


def generation_cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """The cells of a contender: name, rate, size, ratio."""
    rate = f"{row['rows_per_s']['median'] / 1e6:.1f}"
    return row["label"], rate, f"{row['bytes_per_row']:.3f}", spread(row["rate_ratio"])


def billion_line(billion: dict[str, Any]) -> str:
    """Returns the sentences on the billion rows."""
    peaks = ", ".join(f"{kind} {size / 1e6:,.0f} MB" for kind, size in sorted(billion["peak_bytes"].items()))
    return (
        f"{billion['rows']:,} rows of sums: {billion['seconds']:.0f} s with {billion['workers']} workers, "
        f"{billion['bytes'] / 1e9:.2f} GB on disk. Peak memory: {peaks}."
    )


def endtoend_table(found: dict[str, Any]) -> str:
    """Returns the table of both sides, with medians over the rounds, and their ratio."""

    def median(side: str, name: str) -> float:
        return statistics.median(each[side][name] for each in found["rounds"])

    rows = [
        ("sumsquares run", f"{median('sumsquares', 'seconds'):,.1f}", f"{median('sumsquares', 'rmse'):,.0f}"),
        (
            "Ray Tune, one trial per process",
            f"{median('ray_tune', 'seconds'):,.0f}",
            f"{median('ray_tune', 'rmse'):,.0f}",
        ),
    ]
    return markdown([f"{found['trials']:,} trials, {found['cores']} cores", "seconds", "median RMSE"], rows) + (
        f"\n\nRatio of the times, median (min..max): {spread(found['ratio'])}."
    )


def own_rows_table(found: dict[str, Any]) -> str:
    """Returns the table of all sides of a search on one's own rows, with medians over the rounds."""
    labels = {
        "sumsquares": "sumsquares run",
        "grid": "scikit-learn GridSearchCV",
        "halving": "scikit-learn HalvingGridSearchCV, which stops most networks early",
        "tpe": "Optuna, TPE with Hyperband, which stops most networks early",
        "optuna-grid": "Optuna, grid sampler",
    }
    rows = [
        (labels[name], f"{side['seconds']:,.1f}", spread(side["ratio"]), f"{side['rmse']:.3f}")
        for name, side in found["sides"].items()
    ]
    work = f"{found['variants']} variants x {found['seeds']} seeds, {found['cores']} cores"
    return markdown([work, "seconds", "times ours (min..max)", "best test RMSE"], rows)


def compare_table(endtoend: dict[str, Any], own_rows: dict[str, Any]) -> str:
    """Returns how many times as long the peers take for the same networks."""
    sides = own_rows["sides"]
    trials = f"{own_rows['variants'] * own_rows['seeds']:,} networks on a table of {own_rows['rows']:,} rows"
    rows = [
        ("Ray Tune, one trial per process", f"{endtoend['trials']:,} networks", f"{endtoend['ratio']['median']:.0f} x"),
        ("Optuna, grid sampler", trials, f"{sides['optuna-grid']['ratio']['median']:.1f} x"),
        (
            "Optuna, TPE with Hyperband",
            "the same, most of them stopped early",
            f"{sides['tpe']['ratio']['median']:.1f} x",
        ),
        ("scikit-learn GridSearchCV", trials, f"{sides['grid']['ratio']['median']:.1f} x"),
        (
            "scikit-learn HalvingGridSearchCV",
            "the same, most of them stopped early",
            f"{sides['halving']['ratio']['median']:.1f} x",
        ),
    ]
    commands = "`python benchmarks/endtoend.py`, the others `python benchmarks/own_rows.py`"
    return (
        markdown(["tool", "work, on two cores", "times as long as sumsquares"], rows)
        + f"\n\nThe first row is {commands}."
    )


def uci_table(found: dict[str, Any]) -> str:
    """Returns the table of test RMSEs of each set, means over its splits with their standard deviations."""

    def figure(numbers: dict[str, float] | None) -> str:
        return "-" if numbers is None else f"{numbers['mean']:.3f} ± {numbers['sd']:.3f}"

    rows = []
    for each in found["sets"]:
        published, baselines = each["published"] or {}, each["baselines"]
        of = [{"mean": published[name], "sd": published[f"{name}_sd"]} if published else None for name in PUBLISHED]
        others = [baselines.get(name) for name in ("least squares", "boosted trees")]
        size = f"{each['name']}, {each['rows']:,} x {each['inputs']}"
        numbers = [figure(numbers) for numbers in (*of, each["ours"], each["oracle"], *others)]
        rows.append((size, *numbers, f"{each['epochs']:,}", f"{each['seconds']:,.0f}"))
    head = ("published, plain", "MC dropout", "ours", "oracle's choice", "least squares", "boosted trees")
    return markdown(["set", *head, "epochs", "seconds"], rows)


def scale_table(stages: Sequence[dict[str, Any]]) -> str:
    """Returns the table of seconds and MB of each stage, by number of trials."""
    sizes = sorted({stage["trials"] for stage in stages})
    of = {(stage["trials"], stage["stage"]): stage for stage in stages}
    rows = []
    for name in dict.fromkeys(stage["stage"] for stage in stages):
        cells = [(of[size, name]["seconds"], of[size, name]["peak_mb"]) for size in sizes]
        rows.append((name, *(f"{seconds:,.1f} s, {peak:,.0f} MB" for seconds, peak in cells)))
    return markdown(["stage", *(f"{size:,} trials" for size in sizes)], rows)


def causes_table(found: dict[str, Any]) -> str:
    """Returns what planted faults have shown, by cause, and for all of them with confidence intervals."""
    rows, counts = [], []
    for each in found["found"]:
        of_cases = [(each[name], each["cases"]) for name in ("named", "mended")]
        of_diagnoses = [(hits, each["diagnoses"]) for hits in (each["right"], sum(each["proved"].values()))]
        counts.append([*of_cases, *of_diagnoses, (each["others_better"], each["others"])])
        rows.append((f"`{each['name']}`", str(each["cases"]), *(f"{hits}/{count}" for hits, count in counts[-1])))
    totals = [share(*map(sum, zip(*column, strict=True))) for column in zip(*counts, strict=True)]
    rows.append(("all", str(sum(each["cases"] for each in found["found"])), *totals))
    table = markdown(["cause", "cases", "named", "mended", "precision", "proved", "control"], rows)
    command = f"python benchmarks/causes.py --prove --cases {found['cases']} --seed {found['seed']}"
    return (
        f"Measured with planted faults (`{command}`, {found['seeds_of_proofs']} seeds a proof): *named* and *mended* "
        f"(the change of the first cause makes the RMSE at least {found['least_gain']:g} times smaller) are of the "
        "networks with the fault; *precision* (mended) and *proved* (called better by the paired test) are of all "
        "first causes that name a change, also of the same networks without the fault; *control* is of other changes, "
        f"drawn at random, by the same test.\n\n{table}"
    )


def choice_table(found: dict[str, Any]) -> str:
    """Returns the table of the time each choice loses against the best one of each shape."""
    labels = {
        "faster": "the kernel's choice",
        "by_model": "always a model per lane",
        "by_unit": "always a unit per lane",
    }
    rows = []
    for name, label in labels.items():
        losses = sorted(shape["loss"][name] for shape in found["shapes"])
        over = sum(loss > 0.05 for loss in losses)
        rows.append((label, f"{statistics.median(losses):.1%}", f"{losses[-1]:.0%}", f"{over} of {len(losses)}"))
    return markdown([f"time lost against the better layout ({found['variant']})", "median", "max", "over 5 %"], rows)


def speed_table(
    training: dict[str, Any],
    generation: dict[str, Any],
    endtoend: dict[str, Any],
    scale: Sequence[dict[str, Any]],
    on_gpu: tuple[str, str],
) -> str:
    """Returns the README's table of ratios, and the time of the largest sweep; `on_gpu` is the row of GPUs."""

    def trained(hidden: list[int], name: str) -> float:
        (network,) = (each for each in training["networks"] if each["hidden"] == hidden)
        return next(float(row["ratio"]["median"]) for row in network["entries"] if row["name"] == name)

    def generated(task: str) -> float:
        (found,) = (each for each in generation["tasks"] if each["task"] == task)
        return next(float(row["rate_ratio"]["median"]) for row in found["entries"] if row["name"] == "duckdb")

    jax = "against JAX `jit(vmap(scan))` with gradients by hand, at its best pack size and layout"
    wide = [f"{trained([64, 64], name):.2g} x" for name in ("loop", "jax")]
    rows = [
        ("training 1-16-16-1, against one PyTorch network at a time", f"{trained([16, 16], 'loop'):.0f} x", "training"),
        (f"the same, {jax}", f"{trained([16, 16], 'jax'):.1f} x", ""),
        ("training 1-64-64-1, against PyTorch, and against JAX", ", ".join(wide), ""),
        ("generating sums as Parquet, against DuckDB", f"{generated('sum'):.1f} x", "generation"),
        ("generating squares as Parquet, against DuckDB", f"{generated('square'):.1f} x", ""),
        (
            f"{endtoend['trials']:,} trials from a cold start, against Ray Tune with one trial per process, two cores",
            f"{endtoend['ratio']['median']:.0f} x",
            "endtoend",
        ),
        (*on_gpu, "gpu"),
    ]
    most = max(stage["trials"] for stage in scale)
    seconds = next(stage["seconds"] for stage in scale if stage["trials"] == most and stage["stage"] == "train")
    sweep = f"A sweep of {most:,} networks of 1-16-16-1, 5,000 steps each, took {seconds / 60:.1f} minutes on two cores"
    lines = [(what, ratio, f"`python benchmarks/{name}.py`" if name else "") for what, ratio, name in rows]
    head = ["what", "speedup", "command"]
    return "\n".join(
        [
            f"{sweep} (`python benchmarks/scale.py`).",
            "",
            *(f"| {' | '.join(line)} |" for line in [head, ["---"] * 3, *lines]),
        ]
    )
