"""The verdict of a run in a sentence: how the network of whoever asks ended on each dataset. answer.py has the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.show.answer import Mine
from sumsquares.jobs.show.findings import Verdict
from sumsquares.jobs.show.format import listed, number

_NAMED = 3  # datasets that are named one by one
_OUTCOMES: Mapping[Verdict, str] = {
    "exact": "is exact on",
    "memorised": "may have memorised",
    "seen rows only": "is right on rows that it has seen of",
    "constant": "has a constant to learn on",
    "solved": "solves",
    "at noise": "is at the noise of",
}


class _Part(NamedTuple):
    """How it ended on one dataset."""

    kind: str
    """Datasets of one kind, and of one reason, are told together."""
    reason: str
    rmse: float | None


def headline(mine: Mapping[str, Mine]) -> str:
    """Returns the sentence, from the asker's network by the name of its dataset."""
    parts: dict[tuple[str, str], list[str]] = {}
    rmse: dict[str, float | None] = {}
    for name, each in mine.items():
        part = _part(each)
        rmse[name] = part.rmse
        parts.setdefault((part.kind, part.reason), []).append(name)
    clauses = [_clause(kind, reason, names, rmse) for (kind, reason), names in parts.items()]
    called = next(iter(mine.values())).called.removesuffix(" of the spec")
    return f"{called} {'; it '.join(clauses)}"


def outcome(verdicts: Mapping[str, Verdict], rmse: Mapping[str, float | None]) -> str:
    """Returns what the best of all variants reaches, from the verdict on each dataset, and the lowest RMSE on it."""
    if "no result" in verdicts.values():
        return ""
    names: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        names.setdefault(_OUTCOMES.get(verdict, ""), []).append(name)
    told = [f"{words} {_where(each)}" if words else _reached(each, rmse) for words, each in names.items()]
    return f"The best variant {listed(told)}."


def _where(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= _NAMED else f"{len(names):,} datasets"


def _part(mine: Mine) -> _Part:
    cause = mine.causes[0].name if mine.causes else ""
    if cause in ("solved", "at_noise"):
        return _Part(cause, "", None)
    if not mine.row["n"]:
        return _Part("diverged" if mine.row["n_diverged"] else "untrained", mine.reason if mine.causes else "", None)
    return _Part("ended", mine.reason if mine.causes else "", middle(mine.row))


def _clause(kind: str, reason: str, names: Sequence[str], rmse: Mapping[str, float | None]) -> str:
    if kind == "ended":
        return f"{_reached(names, rmse)}{reason}"
    told = {"solved": "solves", "at_noise": "is at the noise of", "diverged": "diverged on"}
    return f"{told.get(kind, 'has no result yet on')} {_where(names)}{reason}"


def _reached(names: Sequence[str], rmse: Mapping[str, float | None]) -> str:
    """`has an RMSE of 73,659 on squares and 73,740 on squares-unused`."""
    if len(names) <= _NAMED:
        return f"has an RMSE of {listed([f'{number(rmse[name])} on {name}' for name in names])}"
    known = sorted(value for name in names if (value := rmse[name]) is not None)
    return f"has RMSEs of {number(known[0])} to {number(known[-1])} on {len(names):,} datasets"
