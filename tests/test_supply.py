"""What is installed is what was locked: pins, hashes, every installation, and the SBOM."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as normalized

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock", "benchmarks/peers/requirements.txt")
GPU = re.compile(r"torch|triton|(cuda|nvidia)-.*")
"""What is installed without a hash: torch, and the libraries of its GPU build."""
TWICE = {"nvidia-cuda-nvrtc"}
"""What tests need on every Linux, with a hash, and torch's GPU build needs too."""
ENTRY = re.compile(r"([a-z0-9-]+)==([^\s;]+)( ; .*?)?((?: --hash=sha256:[0-9a-f]{64})*)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SBOM = runpy.run_path(str(ROOT / ".ci" / "sbom.py"))


def entries(lock):
    """Returns name, version, marker and hashes of each pin; the file contains nothing else."""
    text = re.sub(r"\s*\\\n\s*", " ", (ROOT / lock).read_text())
    return [ENTRY.fullmatch(line).groups() for line in text.splitlines()]


def pins(*locks):
    return {name: version for lock in locks for name, version, _, _ in entries(lock)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_exact_and_has_hashes(lock):
    """Each name occurs once, torch and its GPU libraries not at all but NVRTC, and no line names an index."""
    found = entries(lock)
    assert len(pins(lock)) == len(found) > 20
    assert [name for name, _, _, hashes in found if not hashes or (GPU.fullmatch(name) and name not in TWICE)] == []


def test_only_torch_and_its_gpu_libraries_have_no_hash():
    """They are pinned exactly nevertheless, and torch itself without a marker, as the Dockerfile expects."""
    found = entries("requirements-torch.lock")
    assert all(GPU.fullmatch(name) and not hashes for name, _, _, hashes in found)
    assert [marker for name, _, marker, _ in found if name == "torch"] == [None]


def test_no_package_is_locked_twice():
    """The locks for running and for development make one environment; NVRTC has one version in both that have it."""
    runs, develops, torch = (pins(lock) for lock in (*LOCKS[:2], "requirements-torch.lock"))
    assert not runs.keys() & develops.keys()
    assert not torch.keys() & runs.keys()
    assert torch.keys() & develops.keys() == TWICE
    assert all(torch[name] == develops[name] for name in TWICE)


def test_the_locks_have_what_pyproject_requires():
    """Pins are within its ranges; the build back end is in the lock for running, as the installation needs it."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    runs = pins("requirements.lock", "requirements-torch.lock")
    for text in [*project["dependencies"], *extras["s3"], *PROJECT["build-system"]["requires"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(runs[normalized(wanted.name)], prereleases=True), text
    for text in extras["dev"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains((runs | pins("requirements-dev.lock"))[normalized(wanted.name)]), text


ELSEWHERE = {"appnope"}
"""Packages that are needed on macOS alone; they need no others."""


@cache
def requirements(name):
    """Returns the requirements of an installed package; none of one that other platforms alone have."""
    try:
        return [Requirement(text) for text in distribution(name).requires or []]
    except PackageNotFoundError:
        assert name in ELSEWHERE
        return []


def needed(where, *lists):
    """Returns everything these requirements need on a platform, by the metadata of the packages installed here."""
    wanted = [Requirement(text) for texts in lists for text in texts]
    todo, seen = [(normalized(each.name), extra) for each in wanted for extra in ("", *each.extras)], set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for each in requirements(name):
            if each.marker is None or each.marker.evaluate(where | {"extra": extra}):
                todo += [(normalized(each.name), more) for more in ("", *each.extras)]
    return {name for name, _ in seen}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize(("platform", "machine"), [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")])
def test_nothing_is_missing_anywhere(platform, machine, version):
    """The locks contain all dependencies on every platform and Python version, since pip doesn't resolve them."""
    where = {"sys_platform": platform, "platform_machine": machine, "python_version": version}
    where |= {
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[platform],
        "python_full_version": f"{version}.0",
    }
    runs = pins("requirements.lock", "requirements-torch.lock")
    extras = PROJECT["project"]["optional-dependencies"]
    running = needed(where, PROJECT["project"]["dependencies"], extras["s3"])
    assert 70 < len(running) < len(runs)
    assert running <= runs.keys()
    assert needed(where, extras["dev"]) <= runs.keys() | pins("requirements-dev.lock").keys()


def installs(text):
    """Returns the arguments of each `pip install` in order, with make's variables expanded."""
    text = text.replace("\\\n", " ")
    variables = dict(re.findall(r"^([A-Z_]+) :?= (.*)$", text, re.MULTILINE))
    for _ in range(2):  # one in another
        text = re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), text)
    return re.findall(r"^(?:[\s-]*|RUN )\S*\bpip .*?\binstall (.*)$", text.replace("&&", "\n"), re.MULTILINE)


