"""The peers' own Python environment, created on demand in build/peers and again whenever requirements.txt changes.

It holds the libraries we compare with, and nothing of ours. The processes that run in it are started elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
FOLDER = ROOT / "build" / "peers"


def peers_python() -> str:
    """Returns the interpreter of that environment; the first call takes about a minute."""
    stamp = FOLDER / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing the peers into {FOLDER.relative_to(ROOT)}", file=sys.stderr, flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
        pip = [FOLDER / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        checked = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, *checked, "-r", REQUIREMENTS], check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return str(FOLDER / "bin" / "python")
