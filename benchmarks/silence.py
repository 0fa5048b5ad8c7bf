"""How long commands say nothing: the silences of real runs, on a terminal and in a pipe.

    python benchmarks/silence.py [--only run ray plan fit prove nightly verify predict] [--longest 3] [--json]

Each command runs twice in a store of its own, once on a pseudo-terminal of 100 columns and once with its output in a
pipe, and whatever it prints is noted with the time. A silence is the time between two outputs, from the start of the
process to its end; the first one is the start of Python and its imports. Those above --longest seconds are listed with
what was said last. Other work on the machine makes silences longer.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parent.parent / "examples"
COLUMNS = 100
TABLE_ROWS = 2_000_000
LARGE = """
name = "large"
[[dataset]]
name = "squares"
task = "square"
largest = 1000
rows = 1000
[[grid]]
hidden = [[], [8], [16], [32], [64], [8, 8], [16, 16], [32, 32]]
activation = ["relu", "tanh", "gelu", "silu"]
lr = {rates}
seeds = 50
"""
COMMANDS: dict[str, list[list[str]]] = {
    "run": [["run", "sweep.toml"]],
    "ray": [["run", "sweep.toml", "--workers", "2"]],
    "plan": [["plan", "large.toml"]],
    "fit": [["fit", "houses.csv", "--target", "price"]],
    "prove": [["run", "sweep.toml"], ["explain", "sweep", "--prove", "--max", "5"]],
    "nightly": [["nightly", "sweep.toml"]],
    "verify": [["run", "sweep.toml"], ["verify"]],
    "predict": [
        ["fit", "houses.csv", "--target", "price", "--epochs", "2"],
        ["predict", "houses", "--input", "many.csv", "--output", "out.parquet"],
    ],
}
"""By name: the commands of one store; the last one is listened to."""
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True)
class Heard:
    """What a command said, and when."""

    seconds: float
    code: int
    silences: list[tuple[float, float, str]]
    """From, to, and the end of what was said last."""


def heard(command: list[str], is_terminal: bool, folder: Path) -> Heard:
    """Runs a command, and notes when it says something."""
    read, write = pty.openpty() if is_terminal else os.pipe()
    if is_terminal:
        fcntl.ioctl(write, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    began = last = time.monotonic()
    ours = [sys.executable, "-m", "sumsquares", *command]
    streams = {"stdin": subprocess.DEVNULL, "stdout": write, "stderr": write}
    with subprocess.Popen(ours, **streams, cwd=folder, env=environment) as process:
        os.close(write)
        silences, said = [], ""
        while text := _read(read):
            now = time.monotonic()
            silences.append((last - began, now - began, _CONTROLS.sub("", said).strip()[-60:]))
            last, said = now, text.decode(errors="replace")
        os.close(read)
        code = process.wait()
    ended = time.monotonic() - began
    return Heard(ended, code, [*silences, (last - began, ended, _CONTROLS.sub("", said).strip()[-60:])])


def _read(file: int) -> bytes:
    try:
        return os.read(file, 1 << 16)
    except OSError:  # the end of a pseudo-terminal
        return b""


def facts(found: Heard, longest: float) -> dict[str, Any]:
    """The longest silence after the start, the start itself, and what is above the limit."""
    spans = [end - begin for begin, end, _ in found.silences]
    above = [
        {"from": round(begin, 1), "to": round(end, 1), "after": said}
        for begin, end, said in found.silences
        if end - begin > longest
    ]
    return {
        "seconds": round(found.seconds, 1),
        "exit_code": found.code,
        "until the first word": round(spans[0], 1),
        "longest silence after it": round(max(spans[1:], default=0.0), 1),
        "above": above,
    }


def prepare(folder: Path) -> None:
    """Writes the specs and tables that the commands read."""
    for name in ("sweep.toml", "houses.csv"):
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    rates = [round(0.0001 * (1 + step), 6) for step in range(62)]
    (folder / "large.toml").write_text(LARGE.format(rates=rates))
    head, *rows = (folder / "houses.csv").read_text().splitlines()
    chosen = np.random.default_rng(1).integers(0, len(rows), TABLE_ROWS)
    (folder / "many.csv").write_text("\n".join([head, *(rows[index] for index in chosen)]) + "\n")


def main() -> None:
    """Runs the commands, and prints their silences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(COMMANDS), default=sorted(COMMANDS))
    parser.add_argument("--longest", type=float, default=3.0, help="seconds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in options.only:
        for where in ("terminal", "pipe"):
            with tempfile.TemporaryDirectory() as folder:
                prepare(Path(folder))
                *before, last = COMMANDS[name]
                for command in before:
                    heard([*command, "--quiet"], False, Path(folder))
                found[f"{name}, {where}"] = facts(heard(last, where == "terminal", Path(folder)), options.longest)
    print(json.dumps(found, indent=1) if options.json else "\n".join(f"{name}: {each}" for name, each in found.items()))


if __name__ == "__main__":
    main()
