"""Optimizers as functions on flat stacked parameters [M, P]; the formulas and constants are torch.optim's.

Learning rate and weight decay are one number per model [M, 1]. Momentum 0.9, Adam's betas 0.9 and 0.999, RMSprop's
alpha 0.99 and eps 1e-8 are constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sumsquares.jobs.engines.schedule import BETA1, BETA2

MOMENTUM, ALPHA, EPS = 0.9, 0.99, 1e-8

Corrections = tuple[float, float]


class Optimizer(NamedTuple):
    """`update(p, g, slots, scratch, lr_M1, corrections)`: in place; the corrections are Adam's of this step.

    Weight decay is added to the gradient, except where `decoupled` is true.
    """

    update: Callable[[Tensor, Tensor, list[Tensor], Tensor, Tensor, Corrections], object]
    decoupled: bool = False


def _sgd(p: Tensor, g: Tensor, _slots: list[Tensor], _scratch: Tensor, lr_M1: Tensor, _now: Corrections) -> None:
    p.addcmul_(g, lr_M1, value=-1)


def _momentum(p: Tensor, g: Tensor, slots: list[Tensor], _scratch: Tensor, lr_M1: Tensor, _now: Corrections) -> None:
    (velocity,) = slots
    velocity.mul_(MOMENTUM).add_(g)
    p.addcmul_(velocity, lr_M1, value=-1)


def _adam(p: Tensor, g: Tensor, slots: list[Tensor], scratch: Tensor, lr_M1: Tensor, now: Corrections) -> None:
    first, second = slots
    first.lerp_(g, 1 - BETA1)
    second.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
    torch.sqrt(second, out=scratch).mul_(now[1]).add_(EPS)
    torch.div(first, scratch, out=scratch)
    p.addcmul_(scratch, lr_M1, value=-now[0])


def _rmsprop(p: Tensor, g: Tensor, slots: list[Tensor], scratch: Tensor, lr_M1: Tensor, _now: Corrections) -> None:
    (second,) = slots
    second.mul_(ALPHA).addcmul_(g, g, value=1 - ALPHA)
    torch.sqrt(second, out=scratch).add_(EPS)
    torch.div(g, scratch, out=scratch)
    p.addcmul_(scratch, lr_M1, value=-1)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(_sgd),
    "momentum": Optimizer(_momentum),
    "adam": Optimizer(_adam),
    "adamw": Optimizer(_adam, decoupled=True),
    "rmsprop": Optimizer(_rmsprop),
}


def decay(optimizer: Optimizer, p: Tensor, g: Tensor, weight_decay_M1: Tensor, lr_M1: Tensor) -> None:
    """Weight decay, before the update: of the parameters (decoupled) or added to the gradient."""
    if optimizer.decoupled:
        p.mul_(1 - lr_M1 * weight_decay_M1)
    else:
        g.addcmul_(p, weight_decay_M1)
