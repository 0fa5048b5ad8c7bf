"""The question's squares with Ray Tune, as usually written by hand: one trial per process, one core each.

    python benchmarks/peers/ray_tune.py TRIALS [--reuse-actors]

benchmarks/endtoend.py runs and times it. It prints the median test RMSE, and uses nothing of sumsquares.
"""

import json
import os
import secrets
import statistics
import sys

os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))  # a token that only this benchmark has
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # no CSV, JSON and TensorBoard files per trial

import numpy as np
import ray
from ray import tune

LARGEST, ROWS, BATCH, EPOCHS, SEEDS = 1000, 1000, 100, 500, 10


def squares(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns numbers and their squares, both scaled to 0..1."""
    numbers = np.random.default_rng(seed).integers(1, LARGEST + 1, size=(ROWS, 1))
    return (numbers / LARGEST).astype(np.float32), (numbers / LARGEST).astype(np.float32) ** 2


def train(config: dict) -> None:
    """Trains one trial."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    x, y = map(torch.from_numpy, squares(1))
    network = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=config["lr"])
    for _ in range(EPOCHS):
        for batch in torch.randperm(ROWS).split(BATCH):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.inference_mode():
        x, y = map(torch.from_numpy, squares(2))
        rmse = LARGEST**2 * nn.functional.mse_loss(network(x), y).sqrt().item()
    tune.report({"rmse": rmse})


def main() -> None:
    """Trains the given number of trials."""
    count = int(sys.argv[1])
    ray.init(include_dashboard=False, log_to_driver=False)
    rates = np.geomspace(1e-4, 1e-2, count).tolist()
    trials = [{"lr": lr, "seed": index % SEEDS} for index, lr in enumerate(rates)]
    tuner = tune.Tuner(
        tune.with_resources(lambda config: train(config["trial"]), {"cpu": 1}),
        param_space={"trial": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(reuse_actors="--reuse-actors" in sys.argv),
        run_config=tune.RunConfig(verbose=0),
    )
    found = [result.metrics["rmse"] for result in tuner.fit()]
    assert len(found) == count
    print(json.dumps({"trials": count, "rmse": statistics.median(found)}))


if __name__ == "__main__":
    main()
