"""A run finds a foreign file where it would write one of its own: the file stays, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import cli as cli
from night_world import TINY

MINE = b"my only copy\n"
PLACES = {
    "a pack's rows": "trials/*.parquet",
    "a pack's weights": "trials/*.safetensors",
    "the spec": "runs/tiny/job.toml",
    "the summary": "runs/tiny/summary.json",
    "the summary's table": "runs/tiny/summary.parquet",
    "the report": "runs/tiny/report.html",
    "a manifest": "datasets/*/manifest.json",
    "facts": "datasets/*/facts.json",
    "baselines": "datasets/*/baselines.json",
    "a shard": "datasets/*/train/part-00000.parquet",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_done", [True, False], ids=["in a store that is done", "alone"])
def test_a_foreign_file_stays_and_ends_a_run_before_anything_is_trained(cli, tmp_path, place, is_done):
    """It is named, with the remedy; once it is moved away, the run succeeds."""
    (tmp_path / "tiny.toml").write_text(TINY)
    assert cli("run", "tiny.toml", "--quiet").code == 0
    (path,) = (tmp_path / "store").glob(PLACES[place])
    if not is_done:
        for other in (tmp_path / "store").glob("**/*.*"):
            if other.is_file():
                other.unlink()
    path.write_bytes(MINE)
    before = sorted((tmp_path / "store").glob("trials/*"))
    ended = cli("run", "tiny.toml", "--quiet")
    assert ended.code == 3
    assert str(path.relative_to(tmp_path / "store")) in ended.err
    assert "move it out of the store" in ended.err
    assert path.read_bytes() == MINE
    assert sorted((tmp_path / "store").glob("trials/*")) == before
    path.rename(tmp_path / "mine")
    assert cli("run", "tiny.toml", "--quiet").code == 0


def test_a_summary_is_not_written_over_a_foreign_file(cli, tmp_path):
    """`summarize` finds it too."""
    (tmp_path / "tiny.toml").write_text(TINY)
    assert cli("run", "tiny.toml", "--quiet").code == 0
    report = Path("store/runs/tiny/report.html")
    report.write_bytes(MINE)
    assert cli("summarize", "tiny.toml").code == 3
    assert report.read_bytes() == MINE


DAMAGES = (lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: bytes(len(whole)))
"""Cut off, empty, blank."""
TOGETHER = (
    ("a pack's rows",),
    ("a pack's weights",),
    ("the summary", "a manifest"),
    ("the summary's table", "facts"),
    ("the report", "a shard"),
)
"""What is damaged at once: one is found whatever the other is. Every run rewrites its own files."""


@pytest.mark.parametrize("damage", DAMAGES, ids=["cut off", "empty", "blank"])
def test_a_damaged_file_of_ours_is_rewritten(cli, tmp_path, damage):
    """It holds nothing that can't be computed again."""
    (tmp_path / "tiny.toml").write_text(TINY)
    assert cli("run", "tiny.toml", "--quiet").code == 0
    for places in TOGETHER:
        damaged = {}
        for place in places:
            (path,) = (tmp_path / "store").glob(PLACES[place])
            damaged[path] = damage(path.read_bytes())
            path.write_bytes(damaged[path])
        assert cli("run", "tiny.toml", "--quiet").code == 0, places
        left = {path for path in damaged if path.exists() and path.read_bytes() == damaged[path]}
        assert {path.name for path in left} <= {"part-00000.parquet"}  # blank: of its size, and nothing reads it again


def test_a_text_among_the_results_is_reported_once_and_correctly(cli, tmp_path):
    """The message promises no retraining, and nothing deletes the file."""
    (tmp_path / "tiny.toml").write_text(TINY)
    path = tmp_path / "store/trials/aaaaaaaaaaaaaaaa.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(MINE)
    for _ in range(2):
        ended = cli("run", "tiny.toml", "--quiet")
        assert ended.code == 0
        assert "not one of our files: move it out of the store" in ended.err
        assert "trained again by" not in ended.err
        assert ended.err.count("aaaaaaaaaaaaaaaa") == 1, ended.err
    assert path.read_bytes() == MINE
