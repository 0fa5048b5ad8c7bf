"""datasets/pages.py against bits joined one by one in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.pages import _pack, _packed_bits, deltas_page, indices_page

WIDTHS = sorted({_packed_bits(2**bits - 1) for bits in range(1, 65)})


def joined(values, bits):
    whole = sum(value << i * bits for i, value in enumerate(values))
    return whole.to_bytes(len(values) * bits // 8, "little")


@pytest.mark.parametrize("bits", WIDTHS)
@given(data=st.data())
def test_packing_joins_the_bits_of_all_values(bits, data):
    """For every width in use, packed values are their bits back to back, the first value lowest."""
    dtype = "<u2" if bits <= 16 else "<u4" if bits <= 32 else "<u8"
    values = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=8, max_size=8))
    assert _pack(np.array(values, dtype), bits) == joined(values, bits)


@given(st.integers(0, 2**64 - 1))
def test_a_width_holds_its_largest_value_and_wastes_little(largest):
    """A packed width holds every value, in whole bytes per 64-bit word, with at most 7 bits to spare."""
    bits = _packed_bits(largest)
    assert largest < 2**bits
    assert bits - max(largest.bit_length(), 1) <= (1 if bits <= 16 else 3 if bits <= 32 else 7)
    assert bits * (64 // bits if bits > 32 else 2 if bits > 16 else 4) % 8 == 0


@given(st.lists(st.integers(0, 999), min_size=1, max_size=40))
def test_an_index_page_is_one_padded_run(indices):
    """The width, the run's length in groups of 8 and the packed indices, zeros after the last one."""
    groups = -(-len(indices) // 8)
    body = joined(indices + [0] * (8 * groups - len(indices)), 10)
    assert indices_page(np.array(indices, "<u2"), 1000) == bytes([10, groups << 1 | 1]) + body


def test_a_delta_page_of_one_value_is_its_header():
    """Block of 128, one miniblock, one value: 5, and no deltas."""
    assert deltas_page(np.array([4], "<u2"), 1, 1000) == bytes([0x80, 0x01, 1, 1, 10])
