"""The laws that the cuda engine keeps, checked on a GPU: `python tests/gpu_laws.py` in a clone, with numpy installed.

With `--emulated` the kernels run on the CPU, on threads that take turns (tests/emulated_gpu), and the cases are fewer.
It prints the device, then each law with its figures, and exits with 1 if one is broken. Each law is a process of its
own, since an error of the device ends a process. With `--sanitizer memcheck`, or another tool of CUDA's
compute-sanitizer, all laws run under it at the same time, with few cases, and one in which it finds an error is broken;
the law that makes an error is left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import bare_clone  # noqa: F401  before whatever imports sumsquares
import gpu_laws_bits as bits
import gpu_laws_numbers as numbers
import gpu_laws_readout as readout
import gpu_sanitizer
import numpy as np
from gpu_cases import Case, every_kind, every_shape
from gpu_checks import Broken
from gpu_compiled import compile_all

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import driver

LAWS: dict[str, Callable[[bool], Iterator[str]]] = {
    "reference": numbers.reference,
    "bits": bits.bits,
    "weights": bits.first_weights,
    "predictions": numbers.predictions,
    "readouts": readout.readouts,
    "measuring": readout.measuring,
    "solved": numbers.solved,
    "divergence": numbers.divergence,
    "curves": numbers.curves,
    "errors": bits.errors,
}
"""By name; each yields lines of figures, and raises Broken."""
LAW_SECONDS = 300
"""A law that takes longer is broken: a kernel may hang."""
SANITIZED_SECONDS = 120
"""Likewise, of one with few cases under compute-sanitizer."""


def main() -> int:
    """Checks the laws that are asked for."""
    options = parsed()
    if options.emulated:
        import emulated_gpu

        emulated_gpu.install()
    if options.spoil:
        return bits.spoil()
    if options.alone:
        return alone(options.law[0], options.whole)
    reason = cuda_engine.available()
    if reason is not None:
        say(f"no GPU to check the laws on: {reason}")
        return 2
    if options.sanitizer and not shutil.which("compute-sanitizer"):
        say("no compute-sanitizer to check the laws with: it comes with the CUDA toolkit, in its folder bin")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        return everything(options)


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emulated", action="store_true", help="on the CPU, and fewer cases")
    parser.add_argument("--whole", action="store_true", help="all cases, also with --emulated or --sanitizer")
    parser.add_argument(
        "--sanitizer", choices=gpu_sanitizer.TOOLS, help="run the laws under compute-sanitizer, with fewer cases"
    )
    parser.add_argument("--law", action="append", choices=LAWS, help="only this one; may be repeated")
    parser.add_argument("--few", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--spoil", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sanitizer and options.law and set(options.law) == {"errors"}:
        parser.error("the law of errors makes an error: it can't be checked under compute-sanitizer")
    options.whole |= not (options.emulated or options.few or options.sanitizer)
    return options


def everything(options: argparse.Namespace) -> int:
    """Prints the machine, and each law with its figures; returns the exit code."""
    device, names = cuda_engine._device(), options.law or list(LAWS)
    if options.sanitizer:
        names = [name for name in names if name != "errors"]
    say(f"{device.name}, {device.architecture}, {device.multiprocessors} multiprocessors; {platform.platform()}")
    say(f"CUDA driver {driver.version()}, Python {platform.python_version()}, numpy {np.__version__}")
    say(compile_all([of for name in names for of in programs(name, options.whole)]))
    flags = ["--emulated"] * options.emulated + ["--whole" if options.whole else "--few"]
    commands = [[sys.executable, __file__, *flags, "--alone", "--law", name] for name in names]
    if options.sanitizer:
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            codes = list(pool.map(partial(sanitized, options.sanitizer), commands))
    else:
        codes = list(map(checked, commands))
    broken = [name for name, code in zip(names, codes, strict=True) if code]
    say(f"\n{len(names) - len(broken)} of {len(names)} laws hold; broken: {', '.join(broken) or 'none'}")
    return int(bool(broken))


def checked(command: list[str]) -> int:
    """Runs the process of a law, and returns its exit code."""
    try:
        return subprocess.run(command, check=False, timeout=LAW_SECONDS).returncode
    except subprocess.TimeoutExpired:
        say(f"  BROKEN: after {LAW_SECONDS} s there is no end")
        return 1


def sanitized(tool: str, command: list[str]) -> int:
    """Runs the process of a law under a tool of compute-sanitizer, and returns its exit code."""
    code, printed = gpu_sanitizer.sanitized(tool, command, SANITIZED_SECONDS)
    say(printed)
    return code


def alone(name: str, is_whole: bool) -> int:
    """Checks one law in this process."""
    began = time.monotonic()
    say(f"\n{name}: {LAWS[name].__doc__}")
    try:
        for line in LAWS[name](is_whole):
            say(f"  {line}")
    except Broken as error:
        say(f"  BROKEN: {error}")
        return 1
    except Exception:
        say(f"  BROKEN:\n{traceback.format_exc()}")
        return 1
    say(f"  holds; {time.monotonic() - began:.1f} s")
    return 0


def programs(law: str, is_whole: bool) -> list[Case]:
    """The cases of the laws that have many, to be compiled at the same time."""
    if law == "reference":
        return [*every_kind(is_whole), *every_shape(is_whole)]
    return bits.for_bits(is_whole) if law == "bits" else []


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)  # noqa: T201  it is what the script is for


if __name__ == "__main__":
    sys.exit(main())
