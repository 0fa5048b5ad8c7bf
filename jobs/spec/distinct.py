"""Objects without repetitions, by identity: comparing two variants takes as long as handling several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

A = TypeVar("A")


def distinct(objects: Sequence[A]) -> tuple[list[A], list[int]]:
    """Returns the objects without repetitions, in order of their first places, and the place of each among them."""
    places: dict[int, int] = {}
    firsts: list[A] = []
    for each in objects:
        if id(each) not in places:
            places[id(each)] = len(firsts)
            firsts.append(each)
    return firsts, [places[id(each)] for each in objects]
