"""The native library: finds the best variant for this processor, and calls its functions with validated arguments.

setup.py compiles the source for several instruction sets when the package is installed. The results are plain shared
libraries, which need a C++ compiler but not Python's headers. Without a compiler there is no library.

Suffixes: M models, N rows, I inputs, P parameters of one model, S steps, C columns of a triangle, U hidden units,
K weights of the output layer with its bias, E points of a loss curve.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.recipe import Recipe

FOLDER = Path(__file__).parent
VARIANTS = ("baseline", "avx2", "avx512")
"""In the order of `lanes_level`. Variants with fused multiply-add give the same bits; baseline has it on Arm only."""
LAYOUTS = ("faster", "by_model", "by_unit")
"""What a lane of a vector holds: a model or a unit, or whichever is faster. All give the same bits."""
MOST_STATE = 2
"""The most arrays of optimizer state that a call takes, as in optimizers.h."""
FOLD_ROWS = 32
"""Rows that are added to a triangle at a time, as in wide.h."""
_ERRORS = {
    1: (ValueError, "the lanes library refuses these numbers"),
    2: (MemoryError, "not enough memory for this pack"),
}
_SUFFIXES = {"float32": "f32", "float64": "f64"}

Array = NDArray[Any]


@dataclass(frozen=True)
class Steps:
    """Consecutive optimizer steps: their rows in order, and the factors of the learning rate of each."""

    x_NI: Array
    y_N: Array
    ends_S: NDArray[np.int64]
    """Step s is trained on rows ends[s - 1] to ends[s]."""
    lr_factor_S: NDArray[np.float64]
    """The factor of each model's learning rate."""
    bias_corrections_2S: NDArray[np.float64]
    """Adam's bias corrections 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t), where t counts steps from 1."""
    point_S: NDArray[np.int64]
    """The point of the loss curves that the sum of a step's loss is added to; -1: none."""
    epoch_rows: int
    """Rows of an epoch, by which it is divided."""


@dataclass(frozen=True)
class Trained:
    """The arrays that a call changes in place."""

    parameters_MP: Array
    optimizer_state: tuple[Array, ...]
    finite_M: NDArray[np.int64]
    """Steps whose loss was finite."""
    losses_ME: NDArray[np.float64]
    """Points of the loss curves."""

    def models(self, part: slice) -> Trained:
        """Returns a part of the models, as views of the same memory."""
        state = tuple(array[part] for array in self.optimizer_state)
        return Trained(self.parameters_MP[part], state, self.finite_M[part], self.losses_ME[part])


@dataclass(frozen=True)
class Seen:
    """What is known of M models after some rows, which `observe` changes in place.

    C columns: the features of the output layer, a 1 and the target. U hidden units of all layers.
    """

    triangles_MCC: NDArray[np.float64]
    """The triangle R of a QR decomposition of the rows in these columns, zero below its diagonal."""
    highest_MU: NDArray[np.float64]
    """The highest activation of each unit; that of no row is minus infinity, and NaN is left out."""
    saturated_MU: NDArray[np.float64]
    """Rows on which a unit is within 0.02 of an end of its range; 0 for activations other than tanh and sigmoid."""

    @classmethod
    def of_no_rows(cls, program: Program, models: int) -> Seen:
        """Returns what is known before the first row."""
        C, U = program.layers[-1].inputs + 2, sum(program.hidden)
        triangles_MCC, saturated_MU = np.zeros((models, C, C)), np.zeros((models, U))
        return cls(triangles_MCC, np.full((models, U), -np.inf), saturated_MU)

    def models(self, part: slice) -> Seen:
        """Returns a part of the models, as views of the same memory."""
        return Seen(*(array[part] for array in vars(self).values()))


