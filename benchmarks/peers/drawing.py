"""Draws first weights or predicts, in this process, and prints the seconds and the peak memory as JSON.

Its only argument is a JSON object with the options of `benchmarks/first_weights.py`, and `work` and `by`.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import numpy as np

from sumsquares.jobs.engines import initialize
from sumsquares.jobs.engines.lanes.library import load
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.state import PerModel

SAMPLE_SECONDS = 0.0005
"""Between two looks at the memory of the device."""
KIND = "he_uniform"
Free = Callable[[], int]
"""Free bytes of the device."""


def main() -> None:
    """Measures what is asked for."""
    asked = json.loads(sys.argv[1])
    program = Program(1, tuple(asked["hidden"]), "relu", "adam", "constant", 100, 1, 1000, "float32", 0)
    missing, free = prepared(asked["by"])
    if missing is not None:
        print(json.dumps({"missing": missing}))
        return
    run = drawing(program, asked) if asked["work"] == "weights" else predicting(program, asked)
    forget_peak()
    seconds, digest, before, result = [], None, peak(), None
    with Watched(free) as watched:
        for _ in range(1 + max(1, asked["rounds"])):
            result = None  # the memory of two results would be measured
            began = time.perf_counter()
            result = run()
            seconds.append(time.perf_counter() - began)
        found = {
            "first_s": seconds[0],
            "median_s": statistics.median(seconds[1:]),
            "host_mb": (peak() - before) / 1e6,
            "device_mb": watched.most_mb(),
            "result_mb": result.nbytes / 1e6,
        }
    if asked["work"] == "weights":
        digest = hashlib.sha256(result if isinstance(result, np.ndarray) else result.get()).hexdigest()
    print(json.dumps(found | {"digest": digest}))


def prepared(name: str) -> tuple[str | None, Free | None]:
    """Returns why an engine isn't here, and how much memory its device has left."""
    if name == "numpy":
        initialize.load = lambda: "not asked for"
    if name == "lanes" and isinstance(load(), str):
        return str(load()), None
    if name == "cuda":
        from sumsquares.jobs.engines import cuda_engine

        reason = cuda_engine.available()
        return reason, None if reason else lambda: int(cuda_engine._device().memory()[0])
    if name.startswith("torch"):
        import torch

        torch.set_num_threads(1)
        if name == "torch-gpu":
            has_gpu = torch.cuda.is_available()
            return None if has_gpu else "torch sees no GPU", lambda: int(torch.cuda.mem_get_info()[0])
    return None, None


def drawing(program: Program, asked: dict[str, Any]) -> Callable[[], Any]:
    """Returns a function that draws first weights."""
    seeds, kinds = range(asked["models"]), [KIND] * asked["models"]
    if asked["by"] != "cuda":
        return lambda: initialize.initialize(program, seeds, kinds)
    from sumsquares.jobs.engines import cuda_engine
    from sumsquares.jobs.engines.cuda.weights import initial_parameters

    device = cuda_engine._device()

    def draw() -> Any:
        parameters = initial_parameters(device, program, PerModel(seeds, kinds, (), ()))
        device.synchronize()
        return parameters

    return draw


def predicting(program: Program, asked: dict[str, Any]) -> Callable[[], Any]:
    """Returns a function that predicts, copies of the parameters to the device included."""
    from importlib import import_module

    module = import_module(f"sumsquares.jobs.engines.{asked['by'].removesuffix('-gpu')}_engine")
    device = "cuda" if asked["by"] in ("cuda", "torch-gpu") else "cpu"
    parameters = initialize.initialize(program, range(asked["predicted"]), [KIND] * asked["predicted"])
    x_NI = np.linspace(-1, 1, asked["rows"], dtype=program.dtype)[:, None]
    return lambda: module.predictor(program, parameters, device)(x_NI)


def forget_peak() -> None:
    """Lets the peak of this process begin anew, where the system allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """Returns the peak of this process's memory."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


class Watched:
    """The most memory of a device that was taken beyond what was at the beginning, by looking at it all the time."""

    def __init__(self, free: Free | None) -> None:
        self._free, self._ends = free, threading.Event()
        self._first = self._least = free() if free else 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watched:
        """Begins to watch."""
        if self._free:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends watching."""
        self._ends.set()

    def _watch(self) -> None:
        assert self._free
        while not self._ends.wait(SAMPLE_SECONDS):
            self._least = min(self._least, self._free())

    def most_mb(self) -> float | None:
        """Megabytes; None without a device."""
        return (self._first - self._least) / 1e6 if self._free else None


if __name__ == "__main__":
    main()
