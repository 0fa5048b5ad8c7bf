"""What nvidia-smi says of the GPUs: clocks and power, which explain why two measurements of one card differ."""

import shutil
import subprocess

ASKED = ("name", "driver_version", "clocks.sm", "clocks.max.sm", "power.draw", "utilization.gpu")


def card():
    """Returns a line per GPU, or nothing where nvidia-smi is missing."""
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