class Library:
    """One loaded variant of the library."""

    def __init__(self, variant: str, path: Path | None = None, layout: str = "faster") -> None:
        """Loads the library.

        Raises:
            OSError: it doesn't exist, can't be loaded, or was built from other sources.

        """
        self.variant, self.layout = variant, layout
        self._functions = ctypes.CDLL(str(path or path_of(variant)))
        if self._text("sources") != sources_digest():
            raise OSError("it was built from another version of its source; install sumsquares again")
        self.activations = tuple(self._text("activations").split(","))
        """Names of the activations; the index of each is its number in the kernel, here and below."""
        self.outputs = tuple(self._text("outputs").split(","))
        self.optimizers = tuple(self._text("optimizers").split(","))
        self.losses = tuple(self._text("losses").split(","))

    def _text(self, name: str) -> str:
        """Returns the text of a function without arguments; "" if the library is so old that it lacks the function."""
        function = getattr(self._functions, f"lanes_{name}", None)
        if function is None:
            return ""
        function.restype = ctypes.c_char_p
        return str(function().decode())

    def arrays_of(self, optimizer: str) -> int:
        """Arrays of state that an optimizer keeps: numbers per parameter."""
        return int(
            self._functions.lanes_optimizer_state(ctypes.c_int64(_place(self.optimizers, "optimizer", optimizer)))
        )

    @property
    def fused(self) -> bool:
        """Whether multiply-add is rounded once."""
        return bool(self._functions.lanes_fused())

    @property
    def level(self) -> int:
        """The best variant that this processor supports, as an index of `VARIANTS`."""
        return int(self._functions.lanes_level())

    def train(
        self,
        program: Program,
        steps: Steps,
        lr_M: NDArray[np.float64],
        decay_M: NDArray[np.float64],
        trained: Trained,
    ) -> None:
        """Trains all models for all steps, in place.

        Raises:
            ValueError: an array's shape or dtype doesn't match the program and the other arrays.
            MemoryError: there is not enough memory for the activations.

        """
        # The kernel can't know the lengths of the arrays: with a wrong one it would read or write beyond their ends.
        kind, (M, N, S) = program.dtype, (len(lr_M), len(steps.y_N), len(steps.ends_S))
        _check("x", steps.x_NI, kind, (N, program.inputs))
        _check("y", steps.y_N, kind, (N,))
        _check("ends", steps.ends_S, "int64", (S,))
        _check("lr_factor", steps.lr_factor_S, "float64", (S,))
        _check("bias_corrections", steps.bias_corrections_2S, "float64", (2, S))
        _check("point", steps.point_S, "int64", (S,))
        _check("lr", lr_M, "float64", (M,))
        _check("decay", decay_M, "float64", (M,))
        _check("finite", trained.finite_M, "int64", (M,))
        _check("losses", trained.losses_ME, "float64", (M, trained.losses_ME.shape[-1]))
        for array in (trained.parameters_MP, *trained.optimizer_state):
            _check("parameters", array, kind, (M, program.parameters))
        arrays = self.arrays_of(program.optimizer)
        if len(trained.optimizer_state) != arrays or (S and steps.ends_S[-1] > N):
            raise ValueError(f"{program.optimizer} has {arrays} arrays of state, and no step ends after row {N}")

        state = [_pointer(array) for array in trained.optimizer_state] + [None] * (MOST_STATE - arrays)
        self._call(
            f"lanes_train_{_SUFFIXES[kind]}",
            *self._shape(program),
            ctypes.c_int64(_place(self.optimizers, "optimizer", program.optimizer)),
            ctypes.c_int64(_place(self.losses, "loss", program.loss)),
            ctypes.c_int64(S),
            *map(_pointer, (steps.ends_S, steps.x_NI, steps.y_N, steps.lr_factor_S, *steps.bias_corrections_2S)),
            _pointer(steps.point_S),
            ctypes.c_int64(steps.epoch_rows),
            ctypes.c_int64(M),
            _pointer(trained.parameters_MP),
            *state,
            *map(_pointer, (lr_M, decay_M, trained.finite_M)),
            ctypes.c_int64(trained.losses_ME.shape[1]),
            _pointer(trained.losses_ME),
        )

    def costs(self, program: Program) -> tuple[float, float]:
        """Returns what a step costs in processor cycles, by which the kernel chooses the layout.

        First as many models as a vector has lanes, with one in each lane, then one model alone.

        Raises:
            ValueError: the program has no hidden layers, so that there is only one layout.

        """
        group, alone = ctypes.c_double(), ctypes.c_double()
        self._call(
            f"lanes_costs_{_SUFFIXES[program.dtype]}",
            *self._shape(program),
            ctypes.c_int64(program.batch_size),
            ctypes.byref(group),
            ctypes.byref(alone),
        )
        return group.value, alone.value

    def predict(self, program: Program, parameters_MP: Array, x_NI: Array) -> Array:
        """Returns the normalised predictions [M, N], in the program's dtype.

        Raises:
            ValueError: an array's shape or dtype doesn't match the program.
            MemoryError: there is not enough memory for the activations.

        """
        M, N = len(parameters_MP), len(x_NI)
        _check("parameters", parameters_MP, program.dtype, (M, program.parameters))
        _check("x", x_NI, program.dtype, (N, program.inputs))
        predictions_MN = np.empty((M, N), program.dtype)
        self._call(
            f"lanes_predict_{_SUFFIXES[program.dtype]}",
            *self._shape(program),
            ctypes.c_int64(N),
            _pointer(x_NI),
            ctypes.c_int64(M),
            _pointer(parameters_MP),
            _pointer(predictions_MN),
        )
        return predictions_MN

    def initialize(self, program: Program, recipe: Recipe, parameters_MP: Array) -> None:
        """Writes the initial parameters of all models.

        Raises:
            ValueError: an array's shape or dtype doesn't match the program and the other arrays.
            MemoryError: there is not enough memory for the draws of a layer whose knots are spread.

        """
        M, I, L = len(recipe.seeds_M), program.inputs, len(program.layers)  # noqa: E741
        _check("parameters", parameters_MP, program.dtype, (M, program.parameters))
        _check("seeds", recipe.seeds_M, "uint64", (M,))
        _check("kind", recipe.kind_M, "int64", (M,))
        _check("bounds", recipe.bounds_KL2, "float64", (len(recipe.bounds_KL2), L, 2))
        _check("rise", recipe.rise_M, "float64", (M,))
        inputs = (recipe.low_I, recipe.high_I, recipe.share_I)
        for array in inputs:
            _check("range", array, "float64", (I,))
        _check("knots", recipe.knot_H, "float64", program.hidden[:1] or (0,))
        self._call(
            f"lanes_initialize_{_SUFFIXES[program.dtype]}",
            *self._widths(program),
            *map(ctypes.c_int64, (0, 0, 0)),  # of any activation, output and layout
            ctypes.c_int64(M),
            _pointer(recipe.seeds_M),
            ctypes.c_int64(len(recipe.bounds_KL2)),
            *map(_pointer, (recipe.kind_M, recipe.bounds_KL2, recipe.rise_M, *inputs, recipe.knot_H, parameters_MP)),
        )

    def observe(
        self,
        program: Program,
        parameters_MP: NDArray[np.float64],
        x_NI: NDArray[np.float64],
        y_N: NDArray[np.float64],
        seen: Seen,
    ) -> None:
        """Adds rows to what is known of the models of a float64 program, in place.

        The bits don't depend on how the rows are divided among calls, if all calls but the last have a multiple of
        `FOLD_ROWS`.

        Raises:
            ValueError: an array's shape or dtype doesn't match the program, or the program isn't a float64 one.
            MemoryError: there is not enough memory for the activations.

        """
        M, N, C, U = len(parameters_MP), len(y_N), program.layers[-1].inputs + 2, sum(program.hidden)
        _check("parameters", parameters_MP, "float64", (M, program.parameters))
        _check("x", x_NI, "float64", (N, program.inputs))
        _check("y", y_N, "float64", (N,))
        _check("triangles", seen.triangles_MCC, "float64", (M, C, C))
        for array in (seen.highest_MU, seen.saturated_MU):
            _check("units", array, "float64", (M, U))
        self._call(
            "lanes_observe_f64",
            *self._shape(program),
            ctypes.c_int64(N),
            *map(_pointer, (x_NI, y_N)),
            ctypes.c_int64(M),
            *map(_pointer, (parameters_MP, seen.triangles_MCC, seen.highest_MU, seen.saturated_MU)),
        )

    def solve(self, rows: int, triangles_MCC: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the weights and bias [M, C - 1] that fit the rows of triangles best, those of the smallest norm.

        Singular values below epsilon x max(rows, C - 1) x the largest count as zero. A model whose triangle isn't
        finite has NaN.

        Raises:
            ValueError: the triangles aren't square, or not float64 in one piece.
            MemoryError: there is not enough memory for a few triangles.

        """
        M, C = triangles_MCC.shape[0], triangles_MCC.shape[-1]
        _check("triangles", triangles_MCC, "float64", (M, C, C))
        readout_MK = np.empty((M, max(C - 1, 0)))
        if int(self._functions.lanes_wide_columns()) <= C:
            for triangle_CC, readout_K in zip(triangles_MCC, readout_MK, strict=True):
                self._solve_wide(rows, triangle_CC, readout_K)
            return readout_MK
        self._call(
            "lanes_solve_f64",
            *map(ctypes.c_int64, (rows, C, M)),
            *map(_pointer, (triangles_MCC, readout_MK)),
        )
        return readout_MK

    def _solve_wide(self, rows: int, triangle_CC: NDArray[np.float64], readout_K: NDArray[np.float64]) -> None:
        """Solves the readout of one model by many short calls, so that signals are handled: it may take minutes."""
        K, parts = len(readout_K), int(self._functions.lanes_solve_parts())
        rows_KL = np.zeros((K, -(-K // parts) * parts))
        rows_KL[:, :K] = triangle_CC[:K, :K]
        targets_K, squares_K, place = triangle_CC[:K, K].copy(), np.zeros(K), np.zeros(3, np.int64)
        while place[0] >= 0:
            self._call(
                "lanes_solve_wide_f64",
                *map(ctypes.c_int64, (rows, *rows_KL.shape)),
                *map(_pointer, (rows_KL, targets_K, squares_K, place, readout_K)),
            )

    def _widths(self, program: Program) -> tuple[Any, ...]:
        hidden = np.array(program.hidden, np.int64)
        pointer = hidden.ctypes.data_as(ctypes.c_void_p)  # keeps the array alive
        return ctypes.c_int64(program.inputs), ctypes.c_int64(len(hidden)), pointer

    def _shape(self, program: Program) -> tuple[Any, ...]:
        return (
            *self._widths(program),
            ctypes.c_int64(_place(self.activations, "activation", program.activation)),
            ctypes.c_int64(_place(self.outputs, "output", program.output)),
            ctypes.c_int64(LAYOUTS.index(self.layout)),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the library without holding the interpreter lock."""
        code = getattr(self._functions, name)(*arguments)
        if code:
            kind, message = _ERRORS[code]
            raise kind(message)  # a new exception each time: its traceback keeps the arrays of its frames alive


def path_of(variant: str) -> Path:
    """The path of a variant's library."""
    return FOLDER / f"lanes_{variant}.so"


def sources_digest() -> str:
    """SHA-256 of the sources on disk, which setup.py also compiles into the libraries.

    In a checkout that was updated but not built again the two differ.
    """
    sources = [FOLDER / "lanes.cpp", *sorted(FOLDER.glob("*.h"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


@lru_cache(maxsize=1)
def load() -> Library | str:
    """Returns the best library for this processor, or the reason why there is none."""
    try:
        library = Library(VARIANTS[0])
        for variant in VARIANTS[library.level : 0 : -1]:
            with suppress(
                OSError
            ):  # a compiler without AVX-512 doesn't build it, and may leave an outdated one in place
                return Library(variant)
        return library
    except OSError as error:
        built = any(path_of(variant).exists() for variant in VARIANTS)
        return (
            str(error) if built else "it was not built, since there was no C++ compiler when sumsquares was installed"
        )


def _place(names: Sequence[str], kind: str, name: str) -> int:
    """Returns the number by which the kernel knows a name."""
    if name not in names:
        raise ValueError(
            f"the lanes kernel has no {kind} {name!r}, only {', '.join(names)}; CONTRIBUTING says how to add it"
        )
    return names.index(name)


def _check(name: str, array: Array, kind: str, shape: tuple[int, ...]) -> None:
    if array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name}: {kind}{list(shape)} in one piece, not {array.dtype}{list(array.shape)}")


def _pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
