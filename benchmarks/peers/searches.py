"""A search of a table's hyperparameters by scikit-learn or Optuna, as usually written by hand, on all cores.

    python benchmarks/peers/searches.py SEARCH ROWS.csv GRID.json

benchmarks/own_rows.py runs and times it. The columns of the CSV file are inputs, `target` and `held_out`, 1 for the
rows that are measured on. It prints the lowest RMSE on those and how many networks were trained at all, and uses
nothing of sumsquares.
"""

import json
import os
import sys

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"
)  # the processes or threads of a search are as many as cores

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

warnings.simplefilter("ignore")
os.environ["PYTHONWARNINGS"] = "ignore"  # for the processes of joblib
CORES = len(os.sched_getaffinity(0))


def rows(path):
    """Returns inputs, targets and which rows are held out, scaled by the others."""
    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    x_NI, y_N, is_held_N = table[:, :-2], table[:, -2], table[:, -1] == 1
    mean_I, std_I = x_NI[~is_held_N].mean(axis=0), x_NI[~is_held_N].std(axis=0)
    return (x_NI - mean_I) / std_I, (y_N - y_N[~is_held_N].mean()) / y_N[~is_held_N].std(), is_held_N


def axes(grid):
    """Returns the grid by the names of MLPRegressor."""
    return {
        "hidden_layer_sizes": [tuple(hidden) for hidden in grid["hidden"]],
        "activation": grid["activation"],
        "learning_rate_init": grid["lr"],
        "alpha": grid["weight_decay"],
        "random_state": list(range(grid["seeds"])),
    }


def network(grid, **values):
    """Returns an untrained network that runs all its epochs."""
    epochs = grid["epochs"]
    return MLPRegressor(batch_size=grid["batch_size"], max_iter=epochs, tol=0, n_iter_no_change=epochs + 1, **values)


def searched(search, grid, x_NI, y_N, is_held_N):
    """Runs one of scikit-learn's searches; its scores are negative."""
    from sklearn.model_selection import PredefinedSplit

    split = PredefinedSplit(np.where(is_held_N, 0, -1))
    common = {"scoring": "neg_root_mean_squared_error", "cv": split, "refit": False, "n_jobs": CORES}
    found = search(network(grid), axes(grid), **common).fit(x_NI, y_N)
    return -found.cv_results_["mean_test_score"].max(), len(found.cv_results_["mean_test_score"])


def grid_search(grid, *table):
    """Trains every point of the grid."""
    from sklearn.model_selection import GridSearchCV

    return searched(GridSearchCV, grid, *table)


def halving(grid, *table):
    """Trains all for a few epochs, and the best third of them for three times as many, again and again."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401  it makes the next import possible
    from sklearn.model_selection import HalvingGridSearchCV

    def search(estimator, grid_of, **common):
        resources = {"resource": "max_iter", "max_resources": grid["epochs"], "factor": 3, "random_state": 0}
        return HalvingGridSearchCV(estimator, grid_of, **resources, **common)

    return searched(search, grid, *table)


def optuna_study(grid, x_NI, y_N, is_held_N, sampler, pruner):
    """Trains as many networks as the grid has points, each epoch by epoch."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    values = axes(grid)
    count = int(np.prod([len(each) for each in values.values()]))

    def objective(trial):
        # Optuna's categories are numbers and texts: layers are given by their place in the list.
        place = trial.suggest_categorical("hidden_layer_sizes", range(len(values["hidden_layer_sizes"])))
        others = {
            name: trial.suggest_categorical(name, of) for name, of in values.items() if name != "hidden_layer_sizes"
        }
        model = network(grid, hidden_layer_sizes=values["hidden_layer_sizes"][place], **others)
        for epoch in range(grid["epochs"]):
            model.partial_fit(x_NI[~is_held_N], y_N[~is_held_N])
            if pruner is not None:
                trial.report(rmse(model), epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
        return rmse(model)

    def rmse(model):
        return float(np.sqrt(np.square(model.predict(x_NI[is_held_N]) - y_N[is_held_N]).mean()))

    study = optuna.create_study(sampler=sampler(values), pruner=pruner or optuna.pruners.NopPruner())
    study.optimize(objective, n_trials=count, n_jobs=CORES)
    return study.best_value, len(study.trials)


def tpe(grid, *table):
    """TPE with Hyperband, which stops networks early."""
    import optuna

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=grid["epochs"])
    return optuna_study(grid, *table, lambda _: optuna.samplers.TPESampler(seed=0), pruner)


def grid_sampler(grid, *table):
    """Every point of the grid."""
    import optuna

    def sampler(values):
        places = {**values, "hidden_layer_sizes": range(len(values["hidden_layer_sizes"]))}
        return optuna.samplers.GridSampler(places, seed=0)

    return optuna_study(grid, *table, sampler, None)


SEARCHES = {"grid": grid_search, "halving": halving, "tpe": tpe, "optuna-grid": grid_sampler}


def main():
    """Runs the search that is asked for."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    search, path, grid = sys.argv[1:]
    x_NI, y_N, is_held_N = rows(path)
    best, trained = SEARCHES[search](json.loads(grid), x_NI, y_N, is_held_N)
    print(json.dumps({"rmse": float(best), "trained": int(trained)}))


if __name__ == "__main__":
    main()
