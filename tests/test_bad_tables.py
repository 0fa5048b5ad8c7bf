"""Tables that can't be used: each is refused with its column, its place and the remedy, and nothing is created."""

from __future__ import annotations

import pytest
from bad_tables import BAD, Bad

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve

MOST_MEMORY = 700 << 10
"""KiB that a process may take at most: Arrow alone takes 100 MiB, and a batch of 16 MiB of text some times that."""


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


def test_they_are_at_least_sixty():
    """Each has a name of its own."""
    assert len({bad.name for bad in BAD}) == len(BAD) >= 60
