"""An error that lists all problems of something that a user wrote, so that they can be mended in one go."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar


class Problems(ValueError):  # noqa: N818  ValueError says that it is an error
    """The message names the source, counts the problems and lists them, one to a line."""

    most: ClassVar[int]
    """The most problems that are listed."""
    exit_code = 2
    """Of a command that this error ends: what the user wrote is to be changed."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        super().__init__(source, tuple(islice(problems, self.most + 1)))

    @property
    def problems(self) -> tuple[str, ...]:
        """One line per problem, at most `most` of them."""
        problems: tuple[str, ...] = self.args[1]
        return problems[: self.most]

    def __str__(self) -> str:
        source, problems = self.args
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        if len(problems) > self.most:
            count = f"more than {self.most} problems, these are the first"
        return "\n  ".join([f"{source}: {count}", *self.problems])
