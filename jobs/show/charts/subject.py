"""What the charts of a dataset have in common: its name, and how its variants and numbers are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sumsquares.jobs.results.described import is_table, tested_noun
from sumsquares.jobs.results.figures.data import Chosen
from sumsquares.jobs.show.format import Row, by_axes, varying

_ROLES = {"first": "first of the spec", "chosen": "chosen", "best": "best"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The dataset that charts are of."""

    name: str
    about: Row
    """Its entry in the summary."""
    rows: Sequence[Row]
    """Its variants in the summary's table, best first."""
    axes: Sequence[str]
    """Those in which the variants differ."""

    @classmethod
    def of(cls, name: str, about: Row, rows: Sequence[Row]) -> Subject:
        """The subject, with the axes that vary."""
        return cls(name, about, rows, varying(rows))

    def id(self, chart: str) -> str:
        """Returns an id that no other chart of the page has: names of datasets and charts have no dot."""
        return f"{self.name}.{chart}"

    def words(self, row: Row) -> str:
        """Returns what distinguishes a variant from the others."""
        return by_axes(row, self.axes)

    def chosen(self, chosen: Chosen) -> str:
        """Returns a chosen variant in words, with why it is drawn."""
        roles = [_ROLES[role] for role in chosen.roles if role in _ROLES]
        return f"{self.words(chosen.row)} ({', '.join(roles)})" if roles else self.words(chosen.row)

    def role(self, chosen: Chosen) -> str:
        """Returns a chosen variant in a title."""
        roles = [role for role in chosen.roles if role in _ROLES]
        return f"{' and '.join(roles)} network" if roles else "another network"

    @property
    def target(self) -> str:
        """The name of the target."""
        return str(self.about["target"]) if is_table(self.about) else "target"

    @property
    def tested(self) -> str:
        """What a row is called on which trials are measured: `test row`, or of a table perhaps `validation row`."""
        return tested_noun(self.about)


def sentence_start(words: str) -> str:
    """Returns the words with a capital letter at their beginning."""
    return f"{words[:1].upper()}{words[1:]}"
