"""What the installed torch was built for, read from its own file: importing torch takes seconds."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def without_cuda() -> str | None:
    """Why the torch of this Python can't use NVIDIA GPUs; None if it was built for them, or if its file doesn't say."""
    spec = find_spec("torch")
    if spec is None:
        return "torch is not installed"
    values = _values(Path(spec.origin).with_stem("version")) if spec.origin else {}
    if "cuda" not in values or values["cuda"]:
        return None
    return f"torch {values.get('__version__', '')}".strip() + " is built without CUDA"


@cache
def _values(path: Path) -> dict[str, Any]:
    """The constants that a file of Python assigns to names; none if it can't be read."""
    try:
        lines = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError):
        return {}
    return {
        target.id: line.value.value
        for line in lines
        if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant)
        for target in (line.targets if isinstance(line, ast.Assign) else [line.target])
        if isinstance(target, ast.Name)
    }
