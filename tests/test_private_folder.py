"""The folder of a local Ray: created in the first usable place, and removed, if need be by a later run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sumsquares.cluster import private_folder
from sumsquares.cluster.private_folder import LONGEST, OLD_SECONDS, PREFIX, PrivateFolder
from sumsquares.cluster.workers import ClusterError


@pytest.fixture
def short(monkeypatch):
    """A folder with a shorter path than pytest's, as the only place for folders."""
    folder = PrivateFolder()
    monkeypatch.setattr(private_folder, "PLACES", (folder.path,))
    monkeypatch.setattr(private_folder, "LONGEST", LONGEST + 100)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    yield Path(folder.path)
    folder.remove()


def test_a_folder_is_private_and_removed(short):
    """Removing it twice is harmless."""
    folder = PrivateFolder()
    assert (Path(folder.path).parent, Path(folder.path).stat().st_mode & 0o777) == (short, 0o700)
    (Path(folder.path) / "log").touch()
    folder.remove()
    folder.remove()
    assert not list(short.iterdir())


@pytest.mark.parametrize("named", ["missing", "long", "a file", "good"])
@pytest.mark.parametrize("name", ["RAY_TMPDIR", "TMPDIR"])
def test_a_folder_named_by_the_environment_is_used_if_possible(short, monkeypatch, name, named):
    """Otherwise another one, since the place of temporary files changes no result."""
    paths = {
        "missing": short / "missing",
        "long": short / ("x" * 200),
        "a file": short / "file",
        "good": short / "good",
    }
    paths["long"].mkdir()
    paths["good"].mkdir()
    paths["a file"].touch()
    monkeypatch.setenv(name, str(paths[named]))
    folder = PrivateFolder()
    assert Path(folder.path).parent == (paths["good"] if named == "good" else short)
    folder.remove()


def test_if_no_place_is_usable_the_error_gives_each_reason(short, monkeypatch):
    """And the remedy."""
    monkeypatch.setattr(private_folder, "PLACES", (str(short / "missing"),))
    monkeypatch.setenv("RAY_TMPDIR", f"/{'x' * 300}")
    with pytest.raises(ClusterError, match=r"longer than .*; .*missing: No such file or directory\).*set RAY_TMPDIR"):
        PrivateFolder()


def test_an_old_folder_of_a_killed_run_is_removed(short):
    """But no folder of a live run, no young folder, and nothing that is not a run's folder."""
    code = (
        "import sys; from sumsquares.cluster import private_folder as p; p.PLACES = (sys.argv[1],); p.LONGEST += 100; "
        "print(p.PrivateFolder().path); print(p.PrivateFolder().path)"
    )
    root = str(Path(__file__).parent.parent)
    ended = subprocess.run(
        [sys.executable, "-c", code, str(short)], cwd=root, capture_output=True, text=True, check=True
    )
    left, young = map(Path, ended.stdout.split())
    kept, other, link = PrivateFolder(), short / "other", short / f"{PREFIX}link"
    other.mkdir()
    link.symlink_to(other)
    for path in (left, Path(kept.path), other):
        os.utime(path, (1, path.stat().st_mtime - OLD_SECONDS - 1))
    PrivateFolder().remove()
    assert set(short.iterdir()) == {young, Path(kept.path), other, link}
    kept.remove()
