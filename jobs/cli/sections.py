"""The sections of `sumsquares --help`: which commands belong together, in the order in which people need them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "Start here": ("demo", "init", "run", "fit"),
    "Results": ("predict", "explain", "export"),
    "One stage of a run": ("plan", "generate", "train", "summarize"),
    "Every night": ("nightly",),
    "The store": ("runs", "show", "diff", "rm", "gc", "verify"),
    "On a Ray cluster": ("submit", "status", "logs", "stop", "list"),
}
"""Every command, by section."""


class Sections(TyperGroup):
    """The commands in sections, each with the first sentence of its help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  Typer's signature
        """Writes the sections."""
        longest = max(map(len, self.commands))
        for section, names in SECTIONS.items():
            texts = [self.commands[name].get_short_help_str(formatter.width - 6 - longest) for name in names]
            with formatter.section(section):
                formatter.write_dl([(f"{name:{longest}}", text) for name, text in zip(names, texts, strict=True)])
