"""A program: everything that the models of one pack share, and the memory layout of their parameters.

What differs between them (learning rate, weight decay, seed, initialisation) is in state.py. This is plain arithmetic
on shapes, without an array library.

Suffixes: M models, N rows, I inputs of a layer, O outputs of a layer, P parameters of one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Layer:
    """Where a linear layer lies in the flat parameters of a model: its weights [I, O], then its bias [O]."""

    inputs: int
    outputs: int
    start: int

    @property
    def weights(self) -> slice:
        """Indices of the weights, row-major [I, O]."""
        return slice(self.start, self.start + self.inputs * self.outputs)

    @property
    def bias(self) -> slice:
        """Indices of the bias [O]."""
        return slice(self.weights.stop, self.weights.stop + self.outputs)


@dataclass(frozen=True)
class Program:
    """The training of every model of a pack, except what differs between them."""

    inputs: int
    """Input columns, unused ones included."""
    hidden: tuple[int, ...]
    """Widths of the hidden layers, from the input side; () is a linear model."""
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
    """Seed of the order of the rows, together with the number of the epoch."""
    output: str = "linear"
    """Activation of the output layer, a name in `activations.OUTPUTS`."""
    loss: str = "mse"
    """A name in `objective.LOSSES`: of normalised predictions and targets. bce needs the output sigmoid."""

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
        """Weights and biases of one model."""
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
        """Floating-point operations to train one model, without the optimizer's.

        A weight takes 6 per row: 2 each for the forward pass, the weight gradient and the input gradient. The first
        layer takes 4, since it needs no input gradient.
        """
        weights = [layer.inputs * layer.outputs for layer in self.layers]
        return float(self.epochs) * self.rows * (6 * sum(weights) - 2 * weights[0])

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return 8 if self.dtype == "float64" else 4

    @property
    def model_bytes(self) -> int:
        """Bytes per model in training: parameters, gradient, two arrays of optimizer state, scratch, activations.

        Where the first layer has one output, the products of its weights with the inputs are scratch.
        """
        products = self.inputs if self.layers[0].outputs == 1 else 0
        activations = self.batch_size * (4 * (sum(self.hidden) + 1) + products)
        return self.item_bytes * (5 * self.parameters + activations)
