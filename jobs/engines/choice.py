"""Which engine trains: a rule of the device, of what is installed, and of what the spec says. It imports no engine.

Never of pack mates or of how busy a machine is: a trial that is trained again is trained by the same engine. On CPUs
lanes was the faster one for every shape measured, from 16 to 512 units (docs/LOG.md); torch serves GPUs, and
machines where lanes could not be built.
"""

from __future__ import annotations

import importlib
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.engines import lanes_engine


class EngineMissing(ValueError):  # noqa: N818  what is the case, as DamagedShard and others
    """The engine that a spec asks for can't be used here."""

    exit_code = exits.USAGE


def choose(wanted: str, device: str) -> str:
    """The name of the engine that trains on a device: torch or lanes.

    Raises:
        EngineMissing: lanes is asked for by name and is not there; why.

    """
    if wanted == "torch" or device != "cpu":
        return "torch"
    reason = lanes_engine.available()
    if reason is not None and wanted == "lanes":
        remedy = 'write engine = "auto", or install sumsquares again where there is a C++ compiler'
        raise EngineMissing(f'engine = "lanes": {reason}; {remedy}')
    return "torch" if reason is not None else "lanes"


def engine(name: str) -> Any:
    """The engine's module, set up in this process: it has `train` and `predictor`."""
    module = importlib.import_module(f"sumsquares.jobs.engines.{name}_engine")
    module.prepare()
    return module


def recorded(name: str) -> str:
    """The engine as a result names it: lanes-unfused has other bits than lanes, and is for processors before 2013."""
    return name if name != "lanes" or lanes_engine.fused() else "lanes-unfused"


def in_words(wanted: str, device: str) -> str:
    """The rule and what it comes to here, for people."""
    reason = lanes_engine.available()
    if device != "cpu":
        return "torch on GPUs; on CPUs lanes where it was built"
    if choose(wanted, device) == "lanes":
        return f"lanes ({lanes_engine.variant()})"
    return "torch" if wanted == "torch" else f"torch, as lanes can't be used: {reason}"
