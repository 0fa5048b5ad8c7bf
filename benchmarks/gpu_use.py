"""For how much of the time GPUs are busy, by what nvidia-smi samples while something runs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

MILLISECONDS = 200
"""Between two samples, each of which is the share of the time since about the sample before."""
QUERY = ("--query-gpu=index,utilization.gpu", "--format=csv,noheader,nounits", f"--loop-ms={MILLISECONDS}")


@contextmanager
def sampled() -> Iterator[list[tuple[int, float]]]:
    """Yields a list that has the samples once the context has ended; it stays empty where there is no nvidia-smi."""
    samples: list[tuple[int, float]] = []
    program = shutil.which("nvidia-smi")
    if program is None:
        yield samples
        return
    with tempfile.TemporaryFile("w+") as lines:
        sampler = subprocess.Popen([program, *QUERY], stdout=lines)
        try:
            yield samples
        finally:
            sampler.terminate()
            sampler.wait()
            lines.seek(0)
            samples.extend(parsed(lines))


def parsed(lines: Iterable[str]) -> list[tuple[int, float]]:
    """Returns the GPU and its share of each line, such as `0, 97`; lines that were cut off are left out."""
    fields = (line.split(",") for line in lines)
    return [(int(gpu), float(share) / 100) for gpu, share in (each for each in fields if _is_whole(each))]


def busy(samples: Iterable[tuple[int, float]]) -> float | None:
    """Returns the mean share from the first sample above 0 to the last one, over all GPUs that were used at all."""
    of_gpu: dict[int, list[float]] = {}
    for gpu, share in samples:
        of_gpu.setdefault(gpu, []).append(share)
    used = [_trimmed(shares) for shares in of_gpu.values() if any(shares)]
    return sum(map(sum, used)) / sum(map(len, used)) if used else None


def _is_whole(fields: list[str]) -> bool:
    return len(fields) == 2 and fields[1].endswith("\n") and all(each.strip().isdigit() for each in fields)


def _trimmed(shares: list[float]) -> list[float]:
    above = [place for place, share in enumerate(shares) if share]
    return shares[above[0] : above[-1] + 1]
