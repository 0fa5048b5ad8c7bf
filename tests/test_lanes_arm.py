"""The lanes kernel on 64-bit Arm, in an emulator: it compiles, and its bits are those of x86-64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lanes_builds import builds
from lanes_emulated import MISSING, Emulated
from test_lanes_engine import shuffled_rows, trained_by
from test_readout import observed_by, parameters_of
from test_torch_engine import OBJECTIVES, models, program, rows_of

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.engines.activations import ACTIVATIONS
from sumsquares.jobs.engines.lanes.library import LAYOUTS, Seen, load
from sumsquares.jobs.engines.optimizers import OPTIMIZERS

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(MISSING), reason=f"no {' and no '.join(MISSING)}"),
    pytest.mark.skipif(not builds(fused_only=True), reason="no fused build of the lanes kernel to compare with"),
]
KINDS = list(
    zip(
        itertools.cycle(OPTIMIZERS),
        itertools.cycle(ACTIVATIONS),
        itertools.cycle(LAYOUTS),
        OBJECTIVES,
        strict=False,
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the program, which is compiled once: that takes most of a minute."""
    return tmp_path_factory.mktemp("emulated")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("optimizer", "activation", "layout", "objective"), KINDS)
def test_arm_trains_and_predicts_the_same_bits(folder, optimizer, activation, layout, objective, dtype):
    """This covers every name of each list, every layout, packs that leave lanes empty, weight decay and a cosine."""
    arm = Emulated(folder, layout)
    for hidden, count, inputs in (((5, 3), 3, 1), ((17, 33), 6, 2), ((16,), 9, 1)):
        shape = program(
            hidden=hidden,
            inputs=inputs,
            activation=activation,
            optimizer=optimizer,
            output=objective[0],
            loss=objective[1],
            dtype=dtype,
            schedule="cosine",
        )
        lr = 2e-5 if activation == "square" else 0.002  # plain gradient descent through squares diverges soon
        everyone, rows = models(count, lr, 0.1), shuffled_rows(shape)
        found = trained_by(arm, shape, everyone, rows)
        expected = lanes_engine.train(shape, everyone, rows)
        assert np.isfinite(expected.parameters).all()
        np.testing.assert_array_equal(found.parameters, expected.parameters)
        for array, other in zip(found.optimizer_state, expected.optimizer_state, strict=True):
            np.testing.assert_array_equal(array, other)
        assert list(found.finite_steps) == list(expected.finite_steps)
        np.testing.assert_array_equal(found.losses, expected.losses)
        x_NI = rows_of(shape)[0]
        predicted = arm.predict(shape, found.parameters, x_NI)
        np.testing.assert_array_equal(predicted, lanes_engine.predictor(shape, expected.parameters)(x_NI))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_arm_observes_and_solves_the_same_bits(folder, activation):
    """This covers networks without hidden layers and with wide ones, and packs that leave lanes empty."""
    arm = Emulated(folder, "faster")
    for hidden, count in (((), 1), ((17,), 5), ((9, 6), 3), ((130,), 2)):
        shape = program(hidden=hidden, activation=activation, rows=75)
        (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, count)
        expected, readout_MK = observed_by(load(), shape, parameters, x_NI, y_N)
        seen = Seen.of_no_rows(shape, count)
        np.testing.assert_array_equal(arm.observe_and_solve(shape, parameters, x_NI, y_N, seen), readout_MK)
        for found, array in zip(vars(seen).values(), vars(expected).values(), strict=True):
            np.testing.assert_array_equal(found, array)
