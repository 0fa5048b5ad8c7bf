"""Where the start of a local Ray goes, by phases and by processes, until its workers can train.

    python benchmarks/ray_start.py [--rounds 3] [--workers 2] [--against CHECKOUT] [--json]

Phases, in seconds from the start of the driver: `connected`: Ray is imported and its servers answer; `born`: the first
worker process of Ray Train starts; `loop`: our function runs in all workers; `ready`: the engine is imported there. And
the CPU seconds of each kind of process, which depend less on other work beside. With --against, another checkout takes
turns with this one: its figures are those before a change. A start takes 15 to 20 s on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from sumsquares.cluster.driver import connected
from sumsquares.cluster.work import Heartbeat, Target, Work, WorkItem
from sumsquares.cluster.workers import Group
from sumsquares.jobs.engines.choice import choose, engine

HERE = Path(__file__).resolve()
PHASES = ("connected", "born", "loop", "ready")
TICKS = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 0.1


def make_work(device: str) -> Work:
    """Called in each worker: prepares the engine, and returns a function that says when what had happened."""
    loop = time.time()
    engine(choose("auto", device))
    told = {"born": _born(), "loop": loop, "ready": time.time()}

    def work(_payload: Any, _heartbeat: Heartbeat) -> dict[str, float]:
        time.sleep(0.2)  # the other workers get one, too
        return told

    return work


def no_parts(_payload: Any) -> list[WorkItem]:
    """No item is split."""
    return []


def start(workers: int) -> dict[str, Any]:
    """Starts a Ray and its workers once; returns seconds by phase, and CPU seconds by process."""
    began, told = time.time(), []
    cpu = CpuSeconds()
    with connected(Target(None, workers)) as driver:
        driver.resources()
        phases = {"connected": time.time() - began}
        items = [WorkItem(f"item {number}", 1.0, number) for number in range(4 * workers)]
        groups = [Group("cpu-0", workers, "cpu", workers, {"CPU": 1.0}, {})]
        driver.run_workers(
            make_work, items, no_parts, lambda look: told.extend(each for _, each in look.results), groups, 60.0
        )
        by_process = cpu.stop()
    for phase in PHASES[1:]:
        phases[phase] = (min if phase == "born" else max)(each[phase] for each in told) - began
    return {"phases": phases, "cpu": by_process}


class CpuSeconds:
    """CPU seconds of this process's descendants by name, looked at until `stop`: some end earlier."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[str, float]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """Returns them, the largest first."""
        self._stopped.set()
        self._thread.join()
        found: dict[str, float] = defaultdict(float)
        for name, seconds in self._of.values():
            found[name] += seconds
        return dict(sorted(found.items(), key=lambda each: -each[1]))

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            found = {int(path.name): each for path in Path("/proc").glob("[0-9]*") if (each := _stat(path))}
            ours = {os.getpid()}
            while more := {pid for pid, each in found.items() if each[0] in ours} - ours:
                ours |= more
            for pid in ours - {os.getpid()}:
                self._of[pid] = (_name(pid) or self._of.get(pid, ("ended", 0.0))[0], found[pid][1])


def _stat(path: Path) -> tuple[int, float] | None:
    """A process's parent and CPU seconds."""
    try:
        fields = (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS


def _name(pid: int) -> str:
    """The name of a process of Ray, or of the driver."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    line = " ".join(words)
    if "spawn_main" in line:
        return "driver"
    found = re.search(r"ray::[\w.]+|(gcs_server|raylet|monitor|dashboard|log_monitor|agent)(\.py)?(?= )", line)
    return Path(found[0]).name if found else Path(words[0]).name


def _born() -> float:
    """When this process started."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - (uptime - int(fields[19]) / TICKS)


def main() -> None:
    """Starts by turns, and prints medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--against", type=Path, help="the folder of another checkout")
    parser.add_argument("--once", action="store_true", help="one start, in this process")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.once:
        import ray_start  # Ray's workers import its functions, which they can't from __main__

        print(json.dumps(ray_start.start(options.workers)))
        return
    checkouts = {"now": HERE.parent.parent} | ({"before": options.against.resolve()} if options.against else {})
    starts: dict[str, list[Any]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, folder in checkouts.items():
            starts[name].append(_started(folder, options.workers))
    found = {name: _medians(some) for name, some in starts.items()}
    print(json.dumps(found, indent=1) if options.json else "\n".join(f"{name}: {each}" for name, each in found.items()))


def _started(checkout: Path, workers: int) -> Any:
    paths = os.pathsep.join([str(checkout), str(HERE.parent)])
    command = [sys.executable, str(HERE), "--once", "--workers", str(workers)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _medians(some: list[Any]) -> dict[str, Any]:
    phases = {phase: round(statistics.median(each["phases"][phase] for each in some), 2) for phase in PHASES}
    names = dict.fromkeys(name for each in some for name in each["cpu"])
    cpu = {name: round(statistics.median(each["cpu"].get(name, 0.0) for each in some), 2) for name in names}
    return {**phases, "cpu seconds": round(sum(cpu.values()), 1), "cpu": cpu}


if __name__ == "__main__":
    main()
