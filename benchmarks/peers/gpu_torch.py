"""Our torch engine on a GPU, step by step: the time between its reports, without first weights and copies.

Its only argument is a JSON object: "networks" (lists of hidden widths), "models" and "cpu", whether it may run on the
CPU where there is no GPU. It prints a line of JSON per network: seconds of three times 100 steps, and of what comes
before the first step. It needs torch and numpy.
"""

import json
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

from gpu_entry import say

sys.path.insert(0, str(Path(__file__).parents[2]))
ROUNDS = 3


def main():
    """Measures every network."""
    question = json.loads(sys.argv[1])
    import torch

    about = {"torch": torch.__version__, "CUDA of torch": str(torch.version.cuda)}
    print(json.dumps({"about": about}), flush=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cuda" and not question["cpu"]:
        sys.exit("torch sees no GPU")
    for hidden in question["networks"]:
        say(hidden, "torch engine, float32", partial(measured, tuple(hidden), question["models"], device))


def measured(hidden, models, device):
    """Returns the seconds of each round of steps, after one that warms up."""
    import torch

    from sumsquares.jobs.engines import torch_engine
    from sumsquares.jobs.engines.torch_engine import REPORT_STEPS

    torch_engine.prepare()
    program, pack, rows = problem(hidden, models, REPORT_STEPS * (ROUNDS + 1))
    times = [time.perf_counter()]

    def on_progress(_step, _state):
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    torch_engine.train(program, pack, rows, device=device, on_progress=on_progress)
    first, *seconds = (after - before for before, after in pairwise(times))
    return {"first": first, "seconds": seconds, "steps": REPORT_STEPS}


def problem(hidden, models, steps):
    """Returns program, models and rows of a training: squares, ReLU, Adam, batches of 100 of 1,000 rows."""
    import numpy as np

    from sumsquares.jobs.engines.program import Program
    from sumsquares.jobs.engines.shuffle import in_memory
    from sumsquares.jobs.engines.state import PerModel

    program = Program(1, hidden, "relu", "adam", "constant", 100, -(-steps // 10), 1000, "float32", 0)
    pack = PerModel(range(models), ["glorot_uniform"] * models, [0.001] * models, [0.0] * models)
    x_NI = np.linspace(0.001, 1, 1000, dtype=np.float32)[:, None]
    return program, pack, in_memory(x_NI, x_NI[:, 0] ** 2)


if __name__ == "__main__":
    main()
