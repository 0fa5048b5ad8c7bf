"""What is measured and stored of packs that the cuda engine has trained on an emulated GPU, by torch and numpy."""

from __future__ import annotations

import emulated_gpu
import numpy as np
import pytest
from test_measured import WITH_SOLVED, check_solved, copied, every_trial, in_float64, outputs, rms, rows_of, weights_of
from test_measured import finished as finished

from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import block
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.stages.packs import plan_packs
from sumsquares.jobs.stages.rows import DatasetReader
from sumsquares.jobs.stages.train import Trainer, train_pack

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(emulated_gpu.reason() is not None, reason=str(emulated_gpu.reason())),
]
TRIALS = [each for each in every_trial() if each.variant.hidden == (3, 2) or each.variant.activation == "relu"]


@pytest.fixture(scope="module")
def trained(emulated, finished, tmp_path_factory):
    """The store of packs that were trained on the GPU."""
    store = copied(finished, tmp_path_factory.mktemp("store"))
    for pack in plan_packs(TRIALS):
        train_pack(store, DatasetReader(store), pack, Trainer("cuda", "cuda"), lambda _share: None)
    return store


def test_the_solved_readout_is_numpys_least_squares_on_the_features_of_a_sequential(trained):
    """As evidence, and as the answer. The recorded engine is the GPU's alone, since its own kernel has solved it."""
    rows = rows_of(trained)
    for trial in TRIALS:
        row = rows[trial.id]
        assert (row["engine"], row["device"], row["status"]) == ("cuda-sm_90", "cuda", "ok")
        check_solved(trained, trial, row)


def test_errors_that_are_summed_up_on_the_gpu_are_those_of_a_sequential(trained):
    """On every split, to what float32 rounds."""
    rows = rows_of(trained)
    for trial in (each for each in TRIALS if each.variant.readout == "trained"):
        row, variant = rows[trial.id], trial.variant
        network = in_float64(program_of(variant), weights_of(trained, row))
        scale = normalization(variant.dataset, variant.normalize)
        for split, name in WITH_SOLVED.items():
            inputs_NI, target_N = block(variant.dataset, split, 0)
            error_N = scale.restore(outputs(network, scale.inputs(inputs_NI, "float64"))[:, 0]) - target_N
            assert row[name] == pytest.approx(rms(error_N), rel=1e-4)
            if split == "test":
                assert row["max_abs_error"] == pytest.approx(np.abs(error_N).max(), rel=1e-4)
                assert row["mae"] == pytest.approx(np.abs(error_N).mean(), rel=1e-4)
