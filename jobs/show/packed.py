"""A table of variants as compact JSON for page/variants.js: about 150 bytes a row, of 10 columns and a sentence.

Columns of numbers are one text each; columns of few values, and sentences that differ in their numbers alone, are lists
of what occurs with the place of each row's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sumsquares.jobs.show.listing import Column, Listing

CELL, ROW, SLOT = "|", ";", "\x01"
"""Between cells, between rows of several cells, and in a sentence in the place of a number."""
_NUMBER = re.compile(r"-?\d(?:[\d_,.]*\d)?(?:e[+-]?\d+)?")


def packed(listing: Listing) -> dict[str, Any]:
    """Returns the table for the script."""
    return {
        "total": listing.total,
        "ranks": _ranks(listing),
        "tags": {str(rank): tag for rank, tag in listing.tags.items()},
        "columns": [_column(column) for column in listing.columns],
        "why": {
            "cause": _words([why.cause for why in listing.why]),
            "sentence": _sentences([why.sentence for why in listing.why]),
            "remedy": _sentences([why.remedy for why in listing.why]),
            "others": _words([why.others for why in listing.why]),
        },
    }


def _ranks(listing: Listing) -> list[list[int]]:
    """The first rank and the number of each stretch of ranks."""
    if not listing.left_out:
        return [[1, len(listing.ranks)]]
    gap = next(place for place, rank in enumerate(listing.ranks) if rank != place + 1)
    return [[1, gap], [listing.ranks[gap], len(listing.ranks) - gap]]


def _column(column: Column) -> dict[str, Any]:
    if column.order is None:
        return {"name": column.name, "cells": CELL.join(column.cells)}
    return {"name": column.name, **_words(column.cells, column.order)}


def _words(cells: Sequence[str], order: Iterable[str] | None = None) -> dict[str, Any]:
    """What occurs, in order, and for each row the place of its own."""
    values = [*dict.fromkeys(sorted(set(cells)) if order is None else order)]
    places = {value: place for place, value in enumerate(values)}
    return {"values": values, "at": CELL.join(str(places[cell]) for cell in cells)}


def _sentences(texts: Sequence[str]) -> dict[str, Any]:
    """The same of sentences without their numbers, and the numbers of each row."""
    numbers = [CELL.join(_NUMBER.findall(text)) for text in texts]
    return {**_words([_NUMBER.sub(SLOT, text) for text in texts]), "numbers": ROW.join(numbers)}
