"""Tables that can't be used: each is refused with its column, its place and the remedy, and nothing is created."""

from __future__ import annotations

import pytest
from bad_tables import BAD, Bad
from command_line import cli as cli

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve
from sumsquares.jobs.spec.tables import toml

_GRID = """
[train]
epochs = 2
[[grid]]
hidden = [[], [2]]
"""


def keys_of(bad: Bad) -> TableKeys:
    """The [[dataset]] of a bad table."""
    return TableKeys(**{"name": "houses", "target": "y", **bad.keys})


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_table_is_refused_with_place_and_remedy(bad, tmp_path):
    """The error has its exit code, and its message names all that a person needs to mend it."""
    bad.make(tmp_path)
    with pytest.raises(ValueError) as raised:  # noqa: PT011  two kinds of ours
        resolve(keys_of(bad), str(tmp_path))
    message = str(raised.value)
    assert raised.value.exit_code == bad.code, message
    for part in bad.told:
        assert part in message
    assert len(message) < 4000
    assert message.replace("\n", "").isprintable()


def spec_of(bad: Bad) -> str:
    """A job spec with a bad table as its only dataset."""
    keys = {"name": "houses", "target": "y", **bad.keys}
    lines = "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())
    return f'name = "bad"\n[[dataset]]\n{lines}{_GRID}'


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_run_of_a_bad_table_ends_at_once_and_creates_nothing(bad, tmp_path, cli):
    """Exit code 2 or 3, one message that names place and remedy, no traceback, and no store."""
    bad.make(tmp_path)
    (tmp_path / "job.toml").write_text(spec_of(bad))
    before = sorted(tmp_path.rglob("*"))
    ended = cli("run", "job.toml", "--store", "new-store")
    assert ended.code == bad.code, ended.err
    for part in bad.told:
        assert part in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert not ended.out
    assert sorted(tmp_path.rglob("*")) == before


def test_they_are_at_least_sixty():
    """Each has a name of its own."""
    assert len({bad.name for bad in BAD}) == len(BAD) >= 60
