"""The losses of the torch engine, and their derivative with respect to the last pre-activations.

A loss compares normalised predictions with normalised targets. The constants are torch.nn.functional's.

Suffixes: M models, N rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sumsquares.jobs.engines.activations import OUTPUTS
from sumsquares.jobs.engines.program import Program


class Loss(NamedTuple):
    """A loss of one row: of its error, the prediction minus the target; or of the pre-activation and the target.

    `slope` turns the error, in place, into a `factor`-th of the loss's derivative with respect to the prediction.
    """

    value: Callable[[Tensor, Tensor], Tensor]
    """Of the error and the target, or of the pre-activation and the target; a new tensor."""
    slope: Callable[[Tensor], object]
    factor: float = 1.0
    of_logits: bool = False
    """Whether `value` is of the pre-activation, and `slope` of the derivative with respect to that."""


def _huber(error: Tensor, _target: Tensor) -> Tensor:
    """error^2 / 2 up to an error of 1, |error| - 1/2 from there on."""
    near = torch.clamp(error, -1.0, 1.0)
    return near.mul(-0.5).add_(error).mul_(near)


def _bce(z: Tensor, target: Tensor) -> Tensor:
    """-t ln s(z) - (1 - t) ln(1 - s(z)) for the logistic function s, in a form that neither cancels nor overflows."""
    return z.abs().neg_().exp_().log1p_().add_(z.relu()).sub_(z * target)


LOSSES: dict[str, Loss] = {
    "mse": Loss(lambda error, _target: error.square(), lambda _error: None, factor=2.0),
    "mae": Loss(lambda error, _target: error.abs(), lambda error: error.sign_()),
    "huber": Loss(_huber, lambda error: error.clamp_(-1.0, 1.0)),
    "bce": Loss(_bce, lambda _error: None, of_logits=True),
}
"""By the name in a job spec."""


class Objective:
    """The output activation and the loss of a program."""

    def __init__(self, program: Program) -> None:
        self._output, self._loss = OUTPUTS[program.output], LOSSES[program.loss]
        assert program.output == "sigmoid" or not self._loss.of_logits, (program.output, program.loss)

    def derive(self, z_MN: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the sum of the loss over the rows [M], and the mean loss's derivative [M, N] with respect to z.

        It overwrites z, the pre-activations of the output.
        """
        output, loss = self._output, self._loss
        if loss.of_logits:
            losses_MN = loss.value(z_MN, y_N)
            output.forward(z_MN, z_MN)
            d_MN = z_MN.sub_(y_N)
        else:
            output.forward(z_MN, z_MN)
            d_MN = z_MN - y_N
            losses_MN = loss.value(d_MN, y_N)
        loss.slope(d_MN)
        d_MN.mul_(loss.factor / len(y_N))
        if not loss.of_logits:
            output.backward(d_MN, z_MN, z_MN)
        return losses_MN.sum(1), d_MN
