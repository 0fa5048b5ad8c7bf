"""Our cuda engine on a GPU: its training kernel alone, whole trainings, and the error and the bits of trained weights.

Its only argument is a JSON object: "networks" (lists of hidden widths), "models", "steps", and "checked": models and
steps of the comparison with float64. It prints three lines of JSON per network. The kernel alone is timed by CUDA
events, with first weights and batches on the device before; a whole training by the clock, with first weights, order of
rows and copies. It needs numpy.
"""

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from gpu_entry import say

sys.path.insert(0, str(Path(__file__).parents[2]))
ROUNDS = 3


def main():
    """Measures every network."""
    question = json.loads(sys.argv[1])
    models, steps = question["models"], question["steps"]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # so that compilation is measured, and nothing of it stays
        from sumsquares.jobs.engines import cuda_engine
        from sumsquares.jobs.engines.cuda.driver import Device

        if (reason := cuda_engine.available()) is not None:
            sys.exit(reason)
        device = Device()
        print(json.dumps({"about": about(device)}), flush=True)
        for hidden in question["networks"]:
            say(hidden, "cuda engine, kernel alone", partial(alone, device, hidden, models, steps))
        for hidden in question["networks"]:
            say(hidden, "cuda engine, whole training", partial(whole, hidden, models, steps))
            say(hidden, "cuda engine, accuracy", partial(accuracy, device, hidden, *question["checked"]))


def about(device):
    """Describes the device, its driver and the compiler."""
    from sumsquares.jobs.engines.cuda import compiler, driver

    gib = device.memory()[1] / 2**30
    name, nvrtc = compiler._library()
    return {
        "card": device.name,
        "architecture": device.architecture,
        "multiprocessors": device.multiprocessors,
        "memory": f"{gib:.0f} GiB",
        "CUDA of the driver": "{}.{}".format(*driver.version()),
        "NVRTC": "{}.{} ({})".format(*compiler._version(nvrtc), Path(name).name),
    }


def alone(device, hidden, models, steps):
    """Returns the seconds of all steps in each round, by events, and those of compiling and loading the kernel."""
    from gpu_accuracy import BATCH, problem
    from gpu_card import card
    from gpu_kernel import Training, compiled

    began = time.perf_counter()
    kernels = compiled(device, hidden, steps)
    first = time.perf_counter() - began
    training = Training(device, kernels, *problem((1, *hidden, 1), models, steps, BATCH))
    seconds, busy = [], []
    for count in range(ROUNDS + 1):
        training.restart()
        before = device.event()
        training.run(0, steps)
        after = device.event()
        busy += [] if count else card()  # while the launches run, in the round that warms up
        seconds.append(after.elapsed(before))
    blocks = kernels.train.blocks_per_multiprocessor(kernels.info.threads, kernels.info.shared_bytes)
    facts = {"blocks per multiprocessor": blocks, "nvidia-smi": busy}
    return {"first": first, "seconds": seconds[1:], "steps": steps, **facts}


def whole(hidden, models, steps):
    """Returns the seconds of whole trainings by the engine, and those of a short one before that loads the kernels."""
    from gpu_kernel import program_of
    from gpu_torch import problem

    from sumsquares.jobs.engines import cuda_engine

    cuda_engine.prepare()
    program, pack, rows = problem(tuple(hidden), models, steps)
    seconds = []
    for count in (10, *[steps] * ROUNDS):
        began = time.perf_counter()
        cuda_engine.train(program_of(hidden, count), pack, rows, device="cuda")
        seconds.append(time.perf_counter() - began)
    return {"first": seconds[0], "seconds": seconds[1:], "steps": program.steps}


def accuracy(device, hidden, models, steps):
    """Returns errors of trained weights, and whether a model alone, in parts, gets the bits that it gets in a pack."""
    import numpy as np
    from gpu_accuracy import BATCH, distances, problem, reference
    from gpu_kernel import Training, compiled

    widths = (1, *hidden, 1)
    p_MP, x_SBI, y_SB, lr_M = problem(widths, models, steps, BATCH)
    kernels = compiled(device, hidden, steps)
    pack, one = (Training(device, kernels, p_MP[part], x_SBI, y_SB, lr_M[part]) for part in (slice(None), slice(1, 2)))
    pack.run(0, steps)
    one.run(0, steps // 3)
    one.run(steps // 3, steps)
    trained_MP = pack.parameters.get()
    expected_MP = reference(widths, p_MP, x_SBI, y_SB, lr_M, np.float64)
    plain_MP = reference(widths, p_MP, x_SBI, y_SB, lr_M, np.float32)
    return {
        "errors": distances(trained_MP, expected_MP, p_MP),
        "errors of numpy in float32": distances(plain_MP, expected_MP, p_MP),
        "same bits": bool(np.array_equal(one.parameters.get(), trained_MP[1:2])),
    }


if __name__ == "__main__":
    main()
