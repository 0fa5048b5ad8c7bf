"""Options that commands share, written once: what Typer reads is made from a command's signature.

Typer wants one parameter per option, each with its default. Here a command may take

* `store: StoreRoot`, an `Annotated` type that carries a `Default`: the parameter gets that default;
* `output: Output`, a frozen dataclass of such options: Typer gets one parameter for each field, in its place, and the
  command gets the dataclass.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Default:
    """In an `Annotated` type: the default of every parameter of this type."""

    value: object


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the signature that Typer reads."""
    hints = get_type_hints(command, include_extras=True)
    given = inspect.signature(command).parameters
    groups = {name: hints[name] for name in given if is_dataclass(hints[name])}
    parameters = [each for name, parameter in given.items() for each in _expanded(parameter, hints[name])]

    @functools.wraps(command)
    def called(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    # inspect.signature, which Typer calls, returns this attribute where there is one.
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def _expanded(parameter: Parameter, hint: Any) -> Iterator[Parameter]:
    """One parameter for each option."""
    options = get_type_hints(hint, include_extras=True) if is_dataclass(hint) else {parameter.name: hint}
    for name, kind in options.items():
        default = next((each.value for each in _extras(kind) if isinstance(each, Default)), parameter.default)
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _extras(kind: Any) -> tuple[Any, ...]:
    return get_args(kind)[1:] if get_origin(kind) is Annotated else ()
