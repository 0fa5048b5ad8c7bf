"""Writes the figures in README, four pages of docs and the examples, from the measurements in docs/figures.

    python benchmarks/training.py --units 16 32 64 128 --layers 1 2 3 --json > docs/figures/training.json
    python benchmarks/generation.py --json > docs/figures/generation.json
    python benchmarks/billion.py --json > docs/figures/billion.json
    python benchmarks/choice.py --json > docs/figures/choice.json
    python benchmarks/endtoend.py --json > docs/figures/endtoend.json
    python benchmarks/own_rows.py --json > docs/figures/own_rows.json
    python benchmarks/uci.py FOLDER --json > docs/figures/uci.json
    python benchmarks/scale.py --json > docs/figures/scale.json
    python benchmarks/gpu.py --json > docs/figures/gpu.json
    python benchmarks/gpu_shapes.py --json > docs/figures/gpu_shapes.json
    python benchmarks/gpu_shapes.py --layouts --csv > docs/figures/gpu_layouts.csv
    python benchmarks/causes.py --prove --cases 12 --seed 5 --json > docs/figures/causes.json
    python benchmarks/examples.py
    python benchmarks/gallery.py
    python benchmarks/pages.py [--check]

It measures nothing. `--check` changes nothing, and exits with 1 if a file is out of date.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from charts import Panel, Row, svg
from gallery_table import gallery_table, question_head
from gpu_shapes_table import shapes_table
from gpu_table import page_table, readme_row
from printed import example_head, readme_block, readme_reading
from tables import (
    billion_line,
    causes_table,
    choice_table,
    compare_table,
    endtoend_table,
    formulas_table,
    generation_table,
    measured,
    own_rows_table,
    scale_table,
    speed_table,
    title,
    training_details,
    training_table,
    uci_table,
)

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FIGURES = DOCS / "figures"
PAGE = DOCS / "performance.md"
COMPARE = DOCS / "compare.md"
EXPLAINING = DOCS / "explaining.md"
GALLERY = DOCS / "gallery.md"
README = ROOT / "README.md"
SHOWN = ([16, 16], [64, 64])
"""Networks with a chart and all figures; each of the others has one line in a table."""
OURS = {"ours", "torch", "lanes"}


def main() -> None:
    """Writes the files that are out of date, or names them with `--check`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is out of date")
    check = parser.parse_args().check
    old = [path for path, content in made().items() if not path.exists() or path.read_text() != content]
    if check and old:
        sys.exit(f"out of date: {', '.join(path.name for path in old)}; run python benchmarks/pages.py")
    for path in old:
        path.write_text(made()[path])


def made() -> dict[Path, str]:
    """Returns the content of every file that is made here."""
    names = ("training", "generation", "billion", "choice", "endtoend", "own_rows", "uci", "scale", "gpu", "gpu_shapes")
    training, generation, billion, choice, endtoend, own_rows, uci, scale, gpu, gpu_shapes = (
        json.loads((FIGURES / f"{name}.json").read_text()) for name in names
    )
    with (FIGURES / "gpu_layouts.csv").open(newline="") as file:
        layouts = list(csv.DictReader(file))
    tables = {
        "training": training_details(shown(training)),
        "training-all": training_table(training),
        "generation": generation_table(generation),
        "formulas": formulas_table(generation),
        "billion": billion_line(billion),
        "choice": choice_table(choice),
        "endtoend": endtoend_table(endtoend),
        "own_rows": own_rows_table(own_rows),
        "uci": uci_table(uci),
        "scale": scale_table(scale),
        "gpu": page_table(gpu),
        "gpu_shapes": shapes_table(gpu_shapes, layouts),
    }
    causes = json.loads((FIGURES / "causes.json").read_text())
    examples = json.loads((FIGURES / "examples.json").read_text())
    readme = {
        "question": readme_block(examples["question"]),
        "reading": readme_reading(examples["question"]),
        "speed": speed_table(training, generation, endtoend, scale, readme_row(gpu)),
    }
    paths = {ROOT / "examples" / f"{name}.toml": found for name, found in examples.items()}
    gallery = json.loads((FIGURES / "gallery.json").read_text())
    questions = {ROOT / "examples/questions" / f"{name}.toml": found for name, found in gallery.items()}
    return {
        **{path: example_head(found, path.read_text()) for path, found in paths.items()},
        **{path: question_head(found, path.read_text()) for path, found in questions.items()},
        GALLERY: filled(GALLERY.read_text(), {"gallery": gallery_table(gallery)}),
        README: filled(README.read_text(), readme),
        PAGE: filled(PAGE.read_text(), tables),
        COMPARE: filled(COMPARE.read_text(), {"compare": compare_table(endtoend, own_rows)}),
        EXPLAINING: filled(EXPLAINING.read_text(), {"causes": causes_table(causes)}),
        FIGURES / "training.svg": svg("Training: time per model and step", training_panels(training)),
        FIGURES / "generation.svg": svg("Generation: rows per second", generation_panels(generation)),
    }


def filled(page: str, tables: dict[str, str]) -> str:
    """Returns the page with each table between its two markers."""
    for name, content in tables.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert len(marks.findall(page)) == 1, f"the page must have exactly one pair of markers for {name}"
        page = marks.sub(lambda found, content=content: f"{found[1]}{content}\n{found[2]}", page)
    return page


def shown(training: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks with a chart."""
    return [network for network in training["networks"] if network["hidden"] in SHOWN]


def training_panels(training: dict[str, Any]) -> list[Panel]:
    """Returns one panel per network that has a chart."""
    panels = []
    for network in shown(training):
        rows = [
            Row(row["label"], row["us"]["median"], f"{row['us']['median']:,.1f} us", row["name"] in OURS)
            for row in measured(network)
        ]
        panels.append(Panel(title(network), "microseconds per model and step, logarithmic", rows, log=True))
    return panels


def generation_panels(generation: dict[str, Any]) -> list[Panel]:
    """Returns one panel per task."""
    panels = []
    for found in generation["tasks"]:
        rows = [
            Row(
                row["label"],
                row["rows_per_s"]["median"] / 1e6,
                f"{row['rows_per_s']['median'] / 1e6:.1f} M, {row['bytes_per_row']:.2f} B/row",
                row["name"] in OURS,
            )
            for row in found["entries"]
        ]
        panels.append(Panel(f"{found['task']}s", "million rows per second and core", rows, log=False))
    return panels


if __name__ == "__main__":
    main()
