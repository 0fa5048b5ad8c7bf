"""The page on tables: its commands run one after the other, and what it shows of their output is what they print."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import calls
from sklearn.datasets import load_diabetes

from sumsquares.jobs.engines import lanes_engine

PAGE = (Path(__file__).parent.parent / "docs/tables.md").read_text()


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in a folder with the diabetes table."""
    table = load_diabetes(as_frame=True)
    table.data.assign(progression=table.target).to_csv(tmp_path / "diabetes.csv", index=False)
    yield from calls(monkeypatch, capfd, tmp_path)


@pytest.mark.skipif(lanes_engine.available() is not None, reason="other engines have other last digits")
def test_the_commands_run_and_print_what_the_page_shows(cli):
    """In the order of the page."""
    blocks = [block.partition("\n")[::2] for block in PAGE.split("```")[1::2]]
    lines = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
    (shown,) = [block for kind, block in blocks if not kind]
    assert len(lines) == 6
    for line in lines:
        program, *arguments = line.split()
        assert program == "sumsquares"
        ended = cli(*arguments)
        assert ended.code == 0, ended.err
        if arguments[0] == "fit":
            assert shown in ended.out
        if arguments[0] == "run":
            assert " 0 to train" in ended.err
    predicted = Path("predicted.csv").read_text().splitlines()
    assert predicted[0].endswith(",progression,prediction")
    assert len(predicted) == 443
