"""The plain numpy training that the laws of the cuda engine compare with, against the torch engine in float64."""

from __future__ import annotations

from itertools import cycle, product

import gpu_reference
import numpy as np
import pytest
from gpu_cases import SMALL, case
from gpu_reference import ACTIVATIONS, OBJECTIVES, OPTIMIZERS
from test_torch_engine import prepared as prepared

from sumsquares.jobs.engines import torch_engine
from sumsquares.jobs.engines.shuffle import in_memory

SHAPES, PAIRS = cycle(SMALL), cycle(OBJECTIVES)
KINDS = [(*kinds, next(PAIRS), next(SHAPES)) for kinds in product(ACTIVATIONS, OPTIMIZERS)]


@pytest.mark.parametrize(("activation", "optimizer", "objective", "shape"), KINDS)
def test_numpy_trains_as_torch_does(activation, optimizer, objective, shape):
    """With weight decay, a cosine and rates that differ; its predictions are torch's too.

    A gradient near 0 is noise, of which Adam makes steps of its own size: hence the absolute tolerance.
    """
    of = case(shape, activation, optimizer, objective, "float64", schedule="cosine", has_decay=True)
    expected = torch_engine.train(of.program, of.per_model, in_memory(*of.rows))
    found = gpu_reference.train(of.program, of.per_model, *of.rows)
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9)
    assert list(found.finite_steps) == list(expected.finite_steps)
    for array, other in zip(found.optimizer_state, expected.optimizer_state, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-7, atol=1e-10)
    predicted = gpu_reference.predict(of.program, found.parameters, of.rows[0])
    np.testing.assert_allclose(predicted, torch_engine.predictor(of.program, found.parameters)(of.rows[0]), atol=1e-12)


def test_in_float32_all_its_numbers_are_float32():
    """Else its error would not be that of float32."""
    for optimizer, (output, loss) in product(OPTIMIZERS, OBJECTIVES):
        of = case(SMALL[0], "gelu", optimizer, (output, loss), has_decay=True)
        found = gpu_reference.train(of.program, of.per_model, *of.rows, np.float32)
        assert {array.dtype for array in (found.parameters, *found.optimizer_state)} == {np.dtype(np.float32)}
        gradient = gpu_reference.derive(of.program, found.parameters, *of.rows)[1]
        assert gradient.dtype == np.float32
