"""datasets/thrift.py against the examples of the protocol's specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.thrift import array, i32, struct, text, varint, zigzag


@given(st.integers(0, 2**64 - 1))
def test_varints_are_read_back(number):
    """Seven bits a byte, lowest first, and only the last byte has its top bit clear."""
    encoded = varint(number)
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(encoded)) == number
    assert [byte > 0x7F for byte in encoded] == [True] * (len(encoded) - 1) + [False]


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (-1, 1), (1, 2), (-(2**63), 2**64 - 1)])
def test_zigzag_interleaves_the_signs(number, expected):
    """Small numbers of either sign stay small."""
    assert zigzag(number) == expected


def test_a_struct_is_its_fields_then_a_stop():
    """Each field has the distance from the one before and its type in one byte: the specification's layout."""
    assert struct({1: i32(150), 3: text("ab")}) == (12, bytes([0x15, 0xAC, 0x02, 0x28, 2, 97, 98, 0]))


@pytest.mark.parametrize(("size", "head"), [(1, [0x15]), (14, [0xE5]), (15, [0xF5, 15]), (200, [0xF5, 0xC8, 0x01])])
def test_a_list_begins_with_its_size_and_type(size, head):
    """Sizes from 15 take bytes of their own."""
    assert array([i32(0)] * size) == (9, bytes(head) + bytes(size))
