"""A program: everything that the models of one pack share, and how their parameters lie in memory.

Not here: what differs between the models of a pack (learning rate, weight decay, seed, initialisation), nor any
array library: this is plain arithmetic on shapes.

Suffixes: M models, N rows, I inputs of a layer, O outputs of a layer, P parameters of one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer's place in the flat parameters of a model: first its weights [I, O], then its bias [O]."""

    inputs: int
    outputs: int
    start: int

    @property
    def weights(self) -> slice:
        """The places of the weights, row-major [I, O]."""
        return slice(self.start, self.start + self.inputs * self.outputs)

    @property
    def bias(self) -> slice:
        """The places of the bias [O]."""
        return slice(self.weights.stop, self.weights.stop + self.outputs)


@dataclass(frozen=True)
class Program:
    """What is run for every model of a pack alike."""

    inputs: int
    """Input columns, unused ones included."""
    hidden: tuple[int, ...]
    """Widths of the hidden layers, first to last; none is a linear model."""
    activation: str
    """A name in `activations.ACTIVATIONS`, applied after every hidden layer."""
    optimizer: str
    """A name in `optimizers.OPTIMIZERS`."""
    schedule: str
    """constant or cosine."""
    batch_size: int
    """Rows per optimizer step; the last batch of an epoch may be smaller."""
    epochs: int
    """Passes over the training rows."""
    rows: int
    """Training rows."""
    dtype: str
    """float32 or float64."""
    shuffle_seed: int
    """Decides, with the epoch, in which order the rows are seen."""

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All linear layers, the last one mapping to the single output."""
        widths = (self.inputs, *self.hidden, 1)
        layers, start = [], 0
        for inputs, outputs in pairwise(widths):
            layers.append(Layer(inputs, outputs, start))
            start = layers[-1].bias.stop
        return tuple(layers)

    @property
    def parameters(self) -> int:
        """Trainable numbers of one model."""
        last = self.layers[-1]
        return last.start + (last.inputs + 1) * last.outputs

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the rows."""
        return -(-self.rows // self.batch_size)

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    @property
    def flops(self) -> float:
        """Floating-point operations to train one model: forward, backward and weight gradients, 6 per weight and row.

        The first layer needs no gradient of its inputs, so it counts 4. The optimizer's own are left out.
        """
        weights = [layer.inputs * layer.outputs for layer in self.layers]
        return float(self.epochs) * self.rows * (6 * sum(weights) - 2 * weights[0])

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return 8 if self.dtype == "float64" else 4

    @property
    def model_bytes(self) -> int:
        """Bytes one model of a pack takes in training: parameters, gradient, two moments, scratch, activations."""
        activations = 4 * self.batch_size * (sum(self.hidden) + 1)
        return self.item_bytes * (5 * self.parameters + activations)
