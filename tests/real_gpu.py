"""Lets the tests of the emulated GPU run on a real one: a plugin of pytest's. What they compare with is the same.

    PYTHONPATH=.:tests python -m pytest -p real_gpu tests/test_cuda_network.py tests/test_cuda_weights.py

Tests of what the emulation alone can do, such as a driver that fails on request, fail there. NVRTC has a cache of its
own, which is turned off: of what it finds there it reports no registers, which some tests read.
"""

import os

import emulated_gpu

from sumsquares.jobs.engines import cuda_engine
from sumsquares.jobs.engines.cuda import compiler, driver

os.environ["CUDA_CACHE_DISABLE"] = "1"
vars(emulated_gpu).update(
    reason=cuda_engine.available,
    libraries=lambda: (driver.LIBRARY, compiler.LIBRARY),
    variables=dict,
    reset=lambda: None,
)
