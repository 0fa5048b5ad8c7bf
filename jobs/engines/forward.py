"""The forward pass of stacked networks for predictions: it keeps nothing for a gradient, and works in bounded memory.

Its bits are those of `Network.forward` on CPUs, where a model's do not depend on how many are computed at once.

Suffixes: M models, N rows, I inputs of a layer, O outputs of a layer, P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.network import affine, views, widest
from sumsquares.jobs.engines.program import Program

CPU_BYTES, GPU_BYTES = 1 << 22, 1 << 28
"""Memory for the activations of the models that are computed at once, or for those of one model."""


def predictions(program: Program, parameters_MP: Tensor, x_NI: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yields predictions [M, N] of some models after others, with their places; the next ones overwrite them."""
    M, N, wide = len(parameters_MP), len(x_NI), widest(program)
    limit = CPU_BYTES if parameters_MP.device.type == "cpu" else GPU_BYTES
    size = max(1, min(M, limit // max(1, 2 * N * wide * parameters_MP.element_size())))
    memory = parameters_MP.new_empty((2, size * N * wide))
    for first in range(0, M, size):
        part = slice(first, min(first + size, M))
        yield part, _forward(program, parameters_MP[part], x_NI, (memory[0], memory[1]))


def _forward(program: Program, parameters_MP: Tensor, x_NI: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor:
    """Returns predictions [M, N]. Activations lie in one part of the memory, and the next layer's in the other."""
    M, N = len(parameters_MP), len(x_NI)
    activation, (free, used) = ACTIVATIONS[program.activation], memory
    h = x_NI
    for index, (w_MIO, b_M1O) in enumerate(views(program, parameters_MP)):
        O = w_MIO.shape[2]  # noqa: E741
        z_MNO = free[: M * N * O].view(M, N, O)
        affine(h, w_MIO, b_M1O, z_MNO, used)  # scratch: nobody needs the layer's inputs after it
        free, used = used, free
        if index == len(program.hidden):
            OUTPUTS[program.output].forward(z_MNO, z_MNO)
            return z_MNO.squeeze(2)
        h = z_MNO
        if not activation.in_place:
            h = free[: M * N * O].view(M, N, O)
            free, used = used, free
        activation.forward(z_MNO, h)
    raise AssertionError("a network has an output layer")
