"""A billion rows in bounded memory: `sumsquares generate` on a local Ray, with peak memory by kind of process.

    python benchmarks/billion.py [--rows 1_000_000_000] [--workers 2] [--json]

Takes two minutes on two idle cores, and 4 GB of disk for sums of two numbers of 1..1000, in a temporary folder under
--folder, deleted afterwards. Memory is the peak resident set (VmHWM of Linux) of the largest process of each kind: the
launcher, the workers that generate (Ray's default workers), and Ray's own processes. Processes share pages, so the
figures don't add up. It compares with nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = """name = "billion"
[[dataset]]
name = "sums"
task = "sum"
n_numbers = 2
largest = 1000
rows = {rows}
[[grid]]
dataset = "sums"
hidden = [[]]
activation = "identity"
lr = 0.01
"""


def main() -> None:
    """Generates the rows, watches memory, and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000_000)
    parser.add_argument("--workers", type=int, default=2, help="0: in one process without Ray")
    parser.add_argument("--folder", type=Path, help="where to write the rows; default: the temporary folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        found = generate(Path(name), options.rows, options.workers)
    if options.json:
        print(json.dumps(found))
        return
    peaks = ", ".join(f"{kind} {size / 1e6:,.0f} MB" for kind, size in found["peak_bytes"].items())
    print(f"{found['rows']:,} rows, {found['bytes'] / 1e9:.2f} GB in {found['seconds']:.0f} s; peak memory: {peaks}")


def generate(folder: Path, rows: int, workers: int) -> dict[str, object]:
    """Measures one run, from a cold start to its end."""
    spec = folder / "billion.toml"
    spec.write_text(SPEC.format(rows=rows))
    command = [Path(sys.executable).parent / "sumsquares", "generate", spec, "--store", folder / "store"]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--workers", str(workers), "--quiet"], stdout=subprocess.DEVNULL)
    peaks: dict[str, int] = {}
    while process.poll() is None:
        for pid in family(process.pid):
            kind = "launcher" if pid == process.pid else kind_of(pid)
            peaks[kind] = max(peaks.get(kind, 0), peak_bytes(pid))
        time.sleep(0.5)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"sumsquares generate ended with {process.returncode}")
    size = sum(path.stat().st_size for path in (folder / "store").rglob("*.parquet"))
    shutil.rmtree(folder / "store")
    return {"rows": rows, "bytes": size, "seconds": seconds, "workers": workers, "peak_bytes": peaks}


def family(first: int) -> set[int]:
    """Returns the ids of a process and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        text = read(path)
        if text:
            parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, more = {first}, {first}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def kind_of(pid: int) -> str:
    """Whether a process is a worker, busy or idle, or one of Ray's own."""
    title = read(Path(f"/proc/{pid}/cmdline"))
    return "worker" if title.startswith("ray::") or "default_worker" in title else "Ray's own"


def peak_bytes(pid: int) -> int:
    """Peak memory of a process; 0 once it has ended."""
    lines = read(Path(f"/proc/{pid}/status")).splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def read(path: Path) -> str:
    """Returns the text of a file in /proc; empty once its process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    main()
