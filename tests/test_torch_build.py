"""Whether the installed torch can use GPUs, read without importing it: with pretended packages."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from sumsquares.jobs.engines.torch_build import without_cuda

FILE = """from typing import Optional
__version__ = '2.13.0+{local}'
cuda: Optional[str] = {cuda}
hip: Optional[str] = None
"""


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """Pretends a torch whose version file has this text."""

    def pretend(text):
        package = tmp_path / "torch"
        package.mkdir()
        (package / "__init__.py").write_text("raise AssertionError('torch was imported')\n")
        if text is not None:
            (package / "version.py").write_text(text)
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()

    return pretend


def test_a_build_for_cpus_is_told(pretended):
    """With its version."""
    pretended(FILE.format(local="cpu", cuda="None"))
    assert without_cuda() == "torch 2.13.0+cpu is built without CUDA"


@pytest.mark.parametrize("text", [FILE.format(local="cu130", cuda="'13.0'"), "", "cuda = (", None])
def test_a_build_with_cuda_and_one_that_does_not_say_may_train(pretended, text):
    """The worker finds out."""
    pretended(text)
    assert without_cuda() is None


def test_without_torch_nothing_can_be_trained_by_it(monkeypatch):
    """As where only the package itself is installed."""
    monkeypatch.setattr("sumsquares.jobs.engines.torch_build.find_spec", lambda _name: None)
    assert without_cuda() == "torch is not installed"


def test_the_installed_torch_is_read_as_it_says_itself():
    """Without its import, which a process of its own tells."""
    code = (
        "import sys; from sumsquares.jobs.engines.torch_build import without_cuda; told = without_cuda(); "
        "assert 'torch' not in sys.modules; import torch; print(bool(told) == (torch.version.cuda is None))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"
