"""The training of all engines in plain numpy, as a reference: every model of a pack, in any precision.

Nothing here is fast or shared with an engine, except the order of the rows, the first weights and the schedule.

Suffixes: M models, N rows, I inputs, P parameters, O units of a layer, E points of a loss curve.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.engines.schedule import bias_corrections, lr_factors
from sumsquares.jobs.engines.shuffle import batches, in_memory


def _erf(z):
    return np.vectorize(math.erf, otypes=[np.float64])(z).astype(z.dtype)


def _sigmoid(z):
    return (np.tanh(z / 2) + 1) / 2


def _gelu(z):
    return z * (1 + _erf(z * math.sqrt(0.5))) / 2


def _gelu_slope(z):
    return (1 + _erf(z * math.sqrt(0.5))) / 2 + z * np.exp(-z * z / 2) * (2 * math.pi) ** -0.5


ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "leaky_relu": (lambda z: np.where(z > 0, z, z * z.dtype.type(0.01)), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1, np.exp(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "gelu": (_gelu, _gelu_slope),
    "silu": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * (1 - _sigmoid(z)))),
    "square": (lambda z: z * z, lambda z: 2 * z),
}
"""By name: the function, and its derivative, both of z."""
OUTPUTS = {
    name: ACTIVATIONS[kind]
    for name, kind in zip(("linear", "sigmoid", "tanh", "relu"), ("identity", "sigmoid", "tanh", "relu"), strict=True)
}
LOSSES = {
    "mse": (lambda e: e * e, lambda e: 2 * e),
    "mae": (np.abs, np.sign),
    "huber": (lambda e: np.where(np.abs(e) < 1, e * e / 2, np.abs(e) - 0.5), lambda e: np.clip(e, -1, 1)),
}
"""By name: the loss of an error, and its derivative. bce is of the pre-activation and the target."""
OBJECTIVES = [(output, loss) for output in OUTPUTS for loss in LOSSES] + [("sigmoid", "bce")]
"""Pairs of an output activation and a loss that a spec may have."""
OPTIMIZERS = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2, "rmsprop": 1}
"""By name: numbers of state per parameter."""


class Reference(NamedTuple):
    """A training's result."""

    parameters: np.ndarray
    optimizer_state: list[np.ndarray]
    finite_steps: np.ndarray
    losses: np.ndarray
    """[M, E]"""


def first_weights(program, models):
    """Returns the first weights [M, P] of all models, in the program's type."""
    return initialize(program, models.seeds, models.init, models.input_range, models.readout)


def train(program, models, x_NI, y_N, dtype=np.float64):
    """Trains all models in a precision, from the first weights in the program's."""
    parameters = first_weights(program, models).astype(dtype)
    state = [np.zeros_like(parameters) for _ in range(OPTIMIZERS[program.optimizer])]
    finite, losses_ME = np.zeros(len(parameters), np.int64), np.zeros((len(parameters), program.epochs))
    lr_M1, decay_M1 = (np.array(values)[:, None] for values in (models.lr, models.weight_decay))
    rows, step = in_memory(x_NI.astype(dtype), y_N.astype(dtype)), 0
    with np.errstate(all="ignore"):
        for epoch in range(program.epochs):
            for x, y in batches(rows, program.batch_size, program.shuffle_seed, epoch):
                loss_M, gradient = derive(program, parameters, x, y)
                finite += np.isfinite(loss_M)
                losses_ME[:, epoch] += loss_M.astype(np.float64) / program.rows
                rate = (lr_M1 * lr_factors(program.schedule, step, step + 1, program.steps)).astype(dtype)
                corrections = bias_corrections(step, step + 1)[:, 0].astype(dtype)
                _update(program.optimizer, parameters, gradient, state, rate, decay_M1.astype(dtype), corrections)
                step += 1
    return Reference(parameters, state, finite, losses_ME[:, curve_epochs(program.epochs) - 1])


def forward(program, parameters, x_NI):
    """Returns each layer's pre-activations [M, N, O], and the activations that go into it."""
    activation = ACTIVATIONS[program.activation][0]
    into, sums = [np.broadcast_to(x_NI, (len(parameters), *x_NI.shape))], []
    for layer in program.layers:
        weights = parameters[:, layer.weights].reshape(-1, layer.inputs, layer.outputs)
        sums.append(into[-1] @ weights + parameters[:, None, layer.bias])
        into.append(activation(sums[-1]))
    return sums, into


def predict(program, parameters, x_NI):
    """Returns the predictions [M, N]."""
    return OUTPUTS[program.output][0](forward(program, parameters, x_NI)[0][-1][..., 0])


def derive(program, parameters, x_NI, y_N):
    """Returns the sum of the loss over the rows [M], and the gradient of the mean loss [M, P]."""
    sums, into = forward(program, parameters, x_NI)
    z_MN = sums[-1][..., 0]
    output, slope = OUTPUTS[program.output]
    if program.loss == "bce":
        loss_MN = np.maximum(z_MN, 0) - z_MN * y_N + np.log1p(np.exp(-np.abs(z_MN)))
        d_MN = output(z_MN) - y_N
    else:
        loss, derivative = LOSSES[program.loss]
        error_MN = output(z_MN) - y_N
        loss_MN, d_MN = loss(error_MN), derivative(error_MN) * slope(z_MN)
    d_MNO = (d_MN / y_N.dtype.type(len(y_N)))[..., None].astype(parameters.dtype)
    gradient = np.empty_like(parameters)
    for index in reversed(range(len(program.layers))):
        layer = program.layers[index]
        gradient[:, layer.weights] = (into[index].transpose(0, 2, 1) @ d_MNO).reshape(len(parameters), -1)
        gradient[:, layer.bias] = d_MNO.sum(1)
        if index:
            weights = parameters[:, layer.weights].reshape(-1, layer.inputs, layer.outputs)
            d_MNO = (d_MNO @ weights.transpose(0, 2, 1)) * ACTIVATIONS[program.activation][1](sums[index - 1])
            d_MNO = d_MNO.astype(parameters.dtype)
    return loss_MN.sum(1), gradient


def _update(optimizer, p, g, state, rate, decay, corrections):
    """Applies weight decay and one step, in place; the formulas and constants are torch.optim's."""
    number = p.dtype.type
    if optimizer == "adamw":
        p *= 1 - rate * decay
    else:
        g = g + decay * p
    if optimizer == "sgd":
        p -= rate * g
    elif optimizer in ("momentum", "nesterov"):
        state[0][:] = number(0.9) * state[0] + g
        p -= rate * (state[0] if optimizer == "momentum" else g + number(0.9) * state[0])
    elif optimizer == "rmsprop":
        state[0][:] = number(0.99) * state[0] + number(1 - 0.99) * g * g
        p -= rate * g / (np.sqrt(state[0]) + number(1e-8))
    else:
        state[0] += number(1 - 0.9) * (g - state[0])
        state[1][:] = number(0.999) * state[1] + number(1 - 0.999) * g * g
        p -= rate * corrections[0] * state[0] / (np.sqrt(state[1]) * corrections[1] + number(1e-8))
