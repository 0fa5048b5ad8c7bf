"""JAX jit(vmap(scan)) on a GPU: gradients by hand or by jax.grad, rows or units first, in float32 or TF32.

Its only argument is a JSON object: "networks" (lists of hidden widths), "models", "steps" of one call, and "cpu",
whether it may run on the CPU where there is no GPU. It prints a line of JSON per variant: seconds of three calls, and
of the first, which compiles. "float32" is the precision "highest"; by default JAX rounds the operands of products to
TF32's 11 bits. Gradients by hand and Adam are those of jax_mlp.py.
"""

import json
import sys
import time
from functools import partial

from gpu_entry import say
from jax_mlp import BATCH, ROWS, adam, first_layers, gradients

VARIANTS = (
    ("by hand, rows x units", "highest"),
    ("jax.grad", "highest"),
    ("by hand, units x rows", "highest"),
    ("by hand, rows x units", "default"),
)
"""How gradients are computed, and the precision of products; what is most likely to be the fastest comes first."""
ROUNDS = 3


def main():
    """Measures every variant of every network."""
    question = json.loads(sys.argv[1])
    import jax

    device = jax.devices()[0]
    print(json.dumps({"about": {"jax": jax.__version__, "device of jax": device.device_kind}}), flush=True)
    if device.platform != "gpu" and not question["cpu"]:
        sys.exit("JAX sees no GPU")
    for how, precision in VARIANTS:
        for hidden in question["networks"]:
            with jax.default_matmul_precision(precision):
                say(
                    hidden,
                    f"{how}, {'float32' if precision == 'highest' else 'TF32'}",
                    partial(measured, tuple(hidden), how, question["models"], question["steps"]),
                )


def measured(hidden, how, models, steps):
    """Returns the seconds of the first call, and of ROUNDS more."""
    run = trainer(hidden, how, models, steps)
    first, *others = (timed(run) for _ in range(ROUNDS + 2))
    return {"first": first, "seconds": others[1:], "steps": steps}


def timed(run):
    """Seconds of a call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def by_grad(layers, x_B, y_B):
    """Gradients of one model's mean squared error, by jax.grad."""
    import jax

    def loss(layers):
        a = x_B[:, None]
        for index, (w_IO, bias_O) in enumerate(layers):
            z = a @ w_IO + bias_O
            a = z if index == len(layers) - 1 else jax.nn.relu(z)
        return ((a[:, 0] - y_B) ** 2).mean()

    return jax.grad(loss)(layers)


def trainer(hidden, how, models, steps):
    """Returns a function that continues training by some steps, a multiple of an epoch's, in one call."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    x_N = jnp.linspace(0.001, 1, ROWS, dtype=jnp.float32)
    y_N = x_N**2

    def gradient_of(layers, rows):
        if how == "jax.grad":
            return by_grad(layers, x_N[rows], y_N[rows])
        return gradients(layers, x_N[rows], y_N[rows], how.endswith("rows x units"))

    def train(layers, means, squares, step, order):
        def one(state, rows):
            layers, means, squares, step = state
            return (*adam(layers, gradient_of(layers, rows), means, squares, step + 1), step + 1), None

        return jax.lax.scan(one, (layers, means, squares, step), order)[0]

    axes = (0, 0, 0, None)
    compiled = jax.jit(jax.vmap(train, in_axes=(*axes, None), out_axes=axes), donate_argnums=(0, 1, 2))
    layers = first_layers(hidden, models)
    state = (layers, jax.tree.map(jnp.zeros_like, layers), jax.tree.map(jnp.zeros_like, layers), jnp.float32(0))
    rng = np.random.default_rng(1)
    epochs = [rng.permutation(ROWS).reshape(-1, BATCH) for _ in range(steps * BATCH // ROWS)]
    order = jnp.asarray(np.concatenate(epochs), jnp.int32)

    def run():
        nonlocal state
        state = compiled(*state, order)
        jax.block_until_ready(state)

    return run


if __name__ == "__main__":
    main()
