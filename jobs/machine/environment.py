"""The environment of a run: versions, git commit, machine. Nothing secret."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("sumsquares", "ray", "torch", "numpy", "pyarrow")


def environment() -> dict[str, object]:
    """Versions of the software that results may depend on, the git commit, and the machine."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "git_commit": _git_commit(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the checkout that this code is in; None if it was installed, or there is no git."""
    checkout, git = Path(__file__).resolve().parents[2], shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return None
    found = subprocess.run(  # noqa: S603  a fixed command without a shell
        [git, "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10
    )
    return found.stdout.strip() or None
