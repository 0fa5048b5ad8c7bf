"""Our engines, measured like the peers: "engine" names torch or lanes. Whole trainings, from initial weights on.

So the time includes the initial weights and the order of rows, as in `sumsquares run`.
"""

import importlib.util
from dataclasses import replace
from functools import partial

from protocol import Candidate, UnavailableError, serve

PACKS = (4, 8, 16, 32, 64, 128)


def groups(question):
    """Returns one group: packs of growing size."""
    engine = {"torch": torch_engine, "lanes": lanes_engine}[question["engine"]]()
    make = partial(trainer, engine, tuple(question["hidden"]))
    how = f"sumsquares.jobs.engines.{question['engine']}_engine"
    return [[Candidate(how, models, partial(make, models)) for models in PACKS]]


def torch_engine():
    """Returns the train function of the torch engine."""
    from sumsquares.jobs.engines import torch_engine

    torch_engine.prepare()
    return torch_engine.train


def lanes_engine():
    """Returns the train function of the lanes engine.

    Raises:
        UnavailableError: it was not built, or can't run on this machine.

    """
    if importlib.util.find_spec("sumsquares.jobs.engines.lanes_engine") is None:
        raise UnavailableError("there is no sumsquares.jobs.engines.lanes_engine")
    lanes = importlib.import_module("sumsquares.jobs.engines.lanes_engine")
    if reason := lanes.available():
        raise UnavailableError(reason)
    return lanes.train


def trainer(train, hidden, models):
    """Returns a function that trains a pack from its initial weights."""
    import numpy as np

    from sumsquares.jobs.engines.program import Program
    from sumsquares.jobs.engines.shuffle import in_memory
    from sumsquares.jobs.engines.state import PerModel

    program = Program(1, hidden, "relu", "adam", "constant", 100, 1, 1000, "float32", 0)
    pack = PerModel(range(models), ["glorot_uniform"] * models, [0.001] * models, [0.0] * models)
    x_NI = np.linspace(0.001, 1, 1000, dtype=np.float32)[:, None]
    rows = in_memory(x_NI, x_NI[:, 0] ** 2)

    def run(steps):
        train(replace(program, epochs=steps // program.steps_per_epoch), pack, rows)

    return run


if __name__ == "__main__":
    serve(groups)
