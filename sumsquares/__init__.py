"""Why can a network learn sums but not squares? Trains every MLP variant of a grid, and tells.

From Python, this is all there is to import (docs/api.md):

* `open` and `run` give a `Run`: its summary, its trials, its causes, and any trained network as a `Model`;
* `Model` predicts, is a torch.nn.Module with its scaling inside, and is written as ONNX;
* `SweepRegressor` trains a grid on a table by scikit-learn's protocol.

Importing this imports neither torch nor Ray, nor anything else that takes time. The code lies in three folders beside
this one, of which `jobs`, `cluster` and `datasets` in here are links: nothing but `sumsquares` is installed at the top
level, where `datasets` is another project's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sumsquares._model import Model as Model
    from sumsquares._open import open as open  # noqa: A004  as gzip.open is named
    from sumsquares._open import run as run
    from sumsquares._regressor import SweepRegressor as SweepRegressor
    from sumsquares._run import Run as Run

__version__ = "0.1.0"
_HOMES = {"Model": "_model", "Run": "_run", "SweepRegressor": "_regressor", "open": "_open", "run": "_open"}
"""The module of each public name, which is imported when the name is first used."""
__all__ = ["Model", "Run", "SweepRegressor", "__version__", "open", "run"]


def __getattr__(name: str) -> Any:
    """Imports a public name (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sumsquares' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"sumsquares.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Returns the public names, those that are not imported yet too."""
    return __all__
