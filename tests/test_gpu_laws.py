"""The laws of the cuda engine on an emulated GPU: those that `python tests/gpu_laws.py` checks on a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import emulated_gpu
import pytest

SCRIPT = Path(__file__).with_name("gpu_laws.py")
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(emulated_gpu.reason() is not None, reason=str(emulated_gpu.reason())),
]


def run(*arguments, **options):
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.timeout(600)
def test_all_laws_hold_on_an_emulated_gpu():
    """Of every activation, optimizer, output, loss and dtype, of odd shapes, of bits, resumes, weights and errors.

    And no two threads race.
    """
    answer = run(str(SCRIPT), "--emulated", env=os.environ | {"EMULATED_RACES": "1"})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "BROKEN" not in answer.stdout


def test_the_script_needs_numpy_alone():
    """It runs in a bare clone, where none of our dependencies is installed."""
    missing = ("pytest", "pydantic", "pyarrow", "ray", "torch", "jax", "hypothesis", "rich", "typer")
    code = f"""
import sys
sys.modules.update(dict.fromkeys({missing}))
sys.path[:] = [path for path in sys.path if path != {str(SCRIPT.parent.parent)!r}]
sys.path.insert(0, {str(SCRIPT.parent)!r})
import gpu_laws
print(gpu_laws.LAWS["reference"].__doc__)
"""
    answer = run("-I", "-c", code)
    assert "as plain numpy does" in answer.stdout, answer.stderr


def test_without_a_gpu_the_script_says_so():
    """It exits with 2, which is not 1: nothing is known to be broken."""
    answer = run(str(SCRIPT), env={"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""})
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "no GPU to check the laws on" in answer.stdout
