"""The layout of a program on a GPU: a pure function of program and architecture, without GPU and compiler."""

import csv
import importlib
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sumsquares.jobs.engines.cuda import layout as rules
from sumsquares.jobs.engines.cuda import source
from sumsquares.jobs.engines.cuda.estimates import PARTS_OF_PROCESSOR, REGISTERS
from sumsquares.jobs.engines.cuda.layout import SHARED, SMALL, Layout, layout, refusal
from sumsquares.jobs.engines.cuda.shapes import Shape, Tiling
from sumsquares.jobs.engines.program import Program

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
MACROS = "WARPS", "LC", "CI", "KS", "MOM", "MINB", "TILE"
PROGRAM = Program(1, (16, 16), "relu", "adam", "constant", 100, 1, 1000, "float32", 0)
ARCHITECTURES = ("sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
RESERVED = 1024
"""Bytes of shared memory that CUDA takes for itself of each block."""
WIDTHS = (1, 2, 3, 5, 8, 12, 16, 24, 33, 64, 100, 128, 256)


def drawn(count: int, seed: int) -> list[Program]:
    """Programs of all kinds."""
    rng = random.Random(seed)  # noqa: S311  not for secrets
    return [
        replace(
            PROGRAM,
            inputs=rng.choice((1, 1, 2, 3, 4, 5, 8, 9, 20, 100)),
            hidden=tuple(rng.choices(WIDTHS, k=rng.randint(0, 5))),
            batch_size=rng.choice((1, 3, 7, 32, 100, 101, 1000, 10**6)),
            rows=10**6,
            dtype=rng.choice(("float32", "float64")),
            activation=rng.choice(("relu", "tanh", "gelu")),
        )
        for _ in range(count)
    ]


def test_programs_of_any_shape_have_a_layout_that_fits_or_a_reason():
    """Shared memory of a block and of a multiprocessor, threads and registers are within the architecture's limits."""
    for program in drawn(40, seed=1):
        for architecture in ARCHITECTURES:
            found, shared = layout(program, architecture), SHARED.get(architecture, SMALL)
            if isinstance(found, str):
                assert str(list(program.hidden)) in found
                continue
            assert found.shared_bytes <= shared.block
            assert found.MINB * (found.shared_bytes + RESERVED) <= shared.multiprocessor
            assert 32 * found.WARPS <= 1024
            warps_of_part = -(-found.MINB * found.WARPS // PARTS_OF_PROCESSOR)
            assert 32 * 64 * warps_of_part <= REGISTERS, "fewer than 64 registers a thread"


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [((16, 16), (1, 4, 4, 2, 0, 12)), ((64, 64), (4, 16, 8, 1, 1, 3)), ((32, 32), (2, 8, 4, 1, 0, 6))],
)
def test_shapes_that_were_measured_have_the_layout_that_was_the_fastest(hidden, expected):
    """On the architecture of the measurement."""
    found = layout(replace(PROGRAM, hidden=hidden), "sm_90")
    assert isinstance(found, Layout)
    assert expected == (found.WARPS, found.LC, found.CI, found.KS, found.MOM, found.MINB)
    assert found.TILE == 100


def test_the_layout_of_what_was_measured_is_within_5_percent_of_the_fastest(monkeypatch):
    """Of the layouts of 22 programs that were timed on an H200; each layout that is chosen is one of them."""
    monkeypatch.syspath_prepend(BENCHMARKS / "peers")
    programs = {case.name: case.program for case in importlib.import_module("gpu_programs").LAYOUTS}
    with (BENCHMARKS.parent / "docs/figures/gpu_layouts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, program in programs.items():
        found = layout(program, "sm_90")
        assert isinstance(found, Layout)
        timed = {tuple(int(row[each]) for each in MACROS): float(row["ns"]) for row in rows if row["name"] == name}
        assert timed[tuple(found.macros[each] for each in MACROS)] <= 1.05 * min(timed.values()), name


def test_the_search_leaves_out_only_what_is_no_better():
    """Of all tilings, the first of those with the fewest clocks is chosen."""
    for program in drawn(25, seed=3):
        shape = rules._shape(program)
        if shape.hidden:
            for shared in {*SHARED.values(), SMALL}:
                fitting = [found for tiling in rules._tilings(shape) if (found := rules._fitted(tiling, shared))]
                expected = min(fitting, key=lambda found: found[0])[1] if fitting else None
                assert rules._best.__wrapped__(shape, shared) == expected, (shape, shared)


def test_programs_that_differ_in_the_activation_alone_are_searched_once():
    """Unless one of them keeps its slope: a plan has many such programs, and a search takes long."""
    rules._best.cache_clear()
    for activation in ("relu", "identity", "tanh", "sigmoid", "elu", "gelu", "silu"):
        layout(replace(PROGRAM, hidden=(17, 19), activation=activation), "sm_90")
    assert rules._best.cache_info().misses == 2


def test_what_does_not_fit_is_refused_with_the_reason():
    """Two layers of 256 units need more shared memory than any GPU has; some GPUs have less than others."""
    wide = replace(PROGRAM, hidden=(256, 256))
    assert refusal(wide, "sm_90") == layout(wide, "sm_90")
    assert refusal(wide, "sm_90") == (
        "hidden = [256, 256] with 1 input, in float32, needs more than the 227 KiB of shared memory that one network "
        "can have on sm_90"
    )
    half = replace(PROGRAM, hidden=(128, 128))
    assert [refusal(half, each) is None for each in ("sm_90", "sm_120")] == [True, False]


def test_architectures_without_asynchronous_copies_are_refused():
    """Those before sm_80."""
    assert refusal(PROGRAM, "sm_75") == "the GPU's architecture is sm_75, and the engine cuda needs sm_80 or later"


def test_an_unknown_architecture_has_the_least_shared_memory():
    """So that its layouts fit it, whatever it has."""
    assert layout(PROGRAM, "sm_999") == layout(PROGRAM, "sm_120")


def test_what_differs_between_models_and_how_long_they_train_change_no_layout():
    """Nor do the rows, unless they are fewer than a batch's."""
    other = replace(PROGRAM, epochs=7, rows=123, shuffle_seed=9, schedule="cosine")
    assert layout(other) == layout(PROGRAM)


CODE = """
#include <cstdio>
#define HD constexpr
#define DEV inline
#define UNROLL
"""
CASE = """
namespace n{index} {{
  using T = {T}; constexpr int PIECE = 16 / sizeof(T), STATE = 2;
  struct Activation {{ static constexpr bool KEEPS_SLOPE = {slope}; }};
  {text}
}}
"""


def test_shared_memory_is_that_of_the_kernels_own_arithmetic(tmp_path: Path):
    """For layouts of drawn shapes, shape.cuh gives the same bytes as shapes.py."""
    text = (source.FOLDER / "shape.cuh").read_text()
    parts, expected, prints = [CODE], [], []
    for index, program in enumerate(program for program in drawn(60, seed=2) if program.hidden):
        found = layout(program, "sm_90")
        if isinstance(found, str):
            continue
        macros = found.macros | {
            "NIN": program.inputs,
            "NH": len(program.hidden),
            "HIDDEN": ",".join(map(str, program.hidden)),
            "BATCH": min(program.batch_size, program.rows),
        }
        number, slope = ("double", "float")[program.dtype == "float32"], str(program.activation == "gelu").lower()
        parts += [f"#define {name} {value}\n" for name, value in macros.items()]
        parts += [CASE.format(index=index, T=number, slope=slope, text=text), *(f"#undef {name}\n" for name in macros)]
        prints.append(f'std::printf("%d\\n", int(n{index}::TRAIN_WORDS * sizeof(n{index}::T)));')
        expected.append(found.shared_bytes)
    (tmp_path / "shapes.cpp").write_text("".join(parts) + "int main() {" + "\n".join(prints) + "}")
    command = ["g++", "-std=c++17", "-fno-strict-aliasing", "-o", tmp_path / "shapes", tmp_path / "shapes.cpp"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    printed = subprocess.run([tmp_path / "shapes"], capture_output=True, text=True, check=True).stdout
    assert [int(line) for line in printed.split()] == expected


def test_tiles_that_the_kernel_would_not_take_are_not_possible():
    """A tile has four rows at least, and the lanes of a block divide into the groups that share them."""
    shape = Shape(1, (16, 16), 100, 4, keeps_slope=False)
    assert Tiling(shape, 1, 4, 4, 2, 100).possible
    assert not Tiling(shape, 1, 1, 8, 1, 100).possible
    assert not Tiling(shape, 1, 32, 4, 2, 100).possible
    assert not Tiling(shape, 1, 32, 4, 1, 3).possible
