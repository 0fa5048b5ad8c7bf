"""The table of compiled kernels, cuda_kernels.csv: what NVRTC says of each shape on each architecture.

    python tests/cuda_table.py   # compiles all of them, some two minutes, and rewrites the table

It needs NVRTC and no GPU. Registers are those of a thread, and spilt are bytes that did not fit them, of the kernels
`train` and `predict`; shared_bytes are those of a block of `train`; blocks is the room of a multiprocessor for such
blocks, by registers and shared memory.
"""

import csv
import random
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from sumsquares.jobs.engines.cuda import compiler, kernels
from sumsquares.jobs.engines.cuda.estimates import PARTS_OF_PROCESSOR, REGISTERS
from sumsquares.jobs.engines.cuda.layout import RESERVED, SHARED, SMALL, layout
from sumsquares.jobs.engines.cuda.shapes import FEW_INPUTS, LINEAR_FEW_INPUTS
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.spec.axes import Activation, Loss, Optimizer, Output

TABLE = Path(__file__).parent / "cuda_kernels.csv"
VERSION = (13, 0)
"""NVRTC's version that wrote the table; others allot registers differently."""
ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
PROCESSES = 2
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


@dataclass(frozen=True)
class Case:
    """One kernel: a program on an architecture."""

    architecture: str
    network: str = "1-16-16-1"
    batch: int = 100
    dtype: str = "float32"
    activation: str = "relu"
    optimizer: str = "adam"
    loss: str = "mse"
    output: str = "linear"
    decay: int = 0

    @property
    def program(self) -> Program:
        """The program that the kernel trains."""
        inputs, *hidden, _ = map(int, self.network.split("-"))
        shape = inputs, tuple(hidden), self.activation, self.optimizer, "constant", self.batch
        return Program(*shape, 1, 10_000, self.dtype, 0, self.output, self.loss)

    @property
    def depth(self) -> int:
        """Hidden layers, of which three are many; -1 if there is no kernel."""
        hidden = len(self.program.hidden)
        return -1 if isinstance(layout(self.program, self.architecture), str) else min(3, hidden)

    @property
    def inputs(self) -> tuple[bool, bool]:
        """Whether the model is linear, and whether its inputs are few: each of the four is code of its own."""
        is_linear = not self.program.hidden
        return is_linear, self.program.inputs <= (LINEAR_FEW_INPUTS if is_linear else FEW_INPUTS)

    @property
    def memory(self) -> tuple[bool, bool]:
        """Whether the optimizer's state is in global memory, and whether a batch has several tiles."""
        found = layout(self.program, self.architecture)
        return (False, False) if isinstance(found, str) else (bool(found.MOM), self.batch > found.TILE)


EVERYWHERE = (
    {},
    {"network": "1-64-64-1"},
    {"network": "1-24-12-1", "activation": "tanh", "optimizer": "rmsprop", "dtype": "float64"},
    {"network": "20-16-16-1", "activation": "gelu", "batch": 1000},
    {"network": "1-128-128-1"},
    {"network": "3-1"},
)
"""What is compiled for every architecture."""
ONCE = (
    *({"network": network} for network in ("1-8-8-1", "1-24-12-1", "1-32-32-1", "1-32-1", "2-5-3-1-1", "1-64-64-64-1")),
    *({"network": network} for network in ("100-64-1", "5-16-16-1", "1-16-16-16-16-16-1", "1-256-1", "20-1")),
    *({"batch": batch} for batch in (1, 7, 32, 1000)),
    *({"network": "1-64-64-1", "batch": batch} for batch in (32, 1000)),
    *({"network": f"1-{hidden}-1", "dtype": "float64"} for hidden in ("16-16", "64-64", "128-128")),
    *({"activation": each} for each in get_args(Activation) if each != "relu"),
    *({"optimizer": each, "decay": 1} for each in get_args(Optimizer)),
    *({"loss": each, "output": "sigmoid"} for each in get_args(Loss)),
    *({"output": each} for each in get_args(Output) if each != "linear"),
    {"network": "1-256-256-1"},
)
"""What is compiled for sm_90 alone."""


def cases() -> Iterator[Case]:
    """Yields every kernel of the table."""
    for architecture in ARCHITECTURES:
        for changes in (*EVERYWHERE, *(ONCE if architecture == "sm_90" else ())):
            yield Case(architecture, **changes)