def kind(listed):
    """Returns what an installation installs, or its arguments if they are wrong."""
    words = set(listed.split())
    if "torch" in words:
        return "torch" if "-c requirements-torch.lock" in listed.replace("~/sumsquares/", "") else listed
    if lock := re.search(r"-r (?:~/sumsquares/)?(\S+)", listed):
        return lock[1] if {"--require-hashes", "--no-deps"} <= words else listed
    return "this" if "--no-deps" in words and words & {"--no-build-isolation", "--no-index"} else listed


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("Makefile", ["requirements-dev.lock", "tests/mlflow_server/requirements.txt"]),
        ("Dockerfile", []),
        ("cluster/ray-cluster.yaml", []),
        ("cluster/starters/github-actions.yaml", []),
    ],
)
def test_every_installation_checks_hashes_and_installs_torch_after_what_it_needs(path, more):
    """Otherwise pip would download dependencies of torch unverified. Only this project is built from source."""
    text = (ROOT / path).read_text()
    listed = installs(text)
    assert [kind(each) for each in listed] == ["requirements.lock", "torch", "this", *more]
    wheels = "PIP_ONLY_BINARY=:all:" in text
    assert all(wheels or "--only-binary :all:" in each for each in listed if kind(each) != "this")


def test_only_torch_comes_from_an_index_of_torch():
    """`make run TORCH_INDEX=...`: no other command has that index, and the one that installs torch takes what came."""
    index = "https://index.example/cpu"
    command = ["make", "--dry-run", "--always-make", "install", f"TORCH_INDEX={index}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    (download,) = [line for line in listed if index in line]
    assert " download " in download
    assert {"--no-deps", "--only-binary", f"torch=={pins('requirements-torch.lock')['torch']}"} <= set(download.split())
    folder = download.split("--dest ")[1].split()[0]
    (install,) = [line for line in listed[listed.index(download) :] if folder in line and " install " in line]
    assert install.split()[-1] == "torch"


def wheel(folder, name, version):
    """Writes an installable wheel that has only the name of the real one."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.mark.parametrize("checked", [True, False], ids=["by its hash", "but not without"])
def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path, checked):
    """The Makefile's command rejects it with our own pin; without hashes pip accepts it."""
    (pin,) = [entry for entry in entries("requirements.lock") if entry[0] == "six"]
    wheel(tmp_path, "six", pin[1])
    (tmp_path / "lock").write_text(f"six=={pin[1]}{pin[3] if checked else ''}\n")
    (hashed,) = re.findall(r"^HASHED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    flags = [flag for flag in hashed.split() if checked or flag != "--require-hashes"]
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--ignore-installed", "--no-index"]
    command = [*pip, "--find-links", tmp_path, *flags, "-r", tmp_path / "lock"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) is not checked, ended.stderr
    assert ("DO NOT MATCH THE HASHES" in ended.stderr) is checked


def test_an_sbom_is_what_its_schema_says():
    """Identities are escaped, licenses are of both kinds, and hashes are those that pip reported."""
    report = {
        "metadata": {"name": "Six", "version": "1.17.0"},
        "download_info": {"archive_info": {"hash": "sha256=" + "0" * 64}},
    }
    hashes = SBOM["fetched"]({"install": [report]})
    packages = [SBOM["python_package"](each, hashes) for each in distributions()]
    listing = "ii \tlibstdc++6\t1:12.2-14+deb12u1\tamd64\nrc \tgone\t1\tall\n"
    debian = SBOM["debian_packages"](listing, "debian-12")
    assert [each["purl"] for each in debian] == [
        "pkg:deb/debian/libstdc%2B%2B6@1:12.2-14%2Bdeb12u1?arch=amd64&distro=debian-12"
    ]
    made = SBOM["document"]("abc", distribution("sumsquares"), [*packages, *debian])
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(made)) is None
    assert validator.validate_str(json.dumps(made | {"components": [{"name": "nothing else"}]})) is not None
    found = {each["name"]: each for each in made["components"]}
    assert found["six"]["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    assert "hashes" not in found["torch"]
    assert {"expression", "license"} == {
        key for each in packages for known in each.get("licenses", ()) for key in known
    }
    assert made["metadata"]["component"]["properties"][0]["value"] == "abc"
