"""Cells of text as numbers and booleans. What one cell means doesn't depend on the cells around it.

A whole batch is cast at once where all its cells are plain numbers; else white space, plus signs and the usual words
for a missing value are dealt with first. Both ways give the same number for the same cell: the nearest float64.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.tables.kinds import Kind

MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NAN"),
    *("NULL", "Null", "null", "None", "none", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND"),
)
"""What stands for a missing number or boolean, as pandas reads it."""
_NUMBER = r"(?i)^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)$"
_INTEGER = r"^[+-]?\d+$"
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


class Read(NamedTuple):
    """A batch of cells as values."""

    kind: Kind
    """The least kind that all of them have."""
    values: pa.Array | None
    """int64, float64 or bool, null where there is no value; None for text and `wide`."""


def read(cells: pa.Array, decimal: str, known: Kind = "empty") -> Read:
    """Returns cells as values of the least kind that holds them and those before them, which have the kind `known`."""
    if known in ("empty", "int", "double") and decimal == ".":
        fast = _cast(cells, "double" if known == "double" else "int")
        if fast is not None and len(fast) > fast.null_count:
            return Read("double" if known == "double" else "int", fast)
    plain = cleaned(cells, decimal)
    if plain.null_count == len(plain):
        return Read("empty", pc.cast(plain, pa.float64()))
    if known in ("empty", "bool") and (flags := _booleans(plain)) is not None:
        return Read("bool", flags)
    if known == "bool":
        return Read("text", None)
    return _numbers(plain, known)


def _numbers(plain: pa.Array, known: Kind) -> Read:
    if known != "double" and (values := _cast(plain, "int")) is not None:
        return Read("int", values)
    values = _cast(plain, "double")
    if values is None:
        return Read("text", None)
    is_wide = known != "double" and pc.all(pc.match_substring_regex(plain, _INTEGER)).as_py()
    return Read("wide", None) if is_wide else Read("double", values)


def as_kind(cells: pa.Array, kind: Kind, decimal: str) -> pa.Array | None:
    """Returns cells as values of a kind that was found earlier; None if they don't have it."""
    if kind == "bool":
        return _booleans(cleaned(cells, decimal))
    values = _cast(cells, kind) if decimal == "." else None
    return values if values is not None else _cast(cleaned(cells, decimal), kind)


def _cast(cells: pa.Array, kind: Kind) -> pa.Array | None:
    try:
        values = pc.cast(cells, pa.int64() if kind == "int" else pa.float64())
    except pa.ArrowInvalid:
        return None
    if kind == "int" and pc.any(pc.match_substring(cells, "x", ignore_case=True)).as_py():
        return None  # hexadecimal is text, as in every other reader
    return values


def cleaned(cells: pa.Array, decimal: str) -> pa.Array:
    """Returns cells with null for a missing value, without white space and plus signs, and with a decimal point."""
    cells = pc.ascii_trim_whitespace(cells)
    cells = pc.if_else(_is_in(cells, MISSING), pa.scalar(None, pa.string()), cells)
    if decimal != ".":
        other = pc.replace_substring(cells, ".", "?")  # a point is no part of such a number
        cells = pc.replace_substring(other, decimal, ".")
    return pc.if_else(pc.match_substring_regex(cells, _NUMBER), pc.utf8_ltrim(cells, "+"), cells)


def without_empty(texts: pa.Array) -> pa.Array:
    """Returns texts of any type with null in place of an empty one: CSV doesn't tell them apart."""
    array = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    is_empty = pc.equal(pc.cast(array.dictionary, pa.string()), "")
    if not pc.any(is_empty).as_py():
        return texts
    indices = pc.if_else(pc.take(is_empty, array.indices), pa.scalar(None, array.indices.type), array.indices)
    return pa.DictionaryArray.from_arrays(indices, array.dictionary)


def without_words(cells: pa.Array) -> pa.Array:
    """Returns cells with 1 and 0 in place of true and false."""
    plain = pc.ascii_trim_whitespace(cells)
    plain = pc.if_else(_is_in(plain, _TRUE), "1", plain)
    return pc.if_else(_is_in(plain, _FALSE), "0", plain)


def first_bad(cells: pa.Array, decimal: str) -> tuple[int, int | None]:
    """Returns how many cells are neither missing nor numbers, and the position of the first."""
    good = pc.match_substring_regex(cleaned(cells, decimal), _NUMBER)
    bad = pc.invert(pc.fill_null(good, True))
    count = pc.sum(bad).as_py() or 0
    return count, pc.index(bad, True).as_py() if count else None


def first_wide(cells: pa.Array, decimal: str) -> int:
    """Returns the position of the first integer beyond 64 bits."""
    plain = cleaned(cells, decimal)
    return next(at for at, cell in enumerate(plain) if cell.is_valid and _is_wide(cell.as_py()))


def _is_wide(digits: str) -> bool:
    """Whether an integer is beyond 64 bits; Python converts none of more than 4,300 digits."""
    size = digits.lstrip("+-0") or "0"
    return len(size) > 19 or int(size) >= 2**63 + digits.startswith("-")


def _booleans(plain: pa.Array) -> pa.Array | None:
    is_true, is_false = _is_in(plain, _TRUE), _is_in(plain, _FALSE)
    known = pc.or_(pc.or_(is_true, is_false), pc.is_null(plain))
    return pc.if_else(pc.is_null(plain), pa.scalar(None, pa.bool_()), is_true) if pc.all(known).as_py() else None


def _is_in(cells: pa.Array, words: tuple[str, ...]) -> pa.Array:
    return pc.is_in(cells, pa.array(words))  # made when it is needed: the first pa.array imports pandas, half a second
