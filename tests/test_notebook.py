"""The notebook in examples/ is executed as it stands, and ends in the answers that it promises."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
pytestmark = [
    pytest.mark.skipif(not find_spec("ipykernel"), reason="no kernel: pip install ipykernel"),
    pytest.mark.skipif(not find_spec("nbclient"), reason="nothing executes it: pip install nbclient"),
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook with its outputs, executed in a copy of the folder."""
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook") / "examples"
    folder.mkdir()
    for name in ("exact.toml", "houses.csv"):
        shutil.copy(ROOT / "examples" / name, folder)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = {"resources": {"metadata": {"path": str(folder)}}}
    NotebookClient(notebook, timeout=200, kernel_name="python3", **environment).execute()
    return notebook


def results(notebook):
    """What each code cell shows as plain text: its value, or what it prints."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        "".join(output.get("text") or output["data"]["text/plain"] for output in cell.outputs).strip() for cell in cells
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_four_lines_end_in_a_right_prediction_and_all_else_runs(executed):
    """12 squared, then every number of the range by the module; nothing is written to stderr."""
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert len([line for line in code[0].source.splitlines() if line]) == 4
    first, model, right, *_ = results(executed)
    assert re.fullmatch(r"array\(\[144\.\]\)|array\(\[(143\.999|144\.000)\d*\]\)", first)
    assert model.startswith("<Model squares: [16] ")
    assert right == "1000"
    assert not [output for cell in code for output in cell.outputs if output.get("name") == "stderr"]


def test_a_run_shows_a_table_of_its_datasets(executed):
    """In HTML, with the causes."""
    shown = [output.data for cell in executed.cells for output in cell.get("outputs", []) if "data" in output]
    (html,) = [data["text/html"] for data in shown if "Run exact" in data.get("text/html", "")]
    assert all(name in html for name in ("squares", "products", "readout_not_trained"))


def test_it_is_stored_without_outputs():
    """They depend on the machine."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
