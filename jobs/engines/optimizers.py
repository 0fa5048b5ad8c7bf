"""Optimizers as functions on flat stacked parameters [M, P]; the formulas and constants are torch.optim's.

Learning rate and weight decay have one number per model [M, 1]. The constants are momentum 0.9, Adam's betas 0.9 and
0.999, RMSprop's alpha 0.99, and eps 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sumsquares.jobs.engines.schedule import BETA1, BETA2

MOMENTUM, ALPHA, EPS = 0.9, 0.99, 1e-8

BiasCorrections = tuple[float, float]


class Optimizer(NamedTuple):
    """An optimizer's step, and the size of its state.

    `update(p, g, state, scratch, lr_M1, bias_corrections)` works in place; only Adam uses its bias corrections of the
    step. Weight decay is added to the gradient, except where `decoupled` is true.
    """

    update: Callable[[Tensor, Tensor, list[Tensor], Tensor, Tensor, BiasCorrections], object]
    arrays: int
    """Tensors [M, P] of `state`: numbers per parameter."""
    decoupled: bool = False


def _sgd(
    p: Tensor, g: Tensor, _state: list[Tensor], _scratch: Tensor, lr_M1: Tensor, _bias_corrections: BiasCorrections
) -> None:
    p.addcmul_(g, lr_M1, value=-1)


def _momentum(
    p: Tensor, g: Tensor, state: list[Tensor], _scratch: Tensor, lr_M1: Tensor, _bias_corrections: BiasCorrections
) -> None:
    (velocity,) = state
    velocity.mul_(MOMENTUM).add_(g)
    p.addcmul_(velocity, lr_M1, value=-1)


def _nesterov(
    p: Tensor, g: Tensor, state: list[Tensor], scratch: Tensor, lr_M1: Tensor, _bias_corrections: BiasCorrections
) -> None:
    (velocity,) = state
    velocity.mul_(MOMENTUM).add_(g)
    p.addcmul_(torch.add(g, velocity, alpha=MOMENTUM, out=scratch), lr_M1, value=-1)


def _adam(
    p: Tensor, g: Tensor, state: list[Tensor], scratch: Tensor, lr_M1: Tensor, bias_corrections: BiasCorrections
) -> None:
    first, second = state
    first.lerp_(g, 1 - BETA1)
    second.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
    torch.sqrt(second, out=scratch).mul_(bias_corrections[1]).add_(EPS)
    torch.div(first, scratch, out=scratch)
    p.addcmul_(scratch, lr_M1, value=-bias_corrections[0])


def _rmsprop(
    p: Tensor, g: Tensor, state: list[Tensor], scratch: Tensor, lr_M1: Tensor, _bias_corrections: BiasCorrections
) -> None:
    (second,) = state
    second.mul_(ALPHA).addcmul_(g, g, value=1 - ALPHA)
    torch.sqrt(second, out=scratch).add_(EPS)
    torch.div(g, scratch, out=scratch)
    p.addcmul_(scratch, lr_M1, value=-1)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(_sgd, arrays=0),
    "momentum": Optimizer(_momentum, arrays=1),
    "nesterov": Optimizer(_nesterov, arrays=1),
    "adam": Optimizer(_adam, arrays=2),
    "adamw": Optimizer(_adam, arrays=2, decoupled=True),
    "rmsprop": Optimizer(_rmsprop, arrays=1),
}
"""By the name in a job spec."""


def decay(optimizer: Optimizer, p: Tensor, g: Tensor, weight_decay_M1: Tensor, lr_M1: Tensor) -> None:
    """Applies weight decay before the update: to the parameters if decoupled, otherwise to the gradient."""
    if optimizer.decoupled:
        p.mul_(1 - lr_M1 * weight_decay_M1)
    else:
        g.addcmul_(p, weight_decay_M1)
