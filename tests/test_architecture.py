"""The tree is the architecture: which folder may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("jobs", "cluster", "datasets")
SOURCES = [path for package in ("sumsquares", *PACKAGES) for path in sorted((ROOT / package).glob("**/*.py"))]
ALL = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
ARROWS = {
    "sumsquares": {"jobs", "datasets", "cluster"},
    "jobs": {"jobs", "datasets", "cluster"},
    "cluster": {"cluster"},
    "datasets": {"datasets"},
}
ROOMS = (
    {"cli"},
    {"commands"},
    {"verify"},
    {"night"},
    {"pipeline"},
    {"show"},
    {"stages"},
    {"results"},
    {"spec"},
    {"storage", "engines"},
    {"exits"},
    {"messages", "machine"},
)
"""Of `jobs`, from the top down: a room imports from itself and from those below."""
BY_NAME = {"jobs/engines/choice.py", "jobs/storage/bucket.py"}
"""They import the engine that is chosen and the errors of the object store by name."""


def name_of(path: Path) -> str:
    """A source file from the root of the repository on."""
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All syntax nodes of a file."""
    return [*ast.walk(ast.parse(path.read_text()))]


@cache
def imports(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions, and what it imports from them as if it were one."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def distributions(path: Path) -> set[str]:
    """The first parts of all modules that a file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def packages(path: Path) -> set[str]:
    """Which of our three packages it imports."""
    parts = [name.split(".") for name in imports(path)]
    return {name[1] for name in parts if name[0] == "sumsquares" and len(name) > 1} & set(PACKAGES)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_arrows_point_one_way(path):
    """jobs -> datasets, jobs -> cluster, and no other; Ray in cluster alone, torch in the engines alone."""
    name, found = name_of(path), distributions(path)
    assert packages(path) <= ARROWS[name.partition("/")[0]]
    assert "ray" not in found or name.startswith("cluster/")
    assert "torch" not in found or name.startswith("jobs/engines/")


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("**/*.py")), ids=name_of)
def test_the_arrows_between_the_rooms_of_jobs_point_down(path):
    """No folder imports from one above or beside it."""
    names = [name.split(".")[2] for name in imports(path) if name.startswith("sumsquares.jobs.")]
    own = path.relative_to(ROOT / "jobs").parts[0].removesuffix(".py")
    level = next((at for at, rooms in enumerate(ROOMS) if own in rooms), 0)
    below = {own}.union(*ROOMS[level + 1 :])
    assert set(names) <= below


def test_every_room_of_jobs_has_its_place():
    """It is in the list above; the only file in `jobs` itself is exits.py."""
    rooms = {path.relative_to(ROOT / "jobs").parts[0].removesuffix(".py") for path in (ROOT / "jobs").glob("**/*.py")}
    assert rooms == {"__init__"}.union(*ROOMS)


@pytest.mark.parametrize("path", [path for path in SOURCES if not name_of(path).startswith("sumsquares/")], ids=name_of)
def test_no_import_hides_an_arrow(path):
    """No package is imported as a whole, to be looked into later, and no module by a name that is made at run time."""
    whole = {"sumsquares", "sumsquares.*", "sumsquares.__main__", *(f"sumsquares.{name}" for name in PACKAGES)}
    assert not imports(path) & whole
    calls = {ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)}
    assert name_of(path) in BY_NAME or not calls & {"__import__", "import_module", "importlib.import_module"}


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_nothing_is_imported_by_the_name_of_its_folder(path):
    """In a clone `import jobs` would load a second copy of every module beside sumsquares.jobs."""
    assert not distributions(path) & set(PACKAGES)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_that_runs_foreign_bytes_is_imported_or_called(path):
    """No pickle, marshal, eval, exec, torch.load or shell=True."""
    assert not distributions(path) & {"pickle", "marshal", "shelve", "yaml"}
    for node in nodes(path):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "torch.load", "os.system"), f"{path}: {called}"
            assert not any(keyword.arg == "shell" for keyword in node.keywords), f"{path}: {called} with a shell"


HEAVY = {
    "ray",
    "torch",
    "requests",
    "prometheus_client",
    "numpy",
    "pyarrow",
    "pydantic",
    "rich",
    "sklearn",
    "pandas",
    "onnx",
}


def test_help_imports_nothing_heavy():
    """It is printed at once."""
    program = f"""
import sys
sys.argv = ["sumsquares", "--help"]
from sumsquares.__main__ import command
print("exit", command())
print("heavy", sorted({HEAVY} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "exit 0" in answer.stdout
    assert "heavy []" in answer.stdout


def test_what_a_command_imports_is_not_pandas():
    """pyarrow imports it, for half a second, when the first Python list becomes an array."""
    code = "import sys, sumsquares.jobs.commands.run, sumsquares.jobs.commands.fit; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names_are_there_before_anything_heavy_is_imported():
    """They are listed, and imported when they are used; the types of all are seen by type checkers."""
    program = f"""
import sys, sumsquares
print("names", dir(sumsquares) == sorted(sumsquares.__all__))
print("heavy", sorted({HEAVY} & set(sys.modules)))
print("there", all(hasattr(sumsquares, name) for name in sumsquares.__all__ if name != "SweepRegressor"))
print("ray", "ray" in sys.modules, "torch" in sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.splitlines() == ["names True", "heavy []", "there True", "ray False False"]
