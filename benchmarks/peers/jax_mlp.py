"""The strongest peer: JAX jit(vmap(scan)) on one core, at its best pack size and memory layout.

Tried and kept, as faster: gradients by hand (those of jax.grad are up to 1.6 times slower here, since it sums
broadcast products where these are matrix-vector products), `relu` by selection, a scan over steps unrolled 5 times,
donated state, Adam with its bias corrections folded into the rate, rows picked by precomputed indices. Tried and
dropped, as slower: the models on the last axis (10 to 50 times; XLA doesn't generate good loops for it), lax.map over
the models, --xla_cpu_prefer_vector_width=512, fast math, a matrix library other than the default.

Suffixes, for one model (vmap adds an axis): B rows of a batch, I inputs, O outputs of a layer; A is either order.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

from functools import partial
from itertools import pairwise

from protocol import Candidate, serve

ROWS, BATCH = 1000, 100
PACKS = (1, 4, 8, 16, 32, 64, 128, 256, 1024)
CHUNK = 100
"""Steps per compiled call: ten epochs."""
LR, BETA1, BETA2, EPSILON = 0.001, 0.9, 0.999, 1e-8


def groups(question):
    """Yields one group per layout (rows or units first) and unrolling (five steps or one)."""
    for layout in ("units x rows", "rows x units"):
        for unroll in (5, 1):
            make = partial(trainer, tuple(question["hidden"]), layout, unroll)
            how = f"{layout}, unroll {unroll}"
            yield [Candidate(how, models, partial(make, models), CHUNK) for models in PACKS]


def dot(a, b, axis_a, axis_b):
    """Contracts one axis of each array."""
    from jax import lax

    return lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ())))


def gradients(layers, x_B, y_B, rows_first):
    """Gradients of one model's mean squared error, by hand: 6 products per weight matrix, the minimum."""
    import jax
    import jax.numpy as jnp

    # the axes of an activation: rows and units
    rows, units = (0, 1) if rows_first else (1, 0)

    def spread(bias_O):
        return bias_O[None, :] if rows_first else bias_O[:, None]

    def outer(units_O, rows_B):
        return rows_B[:, None] * units_O[None, :] if rows_first else units_O[:, None] * rows_B[None, :]

    def times(w_IO, a_A):
        return dot(a_A, w_IO, 1, 0) if rows_first else dot(w_IO, a_A, 0, 0)

    def times_transposed(w_IO, d_A):
        return dot(d_A, w_IO, 1, 1) if rows_first else dot(w_IO, d_A, 1, 0)

    ones_B = jnp.ones_like(x_B)
    (w_IO, bias_O), *inner, (last_IO, last_bias_O) = layers
    active = [jax.nn.relu(outer(w_IO[0], x_B) + spread(bias_O))]
    for w_IO, bias_O in inner:
        active.append(jax.nn.relu(times(w_IO, active[-1]) + spread(bias_O)))
    error_B = (dot(active[-1], last_IO[:, 0], units, 0) + last_bias_O[0] - y_B) * (2 / BATCH)
    found = [(dot(active[-1], error_B, rows, 0)[:, None], error_B.sum()[None])]
    delta_A = jnp.where(active[-1] > 0, outer(last_IO[:, 0], error_B), 0)
    for (w_IO, _), below_A in zip(inner[::-1], active[-2::-1], strict=True):
        found.append((dot(below_A, delta_A, rows, rows), bias_gradient(delta_A, ones_B, rows_first)))
        delta_A = jnp.where(below_A > 0, times_transposed(w_IO, delta_A), 0)
    found.append((dot(delta_A, x_B, rows, 0)[None], bias_gradient(delta_A, ones_B, rows_first)))
    return found[::-1]


def bias_gradient(delta_A, ones_B, rows_first):
    """Sums over the rows, in the way that is faster in this layout."""
    return delta_A.sum(0) if rows_first else dot(delta_A, ones_B, 1, 0)


def adam(layers, gradient, means, squares, step):
    """Returns layers and moments after one hand-written Adam update."""
    import jax
    import jax.numpy as jnp

    correction = jnp.sqrt(1 - BETA2**step)
    rate, epsilon = LR * correction / (1 - BETA1**step), EPSILON * correction
    means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, gradient)
    squares = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, gradient)
    layers = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + epsilon), layers, means, squares)
    return layers, means, squares


def first_layers(hidden, models):
    """Returns Glorot-uniform weights and zero biases."""
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    return [
        (
            jnp.asarray(rng.uniform(-1, 1, (models, i, o)) * np.sqrt(6 / (i + o)), jnp.float32),
            jnp.zeros((models, o), jnp.float32),
        )
        for i, o in pairwise((1, *hidden, 1))
    ]


def trainer(hidden, layout, unroll, models):
    """Returns a function that continues training, in calls of CHUNK steps."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    x_N = jnp.linspace(0.001, 1, ROWS, dtype=jnp.float32)
    y_N = x_N**2

    def train(layers, means, squares, step, order):
        def one(state, rows):
            layers, means, squares, step = state
            gradient = gradients(layers, x_N[rows], y_N[rows], layout == "rows x units")
            return (*adam(layers, gradient, means, squares, step + 1), step + 1), None

        return jax.lax.scan(one, (layers, means, squares, step), order, unroll=unroll)[0]

    compiled = jax.jit(
        jax.vmap(train, in_axes=(0, 0, 0, None, None), out_axes=(0, 0, 0, None)), donate_argnums=(0, 1, 2)
    )
    layers = first_layers(hidden, models)
    state = (layers, jax.tree.map(jnp.zeros_like, layers), jax.tree.map(jnp.zeros_like, layers), jnp.float32(0))
    rng = np.random.default_rng(1)
    epochs = [rng.permutation(ROWS).reshape(-1, BATCH) for _ in range(CHUNK * BATCH // ROWS)]
    order = jnp.asarray(np.concatenate(epochs), jnp.int32)

    def run(steps):
        nonlocal state
        for _ in range(steps // CHUNK):
            state = compiled(*state, order)
        jax.block_until_ready(state)

    return run


if __name__ == "__main__":
    serve(groups)
