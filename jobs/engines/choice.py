"""Chooses the engine for a program and a device, by what is installed and by the job spec. It doesn't import torch.

The choice never depends on a trial's pack or on the load of the machine, so that a trial that is trained again is
trained by the same engine. On CPUs lanes was faster for every measured shape, from 16 to 512 units (docs/LOG.md); on
GPUs cuda trains what fits into shared memory. torch trains the rest, and all of it where lanes or cuda can't be used.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.cuda import driver
from sumsquares.jobs.engines.program import Program

NATIVE = {"cpu": "lanes", "cuda": "cuda"}
"""The native engine of each kind of device, which is chosen wherever it can train."""
DEVICES = {engine: device for device, engine in NATIVE.items()}
"""The one kind of device that a native engine trains on. A spec that names the engine uses no workers of the other."""
WORKERS = {"cpu": "CPU workers", "cuda": "workers with NVIDIA GPUs"}
BY_PACK = "torch-by-pack"
"""How results name torch on a GPU, where the last digits of a trial depend on the trials of its pack."""
ASSUMED = "sm_90"
"""The architecture of GPUs that are elsewhere, for plans: that of an H100 or H200."""


class EngineMissing(ValueError):  # noqa: N818  named for the state of things, like DamagedShard and others
    """The engine that a spec requests can't train there."""

    exit_code = exits.USAGE


@dataclass(frozen=True)
class Choice:
    """An engine, and why it isn't the native one of its device."""

    engine: str
    why: str = ""
    """Empty if it is, or if the spec asks for it."""
    device: str = ""
    """The kind of device that trains instead of the one that was asked about; empty if it is that one."""


def choose(wanted: str, device: str, program: Program | None = None) -> str:
    """Returns the name of the engine that trains a program here, on a device; without one, that of most programs.

    Raises:
        EngineMissing: lanes or cuda is requested by name and can't train it, with the reason.

    """
    return _checked(wanted, _chosen(wanted, device, program, is_here=True)).engine


def expect(wanted: str, device: str, program: Program) -> Choice:
    """Returns the choice that workers with such a device are expected to make; errors as for `choose`.

    On a machine without a GPU, GPU workers are elsewhere, and assumed to have what the engine needs.
    """
    return _checked(wanted, _chosen(wanted, device, program, is_here=device == "cpu" or not is_elsewhere()))


def is_elsewhere() -> bool:
    """Whether GPU workers must be on other machines, as this one has no GPU that it can use."""
    return driver.reason() is not None


def _chosen(wanted: str, device: str, program: Program | None, is_here: bool) -> Choice:
    if wanted == "torch":
        return Choice("torch")
    if wanted in DEVICES and DEVICES[wanted] != device:
        remedy = "ask for --gpu-workers where there are GPUs, or " if device == "cpu" else ""
        why = f"it trains on {WORKERS[DEVICES[wanted]]}, and there are {WORKERS[device]} alone"
        raise EngineMissing(f'engine = "{wanted}": {why}; {remedy}write engine = "auto"')
    reason = lanes_engine.available() if device == "cpu" else _cuda_refusal(program, is_here)
    return Choice(NATIVE[device]) if reason is None else Choice("torch", reason)


def _cuda_refusal(program: Program | None, is_here: bool) -> str | None:
    """Why the cuda engine can't train a program; None if it can, or if the GPU that will tell is elsewhere."""
    # Imported for GPU workers and their plans alone.
    from sumsquares.jobs.engines import cuda_engine
    from sumsquares.jobs.engines.cuda.layout import refusal

    if is_here and (reason := cuda_engine.available()) is not None:
        return reason
    return refusal(program, driver.architecture() if is_here else ASSUMED) if program else None


def _checked(wanted: str, choice: Choice) -> Choice:
    if wanted not in ("auto", choice.engine):
        remedies = {
            "lanes": "or install sumsquares again where there is a C++ compiler",
            "cuda": "by which the other engines train what this one can't",
        }
        raise EngineMissing(f'engine = "{wanted}": {choice.why}; write engine = "auto", {remedies[wanted]}')
    return choice


def instead(wanted: str, error: Exception) -> str:
    """Returns the engine that trains what the cuda engine could not compile.

    Raises:
        EngineMissing: cuda is requested by name.

    """
    return _checked(wanted, Choice("torch", str(error))).engine


def engine(name: str) -> Any:
    """Imports an engine's module and prepares it in this process; it has `train`, `predictor` and `observer`."""
    module = importlib.import_module(f"sumsquares.jobs.engines.{name}_engine")
    module.prepare()
    return module


def recorded(name: str, device: str = "cpu") -> str:
    """Returns the engine's name in results: engines with other bits have other names.

    lanes-unfused is lanes on processors before 2013; cuda is named with the architecture of the GPU.
    """
    if name == "cuda":
        return f"cuda-{driver.architecture()}"
    if name == "torch":
        return "torch" if device == "cpu" else BY_PACK
    return name if lanes_engine.fused() else "lanes-unfused"


def device_of(name: str) -> str:
    """Returns the kind of device on which an engine of this recorded name trains."""
    return "cuda" if name.startswith(("cuda-", BY_PACK)) else "cpu"
