"""The tree is the architecture: which folder may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("jobs", "cluster", "datasets")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
ARROWS = {"jobs": {"jobs", "datasets", "cluster"}, "cluster": {"cluster"}, "datasets": {"datasets"}}
TORCH = {"jobs/results/models.py"}
"""Beside the engines: it loads a trained model as a torch.nn.Sequential."""


def imports(path: Path) -> set[str]:
    """The first parts of all modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    """jobs -> datasets, jobs -> cluster, and no other; Ray in cluster alone; torch in the engines and exports alone."""
    name = path.relative_to(ROOT)
    found = imports(path)
    assert found & set(PACKAGES) <= ARROWS[name.parts[0]]
    assert "ray" not in found or name.parts[0] == "cluster"
    assert "torch" not in found or name.parts[:2] == ("jobs", "engines") or str(name) in TORCH


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_runs_foreign_bytes_is_imported_or_called(path):
    """No pickle, marshal, eval, exec, torch.load or shell=True."""
    assert not imports(path) & {"pickle", "marshal", "shelve", "yaml"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "torch.load", "os.system"), f"{path}: {called}"
            assert not any(keyword.arg == "shell" for keyword in node.keywords), f"{path}: {called} with a shell"


def test_help_imports_nothing_heavy():
    """So that it answers at once."""
    heavy = {"ray", "torch", "numpy", "pyarrow", "pydantic", "rich"}
    program = f"""
import sys
sys.argv = ["sumsquares", "--help"]
from jobs.__main__ import command
print("exit", command())
print("heavy", sorted({heavy} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "exit 0" in answer.stdout
    assert "heavy []" in answer.stdout
