"""What is distributed: one name at the top level, the same wheel from the source distribution, and nothing of others.

Nothing is fetched. The kernel takes a minute to compile, so a compiler that writes empty files builds it; test_dist.py
has what is built for real.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from test_supply import wheel

import sumsquares

ROOT = Path(__file__).parent.parent
SOURCE = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "examples", "datasets", "cluster", "jobs", "sumsquares")
"""What the Dockerfile copies."""
THEIRS = ("datasets", "jobs", "cluster")
LANES = "sumsquares/jobs/engines/lanes/"
COMPILER = """#!/bin/sh
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then : > "$2"; fi
  shift
done
"""
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, sys.argv[1])(sys.argv[2])
"""


def copied(folder):
    """The source in a folder of its own, without anything that was built."""
    folder.mkdir()
    for name in SOURCE:
        path = ROOT / name
        if path.is_dir():
            without = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(path, folder / name, symlinks=True, ignore=without)
        else:
            shutil.copy(path, folder / name)
    return folder


def build(kind, source, into, **environment):
    """What setuptools, which pip asks for it, makes of a source: `build_sdist` or `build_wheel`."""
    into.mkdir(exist_ok=True)
    before = set(into.iterdir())
    environment = {**os.environ, "PYTHONPATH": "", **environment}
    command = [sys.executable, "-c", BUILD, kind, into]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=source, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (made,) = set(into.iterdir()) - before
    return made


def unpacked(sdist, into):
    """The folder in a source distribution."""
    with tarfile.open(sdist) as file:
        file.extractall(into, filter="data")
    (folder,) = into.iterdir()
    return folder


def content(path):
    """All files of a wheel."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The wheel of the source, and that of its source distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    compiler = folder / "compiler"
    compiler.write_text(COMPILER)
    compiler.chmod(0o700)
    quick = {"CC": str(compiler), "CXX": str(compiler)}
    source = copied(folder / "source")
    direct = build("build_wheel", source, folder / "direct", **quick)
    shutil.rmtree(source / "build")
    sdist = build("build_sdist", source, folder / "sdist")
    return direct, build("build_wheel", unpacked(sdist, folder / "unpacked"), folder / "again", **quick)


def test_a_wheel_has_one_name_at_the_top_level_and_all_that_is_needed(wheels):
    """Every module, the template, the kernel's libraries, and the mark of a typed package."""
    files = content(wheels[0]).keys()
    info = f"sumsquares-{sumsquares.__version__}.dist-info"
    assert {name.partition("/")[0] for name in files} == {"sumsquares", info}
    found = [path for name in THEIRS for path in (ROOT / name).rglob("*.py") if path.with_name("__init__.py").exists()]
    modules = {path.relative_to(ROOT).as_posix() for path in found}
    ours = {f"sumsquares/{path.name}" for path in (ROOT / "sumsquares").glob("*.py")}
    assert ours | {f"sumsquares/{name}" for name in modules} == {name for name in files if name.endswith(".py")}
    assert {"sumsquares/py.typed", "sumsquares/jobs/show/page/report.html.jinja", f"{LANES}lanes_baseline.so"} <= files


def test_the_wheel_of_the_source_distribution_is_the_same(wheels):
    """To the byte of every file."""
    direct, again = map(content, wheels)
    assert direct == again


def their_wheel(folder, name):
    """Builds a foreign distribution that owns a name at the top level."""
    wheel(folder, f"their_{name}", "1")
    with zipfile.ZipFile(folder / f"their_{name}-1-py3-none-any.whl", "a") as file:
        file.writestr(f"{name}/__init__.py", f"OWNER = 'their_{name}'\n")
        file.writestr(f"{name}/{name}.txt", "theirs")
    return folder / f"their_{name}-1-py3-none-any.whl"


class Environment:
    """A virtual environment that sees the dependencies of this one, but no distribution of ours."""

    def __init__(self, folder):
        venv.create(folder)
        self.python = folder / "bin" / "python"
        self._dependencies = sysconfig.get_path("purelib")
        (self.packages,) = folder.glob("lib/python*/site-packages")

    def pip(self, *words):
        """Changes what is installed."""
        pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--python", self.python]
        subprocess.run([*pip, *words], capture_output=True, check=True, text=True)

    def run(self, *words):
        """What a command of its Python prints."""
        environment = {**os.environ, "PYTHONPATH": self._dependencies}
        command = [self.python, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=self.packages.parent, env=environment
        ).stdout

    def files(self, name):
        """Returns the files of a package, except what Python has compiled."""
        found = (path for path in (self.packages / name).rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {path.name: path.read_bytes() for path in found}


OURS = """
import importlib.metadata, json, sumsquares, sumsquares.cluster.processes, sumsquares.datasets.rows, sumsquares.jobs.cli
version = importlib.metadata.version("sumsquares")
modules = [sumsquares, sumsquares.cluster, sumsquares.datasets, sumsquares.jobs]
print(json.dumps([version, sumsquares.__version__, [module.__file__ for module in modules]]))
"""
OTHERS = "import datasets, jobs, cluster; print(datasets.OWNER, jobs.OWNER, cluster.OWNER)"


def test_packages_of_the_same_names_as_our_folders_live_beside_ours_and_outlive_it(wheels, tmp_path):
    """Installed before, together and after; ours runs, and uninstalling removes its own files only."""
    environment = Environment(tmp_path / "environment")
    install = ("install", "--quiet", "--no-index", "--no-deps")
    environment.pip(*install, *(their_wheel(tmp_path, name) for name in THEIRS))
    before = {name: environment.files(name) for name in THEIRS}
    environment.pip(*install, wheels[0])
    installed, written, modules = json.loads(environment.run("-c", OURS))
    assert installed == written == sumsquares.__version__
    assert all(Path(path).is_relative_to(environment.packages / "sumsquares") for path in modules)
    assert "Usage: sumsquares" in environment.run("-m", "sumsquares", "--help")
    assert environment.run("-m", "sumsquares", "--version") == f"sumsquares {written}\n"
    theirs = "their_datasets their_jobs their_cluster\n"
    assert environment.run("-c", OTHERS) == theirs
    environment.pip("uninstall", "--quiet", "--yes", "sumsquares")
    assert not list(environment.packages.glob("sumsquares*"))
    assert environment.run("-c", OTHERS) == theirs
    assert {name: environment.files(name) for name in THEIRS} == before
    assert all(len(files) == 2 for files in before.values())