def some(share: float, kinds: tuple[str, ...]) -> list[Case]:
    """Returns a share of the table, drawn with a fixed seed, and whatever else has a kind that the share lacks."""
    drawn = random.Random(1).sample([*cases()], len([*cases()]))  # noqa: S311  no secret
    found, seen = [], set[tuple[str, object]]()
    for index, case in enumerate(drawn):
        its = {(kind, getattr(case, kind)) for kind in kinds}
        if index < share * len(drawn) or not its <= seen:
            found.append(case)
            seen |= its
    return found


def row(case: Case) -> dict[str, str]:
    """Compiles a kernel, and returns its row; what can't be trained has only the reason."""
    found = {field.name: str(getattr(case, field.name)) for field in fields(case)}
    planned = layout(case.program, case.architecture)
    if isinstance(planned, str):
        return found | {"layout": planned}
    image, log = compiler.compiled(kernels.text(case.program, case.architecture, bool(case.decay)), case.architecture)
    told = of_kernels(log)
    train, predict = told["train"], told["predict"]
    shared, threads = information(image)[:2]
    measured = {
        "layout": " ".join(f"{name}={value}" for name, value in planned.macros.items() if name != "LANEMAP"),
        "registers": train[0],
        "spilt": train[1],
        "shared_bytes": shared,
        "blocks": room(case.architecture, threads, train[0], shared),
        "predict_registers": predict[0],
        "predict_spilt": predict[1],
    }
    return found | {name: str(value) for name, value in measured.items()}


def of_kernels(log: str) -> dict[str, tuple[int, int]]:
    """Returns registers and spilt bytes of each kernel from the compiler's report."""
    found = {}
    for part in log.split("Compiling entry function '")[1:]:
        spills, registers = SPILLS.search(part), re.search(r"Used (\d+) registers", part)
        assert spills, part
        assert registers, part
        found[part.partition("'")[0]] = int(registers[1]), int(spills[1]) + int(spills[2])
    return found


def room(architecture: str, threads: int, registers: int, shared: int) -> int:
    """Blocks that a multiprocessor has room for: 32 at most, or fewer by registers or shared memory."""
    by_part = REGISTERS // (32 * -(-registers // 8) * 8)
    memory = SHARED.get(architecture, SMALL).multiprocessor
    return min(32, by_part * PARTS_OF_PROCESSOR // (threads // 32), memory // (shared + RESERVED))


def information(image: bytes) -> tuple[int, ...]:
    """Returns the numbers of the variable `info` of a cubin, which is an ELF file of 64 bits."""
    (at,), (count,) = struct.unpack_from("<Q", image, 0x28), struct.unpack_from("<H", image, 0x3C)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, at + 64 * index) for index in range(count)]
    for _, kind, _, _, offset, size, link, *_ in sections:
        for symbol in range(offset, offset + size, 24) if kind == 2 else ():
            name, _, _, section, value, length = struct.unpack_from("<IBBHQQ", image, symbol)
            start = sections[link][4] + name
            if image[start : image.index(b"\0", start)] == b"info":
                return struct.unpack_from(f"<{length // 4}i", image, sections[section][4] + value)
    raise AssertionError("a kernel without info")


def version() -> tuple[int, int]:
    """The version of NVRTC."""
    return compiler._version(compiler._library()[1])


def rows(chosen: Iterable[Case]) -> list[dict[str, str]]:
    """Compiles kernels of the table, in two processes."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return list(pool.map(row, chosen))


def kept() -> list[dict[str, str]]:
    """The rows of the table."""
    with TABLE.open(newline="") as file:
        return [{name: value for name, value in each.items() if value} for each in csv.DictReader(file)]


def main() -> None:
    """Rewrites the table."""
    if version() != VERSION:
        sys.exit(f"NVRTC is {version()}, and the table is that of {VERSION}: install that one, or change VERSION here")
    found = rows(cases())
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, max(found, key=len), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    sys.stdout.write(
        f"{len(found)} kernels, {sum(int(each.get('spilt', 0)) > 0 for each in found)} of them spill registers\n"
    )


if __name__ == "__main__":
    main()
