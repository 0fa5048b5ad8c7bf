"""Builds the kernels of the lanes engine, once per instruction set, and those of datasets/functions; all else is in
pyproject.toml.

The kernels are plain shared libraries, loaded with ctypes, so a C++ compiler is enough and Python's headers aren't
needed. Without a compiler the installation succeeds, and the torch engine and numpy are used instead.
"""

import copy
import hashlib
import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDER = Path("sumsquares/jobs/engines/lanes")
SOURCES = [FOLDER / "lanes.cpp", *sorted(FOLDER.glob("*.h"))]
DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()
"""The digest of the sources. library.py compares it with the sources on disk, to detect an outdated build."""
KERNELS = Path("sumsquares/datasets/functions/kernels.cpp")
if not (FOLDER / "lanes.cpp").is_file():
    sys.exit(
        "sumsquares/jobs is no link to ../jobs: this checkout has no symbolic links. Run "
        "`git config core.symlinks true && git checkout -- sumsquares`, or clone where links are supported."
    )
FLAGS = ["-std=c++17", "-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing"]
FLAGS += ["-fvisibility=hidden", "-Wno-ignored-attributes"]
VARIANTS = {"baseline": []}
if platform.machine() in ("x86_64", "AMD64"):
    avx2 = ["-mavx2", "-mfma"]
    avx512 = ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mprefer-vector-width=512"]
    VARIANTS |= {"avx2": avx2, "avx512": avx2 + avx512}


class Libraries(build_ext):
    """Builds the libraries under the names that library.py loads; a failed build doesn't fail the installation."""

    def finalize_options(self) -> None:
        """Builds up to three libraries at a time: each takes half a minute of a core, and half a GB of memory."""
        super().finalize_options()
        self.parallel = self.parallel or min(3, os.cpu_count() or 1)

    def get_ext_filename(self, fullname: str) -> str:
        """Returns a name without Python's version, since the libraries don't depend on Python."""
        return str(Path(*fullname.split("."))) + ".so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """Returns no symbols: a plain library has no `PyInit_` function."""
        return ext.export_symbols

    def build_extension(self, ext: Extension) -> None:
        """Builds one library; `pip install --verbose` and `sumsquares plan` report why that failed."""
        mine = copy.copy(self)
        mine.build_temp = str(Path(self.build_temp, ext.name))  # several are made of one source, at the same time
        try:
            super(Libraries, mine).build_extension(ext)
        except Exception as error:
            instead = "numpy" if ext.name.endswith(".kernels") else "the torch engine"
            self.warn(f"{ext.name} was not built, {instead} serves in its place: {error}")


class AnyPython(bdist_wheel):
    """One wheel for every version of Python: the libraries don't depend on it."""

    def get_tag(self) -> tuple[str, str, str]:
        """Returns the platform's tag, for any Python 3."""
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            f"sumsquares.jobs.engines.lanes.lanes_{variant}",
            [str(SOURCES[0])],
            depends=[str(path) for path in SOURCES[1:]],
            define_macros=[("LANES_SOURCES", f'"{DIGEST}"')],
            extra_compile_args=FLAGS + flags,
            language="c++",
            optional=True,
        )
        for variant, flags in VARIANTS.items()
    ]
    + [
        Extension(
            "sumsquares.datasets.functions.kernels",
            [str(KERNELS)],
            define_macros=[("KERNELS_SOURCE", f'"{hashlib.sha256(KERNELS.read_bytes()).hexdigest()}"')],
            extra_compile_args=[*FLAGS, "-fno-trapping-math"],  # without which comparisons aren't vectorized
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"bdist_wheel": AnyPython, "build_ext": Libraries},
)
