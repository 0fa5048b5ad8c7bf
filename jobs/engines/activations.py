"""Activations of the torch engine: the function on stacked tensors, its derivative, and the module for an export.

Each gives the same bits whatever the number of models in the tensor. torch's own sigmoid and gelu don't on CPUs, since
their vector tails round differently. They are therefore built from tanh, erf and exp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ops = torch.ops.aten
LEAK = 0.01
"""Slope of leaky_relu below zero: torch's default."""


class Activation(NamedTuple):
    """`forward(z, a)` writes the activation of z to a; `backward(grad, z, a)` turns dL/da into dL/dz, in place of grad.

    `module` is the same function for a torch.nn.Sequential. Where `in_place` is true, z and a are the same tensor,
    since backward needs only a.
    """

    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor], object]
    module: type[nn.Module]
    in_place: bool = True


class Square(nn.Module):
    """The elementwise square."""

    def forward(self, x: Tensor) -> Tensor:
        """The square of x, any shape."""
        return x * x


def _sigmoid(z: Tensor, a: Tensor) -> None:
    """sigmoid(z) = (1 + tanh(z/2)) / 2."""
    torch.mul(z, 0.5, out=a).tanh_().mul_(0.5).add_(0.5)


def _gelu(z: Tensor, a: Tensor) -> None:
    """z Phi(z), where Phi is the standard normal CDF (Hendrycks and Gimpel 2016), without the tanh approximation."""
    torch.mul(z, math.sqrt(0.5), out=a).erf_().add_(1.0).mul_(0.5).mul_(z)


def _gelu_backward(grad: Tensor, z: Tensor, _a: Tensor) -> None:
    distribution = torch.mul(z, math.sqrt(0.5)).erf_().add_(1.0).mul_(0.5)
    density = torch.mul(z, z).mul_(-0.5).exp_().mul_((2 * math.pi) ** -0.5)
    grad.mul_(distribution.addcmul_(z, density))


def _silu(z: Tensor, a: Tensor) -> None:
    _sigmoid(z, a)
    a.mul_(z)


def _silu_backward(grad: Tensor, z: Tensor, a: Tensor) -> None:
    """d(z s)/dz = s + a (1 - s), where s = sigmoid(z)."""
    s = torch.empty_like(z)
    _sigmoid(z, s)
    grad.mul_(torch.sub(1.0, s).mul_(a).add_(s))


def _elu(z: Tensor, a: Tensor) -> None:
    """z above zero, e^z - 1 below; torch's own rounds differently in vector tails."""
    above = torch.relu(z)
    torch.clamp(z, max=0.0, out=a).expm1_().add_(above)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda _z, _a: None, lambda _grad, _z, _a: None, nn.Identity),
    "relu": Activation(
        lambda z, _a: z.relu_(),
        lambda grad, _z, a: _ops.threshold_backward.grad_input(grad, a, 0, grad_input=grad),
        nn.ReLU,
    ),
    "leaky_relu": Activation(
        lambda z, _a: F.leaky_relu_(z, LEAK),
        lambda grad, _z, a: _ops.leaky_relu_backward.grad_input(grad, a, LEAK, True, grad_input=grad),
        nn.LeakyReLU,
    ),
    "elu": Activation(_elu, lambda grad, _z, a: grad.mul_(torch.clamp(a, max=0.0).add_(1.0)), nn.ELU),
    "tanh": Activation(
        lambda z, _a: z.tanh_(),
        lambda grad, _z, a: _ops.tanh_backward.grad_input(grad, a, grad_input=grad),
        nn.Tanh,
    ),
    "sigmoid": Activation(
        _sigmoid,
        lambda grad, _z, a: _ops.sigmoid_backward.grad_input(grad, a, grad_input=grad),
        nn.Sigmoid,
    ),
    "gelu": Activation(_gelu, _gelu_backward, nn.GELU, in_place=False),
    "silu": Activation(_silu, _silu_backward, nn.SiLU, in_place=False),
    "square": Activation(
        lambda z, a: torch.mul(z, z, out=a),
        lambda grad, z, _a: grad.mul_(z).mul_(2.0),
        Square,
        in_place=False,
    ),
}
"""By the name in a job spec."""
OUTPUTS: dict[str, Activation] = {
    "linear": ACTIVATIONS["identity"],
    "sigmoid": ACTIVATIONS["sigmoid"],
    "tanh": ACTIVATIONS["tanh"],
    "relu": ACTIVATIONS["relu"],
}
"""Activations of the output layer, by the name in a job spec; all of them are computed in place."""
assert all(output.in_place for output in OUTPUTS.values())
assert nn.LeakyReLU().negative_slope == LEAK
