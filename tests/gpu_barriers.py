"""Takes each barrier out of the kernels in turn, and says whether the emulated GPU finds the race: run it by hand.

`python tests/gpu_barriers.py` prints a line for each barrier, and exits with 1 if one is missed that isn't listed
as not needed. `python tests/gpu_barriers.py forward.cuh 116` takes out that of one line. It takes some three minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import bare_clone  # noqa: F401  before whatever imports sumsquares
import emulated_gpu
import gpu_laws_readout
import numpy as np
from gpu_cases import Case, case
from gpu_checks import trained

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import compiler, driver
from sumsquares.jobs.engines.cuda.source import FOLDER

BARRIER = re.compile(r"(?<!DEV void )\b(__sync\w+|sync_model|copied)\(\);")
NETWORK = (
    case(((9,), 5, 8, 24), models=2, epochs=1),
    case(((8, 5, 6), 1, 8, 24), models=2, epochs=1),
    case(((33, 17, 20), 6, 100, 130), models=2, epochs=1),
    case(((7, 6), 2, 1501, 1501), models=1, epochs=2),
    case(((64, 64), 1, 100, 150), models=1, epochs=2),
)
LINEAR = (case(((), 40, 33, 70), models=2, epochs=1),)
SPARE = {"observe.cuh": 2}
"""How many aren't needed: those around a tile, since the tile ends with barriers of its own."""
OTHERS = {"linear.cuh", "errors.cuh", "features.cuh", "observe.cuh", "solve.cuh", "answers.cuh"}


def main() -> int:
    """Takes out one barrier, or each in its turn."""
    if len(sys.argv) > 1:
        return without(sys.argv[1], int(sys.argv[2]))
    os.environ |= emulated_gpu.environment() | {"EMULATED_RACES": "1"}
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(tried, places := barriers()))
    missed = Counter(name for (name, _), code in zip(places, codes, strict=True) if code)
    return int(missed != SPARE)


def barriers() -> list[tuple[str, int]]:
    """The files and lines of all barriers."""
    return [
        (file.name, number)
        for file in sorted(FOLDER.glob("*.cuh"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if BARRIER.search(line)
    ]


def tried(place: tuple[str, int]) -> int:
    """Takes one out in a process of its own, and prints what became of it."""
    command = [sys.executable, __file__, place[0], str(place[1])]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = answer.stdout.strip().splitlines() or answer.stderr.strip().splitlines()[-1:]
    sys.stdout.write(f"{place[0]}:{place[1]}: {lines[-1] if lines else answer.returncode}\n")
    sys.stdout.flush()
    return answer.returncode


def without(name: str, number: int) -> int:
    """Runs kernels without a barrier; returns 0 if a race is found."""
    os.environ["EMULATED_RACES"] = "1"
    emulated_gpu.install()
    before = (FOLDER / name).read_text()
    lines = before.split("\n")
    if number:
        lines[number - 1] = BARRIER.sub(";", lines[number - 1])
    after, compiled = "\n".join(lines), compiler.compiled
    compiler.compiled = lambda source, architecture: compiled(source.replace(before, after), architecture)
    try:
        for order in ("0", "1"):  # a race of writes is none if they write the same, which may depend on it
            os.environ["EMULATED_ORDER"] = order
            exercise(name)
    except driver.CudaError as error:
        sys.stdout.write(f"{error}\n")
        return 0
    sys.stdout.write("NOT FOUND\n")
    return 1


def exercise(name: str) -> None:
    """Runs the kernels that have a file."""
    for of in LINEAR if name == "linear.cuh" else () if name in OTHERS else NETWORK:
        train_and_predict(of)
    if name == "errors.cuh":
        list(gpu_laws_readout.measuring(False))
    elif name in OTHERS:
        gpu_laws_readout.bits_of("tanh")
        observe_infinite()


def observe_infinite() -> None:
    """Solves readouts that have none."""
    program = gpu_laws_readout.program_of("tanh", 1, (40,), 70)
    parameters = np.full_like(gpu_laws_readout.parameters_of(program, 2), np.nan)
    gpu_laws_readout.observed(program, parameters, *gpu_laws_readout.rows_of(1, (40,), 70))


def train_and_predict(of: Case) -> None:
    """Trains a case, and predicts more rows than a block has at a time."""
    state = trained(of)
    cuda_engine.predictor(of.program, state.parameters)(np.resize(of.rows[0], (700, of.program.inputs)))


if __name__ == "__main__":
    sys.exit(main())
