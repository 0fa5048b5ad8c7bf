"""What the compiler makes of the cuda engine's kernels, for four architectures: registers, spills, shared memory.

It needs NVRTC and no GPU. A part of the table is compiled with the other checks, all of it by `make test-table`;
`python tests/cuda_table.py` rewrites it after a change of a kernel or of a layout.
"""

import os

import pytest
from cuda_table import ARCHITECTURES, VERSION, Case, cases, kept, of_kernels, rows, some, version

from sumsquares.jobs.engines.cuda import compiler, evaluation, exact
from sumsquares.jobs.engines.cuda.layout import Layout, layout

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]  # the first test compiles them
KINDS = ("architecture", "dtype", "activation", "optimizer", "loss", "output", "decay", "depth", "inputs", "memory")
CHOSEN = [*cases()] if os.environ.get("WHOLE_TABLE") else some(0.2, KINDS)
Row = dict[str, str]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The chosen rows of the table, compiled now."""
    if reason := compiler.reason():
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return rows(CHOSEN)


def planned(row: Row) -> tuple[Case, Layout | str]:
    case = next(each for each in cases() if all(str(value) == row[name] for name, value in vars(each).items()))
    return case, layout(case.program, case.architecture)


def trained(found: list[Row]) -> list[Row]:
    return [row for row in found if "registers" in row]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_registers_spills_and_shared_memory_are_those_of_the_table(compiled, architecture):
    """Of the version of NVRTC that wrote it."""
    if version() != VERSION:
        pytest.skip(f"NVRTC is {version()}, and the table was written by {VERSION}")
    found = [row for row in compiled if row["architecture"] == architecture]
    assert found
    assert [row for row in found if row not in kept()] == []


def test_the_table_has_every_case_once():
    """In their order; compiled or not."""
    names = [{name: str(value) for name, value in vars(case).items()} for case in cases()]
    assert [{name: row[name] for name in names[0]} for row in kept()] == names


def test_a_part_of_the_table_has_every_kind():
    """So `make check` compiles each kind of kernel at least once, and much fewer than all."""
    part, whole = some(0.2, KINDS), [*cases()]
    for kind in KINDS:
        assert {getattr(case, kind) for case in part} == {getattr(case, kind) for case in whole}
    assert len(part) < len(whole) * 0.6


def test_a_layout_knows_the_shared_memory_of_its_kernel(compiled):
    """The kernel's own constant has the same number of bytes, for every kernel of the table."""
    assert all(planned(row)[1].shared_bytes == int(row["shared_bytes"]) for row in trained(compiled))


def test_a_multiprocessor_has_room_for_the_blocks_that_a_layout_plans(compiled):
    """So that the compiler's limit of registers buys what it is for."""
    for row in trained(compiled):
        _, found = planned(row)
        assert int(row["blocks"]) >= found.MINB, row


def test_no_kernel_of_the_table_spills_more_than_a_little(compiled):
    """The bytes of eight registers, written and read again, at most; `predict` none."""
    assert all(int(row["spilt"]) <= 64 for row in trained(compiled))
    assert all(row["predict_spilt"] == "0" for row in trained(compiled))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_that_measure_compile_without_a_warning_or_a_large_spill(architecture, monkeypatch, tmp_path):
    """A multiprocessor has room for four blocks of 128 threads at least; a number or two may be spilt."""
    if reason := compiler.reason(architecture):
        pytest.skip(reason)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for text in (exact.text("tanh", "linear"), exact.text("gelu", "sigmoid"), evaluation.text()):
        log = compiler.compiled(text, architecture).log
        assert "warning" not in log
        for registers, spilt in of_kernels(log).values():
            assert registers <= 128
            assert spilt <= 16
