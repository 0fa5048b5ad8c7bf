"""scikit-learn's MLPRegressor: one network, Adam, float32, no stopping and no penalty, one thread."""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import warnings

from protocol import Candidate, serve

ROWS, BATCH = 1000, 100


def groups(question):
    """Returns the only candidate."""
    return [[Candidate("MLPRegressor.fit", 1, lambda: trainer(tuple(question["hidden"])))]]


def trainer(hidden):
    """Returns a function that trains a new network."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    warnings.simplefilter("ignore", ConvergenceWarning)
    x_NI = np.linspace(0.001, 1, ROWS, dtype=np.float32)[:, None]
    y_N = x_NI[:, 0] ** 2

    def run(steps):
        epochs = steps * BATCH // ROWS
        network = MLPRegressor(
            hidden_layer_sizes=hidden, batch_size=BATCH, alpha=0, max_iter=epochs, tol=0, n_iter_no_change=epochs + 1
        )
        network.fit(x_NI, y_N)
        assert network.n_iter_ == epochs

    return run


if __name__ == "__main__":
    serve(groups)
