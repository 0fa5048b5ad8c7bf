"""Chooses the engine from the device, from what is installed, and from the job spec. It doesn't import torch.

The choice never depends on a trial's pack or on the load of the machine, so that a trial that is trained again is
trained by the same engine. On CPUs lanes was faster for every measured shape, from 16 to 512 units (docs/LOG.md). torch
trains on GPUs, and on machines where lanes could not be built.
"""

from __future__ import annotations

import importlib
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.engines import lanes_engine


class EngineMissing(ValueError):  # noqa: N818  named for the state of things, like DamagedShard and others
    """The engine that a spec requests isn't available on this machine."""

    exit_code = exits.USAGE


def choose(wanted: str, device: str) -> str:
    """Returns the name of the engine that trains on a device: torch or lanes.

    Raises:
        EngineMissing: lanes is requested by name and isn't available, with the reason.

    """
    if wanted == "torch" or device != "cpu":
        return "torch"
    reason = lanes_engine.available()
    if reason is not None and wanted == "lanes":
        remedy = 'write engine = "auto", or install sumsquares again where there is a C++ compiler'
        raise EngineMissing(f'engine = "lanes": {reason}; {remedy}')
    return "torch" if reason is not None else "lanes"


def engine(name: str) -> Any:
    """Imports an engine's module and prepares it in this process; it has `train` and `predictor`."""
    module = importlib.import_module(f"sumsquares.jobs.engines.{name}_engine")
    module.prepare()
    return module


def recorded(name: str) -> str:
    """Returns the engine's name in results: lanes-unfused, on processors before 2013, has other bits than lanes."""
    return name if name != "lanes" or lanes_engine.fused() else "lanes-unfused"


def in_words(wanted: str, device: str) -> str:
    """Describes the engine that trains on a device, for a plan's text."""
    reason = lanes_engine.available()
    if device != "cpu":
        return "torch on GPUs; on CPUs lanes where it was built"
    if choose(wanted, device) == "lanes":
        return f"lanes ({lanes_engine.variant()})"
    return "torch" if wanted == "torch" else f"torch, as lanes can't be used: {reason}"
