"""1,000 to 100,000 trials: time and peak memory of every stage, each run by the command that a user would type.

    python benchmarks/scale.py [--sizes 1000 10000 100000] [--epochs 500] [--workers N] [--synthetic] [--json]

The trials are the question's squares with 1-16-16-1, ReLU and AdamW, with 10 seeds per variant. The variants differ in
learning rate and weight decay: up to 1,000 rates, and as many decays as the size needs. --synthetic writes made-up
results instead of training, which measures everything around training, in about a minute for 100,000 trials. Memory is
that of the largest process; Ray's workers are not included. Where there are GPUs, the share of the time that they are
busy while training, from their first work to their last, is what nvidia-smi samples; host_path.py shows without a GPU
what keeps one busy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from gpu_use import busy, sampled
from question import SEEDS, learning_rates, question

MOST_RATES = 1_000
FOLLOWING = ("plan", "summarize", "run")
"""Measured again once everything is trained: the cost of finding nothing to do, and of answering."""


@dataclass(frozen=True)
class Stage:
    """The measurement of one command."""

    trials: int
    stage: str
    seconds: float
    """Wall time."""
    cpu_seconds: float
    """Of all its processes except Ray's workers. On a busy machine it varies less than wall time."""
    peak_mb: float
    gpu_busy: float | None = None
    """Share of the time; None without GPUs, and where they did nothing."""


def main() -> None:
    """Measures every stage and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--workers", help="passed on to `sumsquares train`")
    parser.add_argument("--synthetic", action="store_true", help="write made-up results instead of training")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", nargs=2, metavar=("SPEC", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_results(*options.write)
        return
    found = [stage for size in options.sizes for stage in measured(size, options)]
    if options.json:
        print(json.dumps([vars(stage) for stage in found], indent=1))
        return
    print(f"{'trials':>10}  {'stage':<16} {'seconds':>8} {'CPU s':>8} {'us per trial':>13} {'peak MB':>8} {'GPU':>5}")
    for stage in found:
        each = stage.seconds / stage.trials * 1e6
        times = f"{stage.seconds:>8.2f} {stage.cpu_seconds:>8.2f} {each:>13,.1f}"
        gpu = "-" if stage.gpu_busy is None else f"{stage.gpu_busy:.0%}"
        print(f"{stage.trials:>10,}  {stage.stage:<16} {times} {stage.peak_mb:>8.0f} {gpu:>5}")
    if all(stage.gpu_busy is None for stage in found):
        print("no GPU was used here")


def measured(size: int, options: argparse.Namespace) -> list[Stage]:
    """Measures all stages of a spec with this number of trials, in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        spec, store = Path(folder) / "spec.toml", f"{folder}/store"
        spec.write_text(spec_of(size, options.epochs))
        common = [str(spec), "--store", store, "--quiet", "--max-trials", str(2 * size)]
        workers = ["--workers", options.workers] if options.workers else []
        command = [sys.executable, "-m", "sumsquares"]
        stages = {
            "plan": [*command, "plan", *common],
            "generate": [*command, "generate", *common],
            "train": [*command, "train", *common, *workers],
        }
        if options.synthetic:
            del stages["train"]
            stages["write results"] = [sys.executable, __file__, "--write", str(spec), store]
        stages |= {f"{name}, again" if name == "plan" else name: [*command, name, *common] for name in FOLLOWING}
        return [stage_of(size, name, words) for name, words in stages.items()]


def stage_of(size: int, name: str, words: list[str]) -> Stage:
    """Runs the command of a stage."""
    with sampled() as samples:
        measured = timed(words)
    return Stage(size, name, *measured, busy(samples) if name == "train" else None)


def spec_of(size: int, epochs: int) -> str:
    """Returns a spec with this number of trials."""
    variants = -(-size // SEEDS)
    rates = min(variants, MOST_RATES)
    decays = [1e-3 * decay for decay in range(-(-variants // rates))]
    grid = {"optimizer": "adamw", "lr": learning_rates(rates), "weight_decay": decays, "seeds": min(size, SEEDS)}
    return question("scale", epochs, **grid)


def timed(words: list[str]) -> tuple[float, float, float]:
    """Returns wall and CPU seconds of a command, and the MB of its largest process."""
    began = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    _, status, usage = os.wait4(os.posix_spawn(words[0], words, os.environ, file_actions=quiet), 0)
    assert status == 0, f"{words} ended with status {status}"
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def write_results(spec: str, store: str) -> None:
    """Commits made-up results for all trials of a spec, in the packs that training would use."""
    import numpy as np  # imported late: a child's peak memory is at least what its parent uses at the start

    from sumsquares.datasets.spec import SPLITS
    from sumsquares.jobs.engines.choice import choose
    from sumsquares.jobs.engines.losses import Curve, curve_epochs
    from sumsquares.jobs.engines.metrics import Errors
    from sumsquares.jobs.engines.readout import Observed
    from sumsquares.jobs.engines.state import State, state_dicts
    from sumsquares.jobs.results.stored import commit_pack
    from sumsquares.jobs.results.trial_metrics import metrics_of
    from sumsquares.jobs.spec.job_spec import load_spec
    from sumsquares.jobs.spec.variants import trials
    from sumsquares.jobs.stages.packs import plan_packs
    from sumsquares.jobs.stages.train import Trainer, _columns
    from sumsquares.jobs.storage.store import Store

    job, draw = load_spec(spec, 2**63), np.random.default_rng(0)
    trainer = Trainer(choose(job.engine, "cpu"), "cpu")
    for pack in plan_packs(trials(job), trainer.device, trainer.engine):
        models = len(pack.trials)
        weights_MP = draw.normal(size=(models, pack.program.parameters)).astype(np.float32)
        steps, epochs = pack.program.steps, pack.program.epochs
        losses = 1 + draw.random((models, len(curve_epochs(epochs))))
        state = State(steps, weights_MP, (), np.full(models, steps), losses)
        squares, rounded, largest = draw.random((3, models)) * 1e9
        exact, absolute = np.zeros(models, np.int64), np.sqrt(squares * 1000)
        errors = Errors(1000, squares, rounded, largest, exact, absolute, squares / 2, 500, 1e15, exact)
        observed = Observed(draw.random((models, 17)), draw.random(models), np.full(models, np.nan), "lanes")
        sources = {
            **dict.fromkeys(SPLITS, errors),
            "solved": errors,
            "hidden": observed,
            "losses": Curve(epochs, losses),
        }
        metrics, is_ok = metrics_of(sources, models, loss=pack.program.loss), np.ones(models, bool)
        columns = _columns(pack, state, metrics, is_ok, 1.0, trainer)
        commit_pack(Store(store), pack.id, columns, state_dicts(pack.program, weights_MP), losses)


if __name__ == "__main__":
    main()
