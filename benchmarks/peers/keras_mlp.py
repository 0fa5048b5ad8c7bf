"""Keras 3 on JAX: `fit` of one network, jit-compiled, one step per call or ten. One core."""

import os

os.environ.update(KERAS_BACKEND="jax", XLA_FLAGS="--xla_cpu_multi_thread_eigen=false", TF_CPP_MIN_LOG_LEVEL="3")

from functools import partial

from protocol import Candidate, serve

ROWS, BATCH = 1000, 100


def groups(question):
    """Returns two groups: one step per call, which is the default, and ten (an epoch), which is faster."""
    make = partial(trainer, tuple(question["hidden"]))
    return [[Candidate(f"fit, {n} step(s) per execution", 1, partial(make, n))] for n in (1, 10)]


def trainer(hidden, steps_per_execution):
    """Returns a function that continues training a network."""
    import keras
    import numpy as np

    layers = [keras.layers.Dense(units, activation="relu") for units in hidden]
    network = keras.Sequential([keras.Input((1,)), *layers, keras.layers.Dense(1)])
    network.compile(keras.optimizers.Adam(0.001), "mse", steps_per_execution=steps_per_execution, jit_compile=True)
    x_NI = np.linspace(0.001, 1, ROWS, dtype=np.float32)[:, None]

    def run(steps):
        network.fit(x_NI, x_NI**2, batch_size=BATCH, epochs=steps * BATCH // ROWS, verbose=0)

    return run


if __name__ == "__main__":
    serve(groups)
