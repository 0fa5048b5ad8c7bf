"""What `make dist` has built: valid metadata, all that is needed and nothing else, and it runs once it is installed.

Dependencies are those of this environment, by a .pth file: what is not shown here is that an index has them, and that
a resolver finds versions that fit together. `make lock` does that for three platforms.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename

import sumsquares

ROOT = Path(__file__).parent.parent
FOLDERS = ("cluster", "datasets", "examples", "jobs")
"""What a link makes part of the package."""
NOT_SHIPPED = re.compile(r"examples/.*\.ipynb|cluster/starters/.*|cluster/.*(?<!\.py)|.*\.md")
"""Beside the code of the package: the notebook, manifests, and templates that are copied from a clone."""
VARIANTS = ("baseline", "avx2", "avx512") if platform.machine() == "x86_64" else ("baseline",)
BUILT = {"datasets/functions/kernels.so", *(f"jobs/engines/lanes/lanes_{each}.so" for each in VARIANTS)}
pytestmark = [pytest.mark.dist, pytest.mark.timeout(900)]  # compiling takes a minute on two idle cores


@pytest.fixture(scope="session")
def dist():
    """The folder with what was built."""
    if "DIST" not in os.environ:
        pytest.skip("DIST names no folder: `make dist` builds it and runs these tests")
    return (ROOT / os.environ["DIST"]).resolve()


@pytest.fixture(scope="session")
def sdist(dist):
    (path,) = dist.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def in_sdist(sdist):
    """The files of the source distribution, by their paths below its folder."""
    with tarfile.open(sdist) as file:
        found = {name.partition("/")[2]: file.extractfile(name) for name in file.getnames()}
        return {name: each.read() for name, each in found.items() if each}


@pytest.fixture(scope="session")
def in_wheel(wheel):
    """The files of the wheel, by their paths."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="session")
def ours():
    """Returns the files of the repository that belong into the package, by their paths in it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "sumsquares", *FOLDERS]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if listed.returncode:
        pytest.skip("this is no checkout of git, which knows what belongs to the source")
    paths = {path.removeprefix("sumsquares/") for path in listed.stdout.splitlines()} - {*FOLDERS}
    return {path for path in paths if not NOT_SHIPPED.fullmatch(path)}


def test_the_metadata_are_valid_and_those_of_this_version(in_sdist, in_wheel, sdist, wheel):
    """By the rules that an index applies, which reads the description as Markdown; both files have the same."""
    (name,) = [name for name in in_wheel if name.endswith(".dist-info/METADATA")]
    assert in_sdist["PKG-INFO"] == in_wheel[name]
    found = Metadata.from_email(in_wheel[name], validate=True)
    assert (found.name, str(found.version)) == ("sumsquares", sumsquares.__version__)
    assert found.license_expression == "Apache-2.0"
    assert found.license_files == ["LICENSE"]
    assert found.description_content_type == "text/markdown"
    assert found.description == (ROOT / "README.md").read_text()
    assert parse_sdist_filename(sdist.name) == (found.name, found.version)
    assert parse_wheel_filename(wheel.name)[:2] == (found.name, found.version)
    assert found.requires_dist
    assert all(each.url is None for each in found.requires_dist)  # an index rejects those


def test_the_wheel_is_for_any_python_on_this_platform(wheel):
    """Its libraries don't depend on Python."""
    tags = {(tag.interpreter, tag.abi) for tag in parse_wheel_filename(wheel.name)[3]}
    assert tags == {("py3", "none")}
    assert wheel.name.endswith(f"-{re.sub('[-.]', '_', sysconfig.get_platform())}.whl")


def test_the_wheel_has_every_file_of_the_package_and_no_other(in_wheel, ours):
    """Modules, templates, styles, scripts, sources of the kernels, examples, py.typed, the licence."""
    info = f"sumsquares-{sumsquares.__version__}.dist-info/"
    known = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
    assert {name.removeprefix(info) for name in in_wheel if name.startswith(info)} == known
    package = {name.removeprefix("sumsquares/") for name in in_wheel if not name.startswith(info)}
    assert package == ours | BUILT
    assert {"py.typed", "examples/houses.csv", "jobs/show/page/base.html.jinja"} <= package
    assert all(in_wheel[f"sumsquares/{name}"].startswith(b"\x7fELF") for name in BUILT)


def test_the_source_distribution_has_the_same_files_and_what_builds_them(in_sdist, ours):
    """No tests, no documents but the README, nothing that was built."""
    package = {name.removeprefix("sumsquares/") for name in in_sdist if name.startswith("sumsquares/")}
    assert package == ours
    rest = {name for name in in_sdist if not name.startswith(("sumsquares/", "sumsquares.egg-info/"))}
    assert rest == {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}


def made_by_pip(folder, file):
    """A new environment, into which pip installs a file."""
    _run(sys.executable, "-m", "venv", "--without-pip", folder)
    _see_dependencies(folder)
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--isolated",
        "--disable-pip-version-check",
        "--python",
        folder / "bin" / "python",
    )
    _run(*pip, "install", "--no-index", "--no-deps", "--no-build-isolation", file)


def made_by_uv(folder, file):
    """A new environment, which uv makes, and into which it installs a file."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not installed")
    _run(uv, "venv", "--offline", "--quiet", "--python", sys.executable, folder)
    _see_dependencies(folder)
    into = ("--python", folder / "bin" / "python", "--no-cache")
    _run(uv, "pip", "install", "--offline", "--no-deps", "--no-build-isolation", *into, file)


def _see_dependencies(folder):
    """Lets an environment see the packages of this one; of ours only what is installed into itself."""
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))


def _run(*command, cwd=None):
    hidden = ("PYTHON", "SUMSQUARES", "RAY_", "UV_", "PIP_", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("install", "kind"),
    [(made_by_pip, "wheel"), (made_by_uv, "wheel"), (made_by_pip, "sdist")],
    ids=["wheel by pip", "wheel by uv", "source by pip"],
)
def test_once_installed_the_demo_runs_in_an_empty_folder(install, kind, request, tmp_path):
    """By the command that is installed, with the kernels, and with examples of its own."""
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    install(environment, request.getfixturevalue(kind))
    command = environment / "bin" / "sumsquares"
    assert _run(command, "--version", cwd=empty) == f"sumsquares {sumsquares.__version__}\n"
    printed = _run(command, "demo", cwd=empty)
    assert printed.startswith("squares (square of 1..1000): The first network of the spec")
    run = empty / "sumsquares-demo/runs/demo"
    assert f"report:  {run}/report.html" in printed
    assert (run / "report.html").stat().st_size > 10_000
    assert set(pq.read_table(run / "trials.parquet")["engine"].to_pylist()) == {"lanes"}
    assert _run(command, "init", "--example", "table", cwd=empty).startswith("wrote table.toml, houses.csv beside it")
    assert {path.name for path in empty.iterdir()} == {"sumsquares-demo", "table.toml", "houses.csv"}
    where = "import sumsquares; print(sumsquares.__file__)"
    assert _run(environment / "bin" / "python", "-c", where, cwd=empty).startswith(str(environment))
