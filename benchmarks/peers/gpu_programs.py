"""The programs that benchmarks/gpu_shapes.py measures, in groups: what comes first matters most."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sumsquares.jobs.engines.program import Program

PLAIN = Program(1, (16, 16), "relu", "adam", "constant", 100, 1_000, 1_000, "float32", 0)
MODELS = 10_000
PACKS = (132, 264, 528, 1_056, 2_112, 4_096, 30_000)
LARGE = 64, 64


@dataclass(frozen=True)
class Case:
    """A program, and how many models train it at a time."""

    program: Program
    models: int = MODELS
    has_decay: bool = False

    @property
    def name(self) -> str:
        """The network, and whatever isn't plain."""
        program = self.program
        widths = "-".join(map(str, (program.inputs, *program.hidden, 1)))
        kinds = [f"batch {program.batch_size}"] * (program.batch_size != PLAIN.batch_size)
        kinds += [
            getattr(program, name)
            for name in ("activation", "optimizer", "dtype")
            if getattr(program, name) != getattr(PLAIN, name)
        ]
        return " ".join((widths, *kinds, *["decay"] * self.has_decay))


def of(*hidden: int, models: int = MODELS, has_decay: bool = False, **changes: object) -> Case:
    """A case: the plain program with other widths, and changes."""
    return Case(replace(PLAIN, hidden=hidden, **changes), models, has_decay)  # type: ignore[arg-type]


ACTIVATIONS = ("tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu", "square", "identity")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adamw", "rmsprop")
"""All but those of the plain program."""
GROUPS: dict[str, list[Case]] = {
    "two layers": [of(units, units) for units in (8, 16, 24, 32, 48, 64, 96, 128)],
    "other layers": [
        *(of(units) for units in (16, 32, 64, 128, 256)),
        *(of(units, units, units) for units in (16, 32, 64)),
        of(24, 12),
    ],
    "activations": [of(*hidden, activation=name) for hidden in ((16, 16), LARGE) for name in ACTIVATIONS],
    "float64": [
        of(16, 16, dtype="float64"),
        of(*LARGE, dtype="float64"),
        *(of(16, 16, dtype="float64", activation=name) for name in ("tanh", "gelu")),
        of(64, dtype="float64"),
        of(dtype="float64"),
    ],
    "batches": [
        of(*hidden, batch_size=rows, epochs=rows * 10) for rows in (10, 32, 1_000) for hidden in ((16, 16), LARGE)
    ],
    "optimizers": [
        *(of(32, 32, optimizer=name) for name in OPTIMIZERS),
        *(of(32, 32, optimizer=name, has_decay=True) for name in ("adam", "adamw")),
    ],
    "inputs": [
        *(of(16, 16, inputs=count) for count in (2, 20, 300)),
        of(*LARGE, inputs=20),
        of(64, inputs=100),
    ],
    "linear": [of(inputs=count) for count in (1, 8, 20, 300)],
    "packs": [of(*hidden, models=models) for models in PACKS for hidden in ((16, 16), LARGE)],
}
"""What is measured, by group."""
LAYOUTS: list[Case] = [
    of(16, 16),
    of(*LARGE),
    *(of(units, units) for units in (8, 24, 32, 48, 96, 128)),
    *(of(*hidden, activation=name) for hidden in ((16, 16), LARGE) for name in ("tanh", "sigmoid", "gelu")),
    *(of(*hidden, dtype="float64") for hidden in ((16, 16), LARGE)),
    *(of(*LARGE, batch_size=rows, epochs=rows * 10) for rows in (32, 1_000)),
    of(16, 16, batch_size=32),
    of(64, 64, 64),
    of(256),
    of(16, 16, inputs=20),
]
"""Whose layouts are compared."""
OBSERVED: list[Case] = [of(16, 16), of(*LARGE), of(64, 64, 64), of(16, 16, activation="tanh"), of(16, 16, inputs=20)]
"""What is measured after the training."""
SMALL = of(5, 3, models=3, batch_size=8), of(models=3, batch_size=8, dtype="float64")
"""All that is measured of an emulated GPU."""
