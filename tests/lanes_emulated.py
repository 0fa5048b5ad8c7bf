"""The lanes kernel for another kind of processor: cross-compiled, and run in an emulator."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np

from sumsquares.jobs.engines.lanes.library import LAYOUTS, MOST_STATE, Library, load

COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
MISSING = [name for name in (COMPILER, EMULATOR) if shutil.which(name) is None]
FLAGS = ["-std=c++17", "-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing", "-static"]


class Emulated:
    """Has the methods of `Library` that `lanes_engine` calls; each call is a process."""

    fused, variant = True, "emulated"

    def __init__(self, folder: Path, layout: str) -> None:
        self._program, self._layout = folder / "lanes", layout
        if not self._program.exists():
            source = Path(__file__).with_suffix(".cpp")
            subprocess.run([COMPILER, *FLAGS, str(source), "-o", str(self._program)], check=True)

    def arrays_of(self, optimizer):
        """Numbers of state that an optimizer keeps per parameter."""
        return load().arrays_of(optimizer)

    def train(self, program, steps, lr_M, decay_M, trained):
        """Trains all models for all steps, in place."""
        missing = MOST_STATE - len(trained.optimizer_state)
        state = [*trained.optimizer_state, *[np.zeros_like(trained.parameters_MP)] * missing]
        head = self._head(program, len(steps.ends_S), steps.x_NI, trained.parameters_MP)
        rates = (steps.lr_factor_S, steps.bias_corrections_2S)
        points = np.array([steps.epoch_rows, trained.losses_ME.shape[1]])
        curves = (points, steps.point_S, trained.losses_ME)
        tail = (steps.y_N, steps.ends_S, *rates, *state, lr_M, decay_M, trained.finite_M, *curves)
        output = self._run(*head, *tail)
        for array in (trained.parameters_MP, *state, trained.finite_M, trained.losses_ME):
            array[...] = np.frombuffer(output, array.dtype, array.size).reshape(array.shape)
            output = output[array.nbytes :]
        assert not output

    def predict(self, program, parameters_MP, x_NI):
        """Returns the normalised predictions [M, N]."""
        output = self._run(*self._head(program, -1, x_NI, parameters_MP))
        return np.frombuffer(output, program.dtype).reshape(len(parameters_MP), len(x_NI))

    def observe_and_solve(self, program, parameters_MP, x_NI, y_N, seen):
        """Adds rows to what is known of the models, in place, and returns the readouts."""
        M, C, _ = seen.triangles_MCC.shape
        sizes = np.array([C, seen.highest_MU.shape[1]], np.int64)
        output = self._run(*self._head(program, -2, x_NI, parameters_MP), y_N, sizes, *vars(seen).values())
        for array in vars(seen).values():
            array[...] = np.frombuffer(output, np.float64, array.size).reshape(array.shape)
            output = output[array.nbytes :]
        return np.frombuffer(output, np.float64).reshape(M, C - 1)

    def _head(self, program, steps, x_NI, parameters_MP):
        native = load()
        assert isinstance(native, Library)  # built from the same lists of names
        kinds = (
            native.activations.index(program.activation),
            native.outputs.index(program.output),
            LAYOUTS.index(self._layout),
            native.optimizers.index(program.optimizer),
            native.losses.index(program.loss),
        )
        shape = [x_NI.itemsize, program.inputs, len(program.hidden), *kinds, steps, len(x_NI), *parameters_MP.shape]
        return np.array([*shape, *program.hidden], np.int64), x_NI, parameters_MP

    def _run(self, *arrays):
        given = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        return subprocess.run([EMULATOR, str(self._program)], input=given, stdout=subprocess.PIPE, check=True).stdout
