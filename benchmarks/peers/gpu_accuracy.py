"""How far trained weights are from those of the same training in float64, as a share of the way that they moved.

The reference is plain numpy, in float64, and in float32 for comparison: networks of ReLU and a linear output, the mean
squared error, Adam.

Suffixes: M models, S steps, B rows of a batch, I inputs, O outputs of a layer, P parameters of one model.
"""

from itertools import pairwise

import numpy as np

BATCH = 100
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def problem(widths, models, steps, rows, seed=0):
    """Returns first parameters [M, P], batches [S, B, I], targets [S, B] and learning rates [M]."""
    rng, pieces = np.random.default_rng(seed), []
    for below, above in pairwise(widths):
        pieces.append(rng.uniform(-1, 1, (models, below * above)) * np.sqrt(6 / (below + above)))
        pieces.append(rng.uniform(-0.3, 0.3, (models, above)))
    x_SBI = rng.uniform(-1, 1, (steps, rows, widths[0])).astype(np.float32)
    return np.concatenate(pieces, 1).astype(np.float32), x_SBI, x_SBI[..., 0] ** 2, np.linspace(1e-3, 1e-2, models)


def corrections(steps):
    """Adam's bias corrections [2, S], the second one of the root."""
    step_S = np.arange(1, steps + 1)
    return 1 / (1 - BETA1**step_S), 1 / np.sqrt(1 - BETA2**step_S)


def reference(widths, parameters_MP, x_SBI, y_SB, lr_M, dtype):
    """Returns the trained parameters [M, P], computed in a dtype."""
    p_MP = parameters_MP.astype(dtype)
    first_MP, second_MP = np.zeros_like(p_MP), np.zeros_like(p_MP)
    for x_BI, y_B, first, second in zip(x_SBI.astype(dtype), y_SB.astype(dtype), *corrections(len(x_SBI)), strict=True):
        g_MP = gradient(widths, p_MP, x_BI, y_B)
        first_MP += dtype(1 - BETA1) * (g_MP - first_MP)
        second_MP = dtype(BETA2) * second_MP + dtype(1 - BETA2) * g_MP * g_MP
        rate_M1 = (lr_M * first).astype(dtype)[:, None]
        p_MP -= rate_M1 * first_MP / (np.sqrt(second_MP) * dtype(second) + dtype(EPSILON))
    return p_MP


def gradient(widths, p_MP, x_BI, y_B):
    """Returns the gradient [M, P] of the mean squared error."""
    layers, start = [], 0
    for below, above in pairwise(widths):
        w_MIO = p_MP[:, start : start + below * above].reshape(-1, below, above)
        start += (below + 1) * above
        layers.append((w_MIO, p_MP[:, None, start - above : start]))
    active = [np.broadcast_to(x_BI, (len(p_MP), *x_BI.shape))]
    for index, (w_MIO, bias_M1O) in enumerate(layers):
        z_MBO = active[-1] @ w_MIO + bias_M1O
        active.append(z_MBO if index == len(layers) - 1 else np.maximum(z_MBO, 0))
    d_MBO = (active.pop()[..., 0] - y_B)[..., None] * p_MP.dtype.type(2 / len(y_B))
    pieces = []
    for a_MBI, (w_MIO, _) in zip(active[::-1], layers[::-1], strict=True):
        w_gradient = a_MBI.transpose(0, 2, 1) @ d_MBO
        pieces += [d_MBO.sum(1), w_gradient.reshape(len(p_MP), -1)]
        d_MBO = (d_MBO @ w_MIO.transpose(0, 2, 1)) * (a_MBI > 0)
    return np.concatenate(pieces[::-1], 1)


def distances(trained_MP, expected_MP, first_MP):
    """Returns the median, the 90th percentile and the maximum of the models' errors."""
    error_M = np.linalg.norm(trained_MP - expected_MP, axis=1) / np.linalg.norm(expected_MP - first_MP, axis=1)
    return [float(value) for value in np.quantile(error_M, (0.5, 0.9, 1.0))]
