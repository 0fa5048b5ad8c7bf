"""The laws of the cuda engine on an emulated GPU: those that `python tests/gpu_laws.py` checks on a real one."""

from __future__ import annotations

import os
import shutil
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
    """Of every activation, optimizer, output, loss and dtype, of odd shapes, of bits, resumes, weights and errors."""
    answer = run(str(SCRIPT), "--emulated")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "BROKEN" not in answer.stdout


@pytest.mark.timeout(600)
def test_no_two_threads_race():
    """In those laws that run every kernel."""
    laws = ("reference", "bits", "weights", "predictions", "measuring", "solved")
    flags = [flag for law in laws for flag in ("--law", law)]
    answer = run(str(SCRIPT), "--emulated", *flags, env=os.environ | {"EMULATED_RACES": "1"})
    assert answer.returncode == 0, answer.stdout + answer.stderr


SUMMARIES = {
    "========= ERROR SUMMARY: 0 errors": 0,
    "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)": 0,
    "========= RACECHECK SUMMARY: 1 hazard displayed (0 errors, 1 warning)": 1,
    "========= ERROR SUMMARY: 3 errors": 1,
    "": 1,
}
"""What compute-sanitizer says in the end, and the exit code of the script."""


@pytest.mark.parametrize(("summary", "code"), SUMMARIES.items())
def test_a_law_in_which_a_sanitizer_finds_something_is_broken(tmp_path, summary, code):
    """So is one of which it doesn't say that it found nothing; the law of errors is left out."""
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(f"#!/bin/sh\nwhile [ $1 != {sys.executable} ]; do shift; done\n\"$@\" && echo '{summary}'\n")
    tool.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    laws = ("--law", "errors", "--law", "measuring", "--sanitizer", "memcheck")
    answer = run(str(SCRIPT), "--emulated", *laws, env=os.environ | {"PATH": path})
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert f"{1 - code} of 1 laws hold" in answer.stdout
    assert ("memcheck: clean" in answer.stdout) == (code == 0)


def test_without_a_sanitizer_the_script_says_so(tmp_path):
    """Nothing is known to be broken."""
    (tmp_path / "g++").symlink_to(str(shutil.which("g++")))
    answer = run(str(SCRIPT), "--emulated", "--sanitizer", "racecheck", env=os.environ | {"PATH": str(tmp_path)})
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "no compute-sanitizer" in answer.stdout


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
