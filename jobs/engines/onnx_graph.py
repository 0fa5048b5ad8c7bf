"""A trained model with its scaling as an ONNX graph in float64: raw inputs in, answers in the target's own units out.

It consists of operators for which the CPU provider of onnxruntime has float64 kernels (measured with 1.23: there are
none for Elu, Erf and Gelu, and for LeakyRelu from opset 16 on alone); the others are composed of them. Scales of real
tables need float64, and so do solved readouts.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sumsquares.datasets.normalize import Normalization
from sumsquares.jobs.engines.program import Program

OPSET, IR_VERSION = 17, 8
"""Of ONNX 1.12, from 2022: what every runtime in use reads."""
INPUT, OUTPUT = "inputs", "prediction"
"""Names of the graph's input [N, I] and output [N], both float64."""
LEAK = 0.01
"""Slope of leaky_relu below zero."""
_ERF_END = 6.0
"""From here on erf is 1 in float64."""
_ERFCX = (
    0.3785374169292397, 0.42218758361344777, 0.16940759095449764, 0.0329934294778909, -0.0016702444046923937,
    -0.0016653643667956324, 0.00013358426953576807, 0.00010054189868280341, -2.2700159899704513e-05,
    -4.271117396357692e-06, 2.838143104316882e-06, -2.823393880271042e-07, -1.9838585196813037e-07,
    8.64694333890086e-08, -6.513118485109626e-09, -7.352472518437774e-09, 3.3658288322023846e-09,
    -2.776307855150726e-10, -2.9766387405215563e-10, 9.395932046122793e-11, -7.106929108334487e-13,
)  # fmt: skip
"""exp(a**2) erfc(a) for a in 0..6, as a polynomial in 16 / (3 (2 + a)) - 5/3, the lowest power first; it interpolates
at the Chebyshev nodes. erf becomes right to 6e-16."""


class _Graph:
    """Nodes in the order in which they are computed; each method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, value: Any, dtype: type = np.float64) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str | float, output: str | None = None, **attributes: Any) -> str:
        """Adds a node; numbers among the inputs become constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], **attributes))
        return name

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """The polynomial of x by Horner's rule; the lowest power comes first."""
        value = self.constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = self.add("Add", self.add("Mul", value, x), coefficient)
        return value


def _leaky_relu(graph: _Graph, z: str) -> str:
    return graph.add("Max", z, graph.add("Mul", z, LEAK))


def _elu(graph: _Graph, z: str) -> str:
    """z above zero, e^z - 1 below."""
    below = graph.add("Sub", graph.add("Exp", graph.add("Min", z, 0.0)), 1.0)
    return graph.add("Add", graph.add("Relu", z), below)


def _erf(graph: _Graph, x: str) -> str:
    """sign(x) (1 - exp(-a^2) erfcx(a)), where a = |x|."""
    a = graph.add("Min", graph.add("Abs", x), _ERF_END)
    place = graph.add("Sub", graph.add("Div", 16 / 3, graph.add("Add", a, 2.0)), 5 / 3)
    gauss = graph.add("Exp", graph.add("Neg", graph.add("Mul", a, a)))
    rest = graph.add("Mul", gauss, graph.polynomial(place, _ERFCX))
    return graph.add("Mul", graph.add("Sign", x), graph.add("Sub", 1.0, rest))


def _gelu(graph: _Graph, z: str) -> str:
    """z (1 + erf(z / sqrt 2)) / 2."""
    distribution = graph.add("Add", _erf(graph, graph.add("Mul", z, math.sqrt(0.5))), 1.0)
    return graph.add("Mul", graph.add("Mul", distribution, 0.5), z)


def _silu(graph: _Graph, z: str) -> str:
    """z / (1 + e^-z). Of z sigmoid(z) onnxruntime makes a QuickGelu, for which it has no float64 kernel."""
    return graph.add("Div", z, graph.add("Add", graph.add("Exp", graph.add("Neg", z)), 1.0))


ACTIVATIONS: dict[str, Callable[[_Graph, str], str]] = {
    "identity": lambda _graph, z: z,
    "linear": lambda _graph, z: z,
    "relu": lambda graph, z: graph.add("Relu", z),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "tanh": lambda graph, z: graph.add("Tanh", z),
    "sigmoid": lambda graph, z: graph.add("Sigmoid", z),
    "gelu": _gelu,
    "silu": _silu,
    "square": lambda graph, z: graph.add("Mul", z, z),
}
"""By the name in a job spec, those of the output too."""


def onnx_model(
    program: Program,
    tensors: Mapping[str, NDArray[np.floating[Any]]],
    scale: Normalization,
    about: Mapping[str, str],
) -> ModelProto:
    """Returns the model of these weights, a state dict with the names of `state_dicts`; `about` becomes its metadata.

    A row with an input that needs a logarithm and has none gets NaN.
    """
    graph = _Graph()
    value = _normalized(graph, scale)
    for index in range(len(program.layers)):
        weights = [graph.constant(tensors[f"{2 * index}.{kind}"]) for kind in ("weight", "bias")]
        value = graph.add("Gemm", value, *weights, transB=1)
        is_last = index == len(program.layers) - 1
        value = ACTIVATIONS[program.output if is_last else program.activation](graph, value)
    _restored(graph, graph.add("Squeeze", value, graph.constant([1], np.int64)), scale)
    inputs = helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["N", program.inputs])
    outputs = helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, ["N"])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "sumsquares", [inputs], [outputs], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sumsquares",
    )
    helper.set_model_props(model, dict(about))
    return model


def _normalized(graph: _Graph, scale: Normalization) -> str:
    raw = graph.add("Log", INPUT) if scale.log_inputs else INPUT
    shift, factor = (graph.constant(values) for values in (scale.input_shift, scale.input_scale))
    return graph.add("Div", graph.add("Sub", raw, shift), factor)


def _restored(graph: _Graph, value: str, scale: Normalization) -> None:
    """Adds the way back to the target's own units, NaN where an input has no logarithm: a ReLU makes a number of it."""
    value = graph.add("Add", graph.add("Mul", value, scale.target_scale), scale.target_shift)
    if scale.log_target:
        value = graph.add("Exp", value)
    if scale.log_inputs:
        has_logarithm = graph.add("Greater", graph.add("ReduceMin", INPUT, axes=[1], keepdims=0), 0.0)
        value = graph.add("Where", has_logarithm, value, math.nan)
    graph.add("Identity", value, output=OUTPUT)
