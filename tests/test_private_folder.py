"""The folder of a Ray of our own: made wherever there is one to be had, and removed, in the end by a later run."""

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
    """A folder whose path is not as long as those that pytest makes, and the one place for folders."""
    folder = PrivateFolder()
    monkeypatch.setattr(private_folder, "PLACES", (folder.path,))
    monkeypatch.setattr(private_folder, "LONGEST", LONGEST + 100)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    yield Path(folder.path)
    folder.remove()


def test_it_is_this_users_alone_and_gone_when_it_was_removed(short):
    """Twice is as good as once."""
    folder = PrivateFolder()
    assert (Path(folder.path).parent, Path(folder.path).stat().st_mode & 0o777) == (short, 0o700)
    (Path(folder.path) / "log").touch()
    folder.remove()
    folder.remove()
    assert not list(short.iterdir())


@pytest.mark.parametrize("named", ["missing", "long", "a file", "good"])
@pytest.mark.parametrize("name", ["RAY_TMPDIR", "TMPDIR"])
def test_what_the_environment_names_is_used_where_it_can_be(short, monkeypatch, name, named):
    """Else it is another one: where temporary files lie changes no result."""
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


def test_where_none_can_be_made_every_place_is_named_with_its_reason(short, monkeypatch):
    """And what to do."""
    monkeypatch.setattr(private_folder, "PLACES", (str(short / "missing"),))
    monkeypatch.setenv("RAY_TMPDIR", f"/{'x' * 300}")
    with pytest.raises(ClusterError, match=r"longer than .*; .*missing: No such file or directory\).*set RAY_TMPDIR"):
        PrivateFolder()


def test_what_a_killed_run_left_is_removed_once_it_is_old(short):
    """And neither what a run holds that goes on, nor what is not a folder of a run."""
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
