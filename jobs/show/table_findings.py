"""What is found on a table of one's own, as sentences: on which rows the RMSEs are, and what they don't say."""

from __future__ import annotations

from collections.abc import Iterator

from sumsquares.jobs.results.described import train_rows
from sumsquares.jobs.show.format import Row, between, counted


def about_rows(about: Row, best: Row) -> Iterator[str]:
    """Yields what limits the RMSEs: the rows that they are measured on, and networks that are large for their rows."""
    rows = train_rows(about)
    if about.get("validation") is not None:
        share = f"{about['validation']:.4g}"
        yield f"Measured on {share} of the training rows, which were held out for validation, and not on the test rows."
    elif about.get("test") == 0:
        yield "All rows were trained on, and the RMSEs are those on the same rows: they say nothing of new rows."
    if best["parameters"] > min(rows):
        yield f"Its {best['parameters']:,} parameters are more than the {between(rows)} training rows."
    if about.get("dropped"):
        missing = f"whose {about['target']} is missing" if about.get("missing") == "mean" else "with missing values"
        yield f"{counted(about['dropped'], 'row')} {missing} {'is' if about['dropped'] == 1 else 'are'} left out."
