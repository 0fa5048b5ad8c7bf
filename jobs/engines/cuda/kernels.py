"""The kernels of a program: which source and macros they have, and the loaded module with what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from sumsquares.jobs.engines.cuda import compiler
from sumsquares.jobs.engines.cuda.driver import Device
from sumsquares.jobs.engines.cuda.layout import layout
from sumsquares.jobs.engines.cuda.modules import Function, Module
from sumsquares.jobs.engines.cuda.source import source
from sumsquares.jobs.engines.program import Program

_FUNCTIONS = ("../lanes/polynomials.h", "functions.cuh", "activations.cuh", "losses.cuh", "optimizers.cuh")
_NETWORK = ("shape.cuh", "lane.cuh", "forward.cuh", "backward.cuh", "update.cuh", "train.cuh", "predict.cuh")
FILES = ("platform.cuh", *_FUNCTIONS, *_NETWORK, "gather.cuh")
LINEAR_FILES = ("platform.cuh", *_FUNCTIONS, "linear.cuh", "gather.cuh")
"""Of programs without hidden layers."""
LOADED = 64
"""Modules that stay loaded in a process."""


class NotForCuda(RuntimeError):  # noqa: N818  named for the state of things, like EngineMissing and others
    """The cuda engine can't train a program; whoever chooses the engine asks layout.py first."""


class Info(NamedTuple):
    """The numbers of `info` in train.cuh and linear.cuh, in their order."""

    shared_bytes: int
    """Shared memory of a block that trains."""
    threads: int
    """Threads of a block."""
    parameters: int
    """Of one model."""
    far_bytes: int
    """Scratch memory of one model."""
    row_stride: int
    """Numbers from one row of inputs to the next."""
    batch_rows: int
    """Rows from one batch to the next."""
    predict_shared_bytes: int
    """Shared memory of a block that predicts."""
    arrays: int
    """Arrays [M, P] of the optimizer's state."""


@dataclass(frozen=True)
class Kernels:
    """A loaded module, its kernels, and what they tell of themselves."""

    module: Module

    @cached_property
    def train(self) -> Function:
        """Trains: one block per model."""
        return self.module.function("train")

    @cached_property
    def predict(self) -> Function:
        """Predicts: one block per model and slice of the rows."""
        return self.module.function("predict")

    @cached_property
    def gather(self) -> Function:
        """Copies rows into batches."""
        return self.module.function("gather")

    @cached_property
    def info(self) -> Info:
        """What the kernels tell of themselves."""
        return Info(*map(int, self.module.constant("info", len(Info._fields))))


def text(program: Program, architecture: str, has_decay: bool) -> str:
    """Returns the source of a program's kernels.

    Raises:
        NotForCuda: they can't train it, with the reason.

    """
    found = layout(program, architecture)
    if isinstance(found, str):
        raise NotForCuda(found)
    return source(shape_macros(program, has_decay) | found.macros, FILES if program.hidden else LINEAR_FILES)


def shape_macros(program: Program, has_decay: bool) -> dict[str, object]:
    """Returns the macros that follow from the program alone."""
    return {
        "T": "double" if program.dtype == "float64" else "float",
        "NIN": program.inputs,
        "NH": len(program.hidden),
        "HIDDEN": ",".join(map(str, program.hidden)) or "0",
        "BATCH": min(program.batch_size, program.rows),
        "ACTIVATION": program.activation if program.hidden else "identity",
        "OUTPUT": program.output,
        "LOSS": program.loss,
        "OPTIMIZER": program.optimizer,
        "HAS_DECAY": int(has_decay),
    }


def load(device: Device, program: Program, has_decay: bool) -> Kernels:
    """Returns the kernels of a program, compiled if need be.

    Raises:
        CompileError: they can't be compiled, with the reason.
        NotForCuda: they can't train it, with the reason.

    """
    return _loaded(device, text(program, device.architecture, has_decay))


@lru_cache(maxsize=LOADED)
def _loaded(device: Device, written: str) -> Kernels:
    return Kernels(device.load(compiler.compiled(written, device.architecture).image))
