"""Thrift's compact protocol, as far as Parquet headers need it: written only, never read.

An item is its type's number with its bytes.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence

Item = tuple[int, bytes]


def varint(number: int) -> bytes:
    """Encodes a non-negative integer, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> int:
    """Maps 0, -1, 1, -2, ... to 0, 1, 2, 3, ..."""
    return number << 1 if number >= 0 else ~number << 1 | 1


def i32(number: int) -> Item:
    """Encodes a signed integer of 32 bits."""
    return 5, varint(zigzag(number))


def i64(number: int) -> Item:
    """Encodes a signed integer of 64 bits."""
    return 6, varint(zigzag(number))


def text(value: str) -> Item:
    """Encodes a string."""
    encoded = value.encode()
    return 8, varint(len(encoded)) + encoded


def array(items: Sequence[Item]) -> Item:
    """Encodes a list of items of one type, at least one."""
    kind, size = items[0][0], len(items)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)
    return 9, head + b"".join(body for _, body in items)


def struct(fields: dict[int, Item]) -> Item:
    """Encodes a struct: its fields by number, ascending, with gaps of at most 15."""
    out, last = bytearray(), 0
    for number, (kind, body) in fields.items():
        assert 0 < number - last < 16
        out.append(number - last << 4 | kind)
        out += body
        last = number
    return 12, bytes(out) + b"\0"
