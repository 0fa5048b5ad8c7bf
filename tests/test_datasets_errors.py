"""datasets/errors.py and the arrows of the whole package."""

import subprocess
import sys
from pathlib import Path

import pytest

from sumsquares import datasets
from sumsquares.datasets.errors import DamagedManifest, DamagedShard, DataError, ForeignShard, OtherRows


@pytest.mark.parametrize("error", [DamagedShard, ForeignShard, DamagedManifest, OtherRows])
def test_every_kind_of_bad_data_is_a_data_error(error):
    """One `except DataError` catches them all, and they are ValueErrors: bad input, not a broken program."""
    assert issubclass(error, DataError)
    assert issubclass(error, ValueError)


def test_the_package_imports_neither_ray_nor_torch_nor_its_neighbours():
    """Importing every module of datasets leaves ray, torch, jobs and cluster unimported."""
    package = Path(datasets.__file__).parent
    modules = ", ".join(f"sumsquares.datasets.{path.stem}" for path in package.glob("*.py") if path.stem != "__init__")
    others = {"ray", "torch", "sumsquares.jobs", "sumsquares.cluster"}
    code = f"import sys, {modules}; print({others} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
