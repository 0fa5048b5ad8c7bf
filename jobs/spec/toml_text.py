"""Parses the bytes of a job spec as TOML, in bounded time and memory: checks of size, encoding and syntax.

The data are validated elsewhere (job_spec.py). This module protects the parser against hostile files.
"""

import re
import tomllib
from typing import Any

from sumsquares.jobs.spec.errors import SpecError

MAX_BYTES = 1 << 20
"""Size limit of a spec. The longest legitimate ones have some 10 KB; tomllib takes about 0.6 s for 1 MiB."""

MAX_VALUES = 50_000
"""Limit of tables, keys and list items. Reporting half a million invalid ones in 1 MiB would take 6 s and 700 MB."""

# tomllib's time is quadratic in the parts of a dotted key: 40,000 parts (80 KB) take 34 s. A spec's keys have two.
# The look-behind and the possessive quantifiers keep this search linear, since no two scans overlap.
MANY_PARTS = re.compile(
    r"""(?<![\w\-"'.\\]) (?: (?: [\w-]++ | "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+' ) [ \t]*+ \. [ \t]*+ ){16}""",
    re.ASCII | re.VERBOSE,
)
_MANY_DIGITS = re.compile(r"[0-9][0-9_]{4000}")
_POSITION = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")


def read_toml(data: bytes, source: str) -> dict[str, Any]:
    """Parses a spec's bytes.

    Raises:
        SpecError: they are not TOML, with line and column, or exceed a limit.

    """
    # Before parsing: what would make the parser slow.
    if len(data) > MAX_BYTES:
        raise SpecError(source, [f"the file has more than {MAX_BYTES:_} bytes (1 MiB); is it a job spec?"])
    text = _decode(data, source)
    if many := MANY_PARTS.search(text):
        found = "a key with more than 16 dotted parts"
        raise _at(text, many.start(), source, found, "write at most two, as in train.lr")

    # After parsing: what would make the validation slow.
    raw = _parse(text, source)
    if (count := _count_values(raw)) > MAX_VALUES:
        remedy = "shorten its lists; many seeds are written as a number, seeds = 1000"
        raise SpecError(source, [f"the file holds {count:_} values, more than {MAX_VALUES:_}; {remedy}"])
    return raw


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        remedy = "a spec's lists nest at most two levels, as in hidden = [[64, 64]]"
        raise _at(text, _deepest(text), source, "lists or tables are nested too deeply", remedy) from None
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, text, source) from None
    except ValueError:  # Python doesn't convert integers of more than 4,300 digits
        digits = _MANY_DIGITS.search(text)
        place = digits.start() if digits else 0
        raise _at(text, place, source, "a number has thousands of digits", "write at most 19") from None


def _decode(data: bytes, source: str) -> str:
    """Decodes UTF-8, with or without the byte order mark of Windows editors."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a byte order mark, `error.start` is an index of `error.object`, which lacks the mark.
        before = error.object[: error.start].decode("utf-8")
        found = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise _at(before, len(before), source, found, "save the file with the encoding UTF-8") from None


def _not_toml(error: tomllib.TOMLDecodeError, text: str, source: str) -> SpecError:
    """Returns an error with the parser's message, which is truncated since it may quote a key of any length.

    The line itself is not shown: a file that isn't a spec may contain anything, such as a password.
    """
    message = str(error)
    position = _POSITION.search(message)
    reason = message[: position.start()] if position else message
    reason = reason if len(reason) <= 100 else reason[:100] + "..."
    remedy = "write TOML: text in quotes, true and false in lower case, every key once"
    if position and position[1]:
        return SpecError(source, [f"line {position[1]}, column {position[2]}: not TOML: {reason}; {remedy}"])
    return _at(text, len(text), source, f"not TOML: {reason}", remedy)


def _count_values(raw: dict[str, Any]) -> int:
    count = 0
    open_nodes: list[Any] = [raw]
    while open_nodes:
        node = open_nodes.pop()
        items = node.values() if isinstance(node, dict) else node
        count += len(items)
        open_nodes.extend(item for item in items if isinstance(item, dict | list))
    return count


def _deepest(text: str) -> int:
    """The approximate place of too deep nesting: the bracket after which 100 are open."""
    depth = 0
    for bracket in re.finditer(r"[\[{\]}]", text):
        depth += 1 if bracket[0] in "[{" else -1
        if depth == 100:
            return bracket.start()
    return 0


def _at(text: str, offset: int, source: str, found: str, remedy: str) -> SpecError:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return SpecError(source, [f"line {line}, column {column}: {found}; {remedy}"])
