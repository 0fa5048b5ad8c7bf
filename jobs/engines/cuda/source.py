"""The source text of a kernel: macros, then files of this folder. It includes nothing, so a digest of it says all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent


def source(macros: Mapping[str, object], files: Sequence[str]) -> str:
    """Returns a `#define` line for each macro and the named files, one after the other."""
    lines = [f"#define {name} {value}\n" for name, value in macros.items()]
    texts = [f'#line 1 "{name}"\n' + (FOLDER / name).read_text() for name in files]
    return "".join(lines + texts)
