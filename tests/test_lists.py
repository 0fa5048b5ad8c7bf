"""The lists of names agree: what a job spec may say is what every engine knows, and the other way round."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import gpu_laws_readout
import gpu_reference
import pytest
from cuda_table import ONCE
from lanes_builds import builds, named, needs_lanes
from test_spec import OTHER

from sumsquares.datasets.normalize import NormalizationKind, normalization
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.commands.run import run
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.engines import activations, choice, cuda_engine, objective, optimizers
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.lanes.library import MOST_STATE
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.schedule import lr_factors
from sumsquares.jobs.engines.state import PerModel
from sumsquares.jobs.results import cause_training, causes
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.show import answer
from sumsquares.jobs.spec import axes
from sumsquares.jobs.stages.cpu_cost import WITHOUT_EXP
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

ROOT = Path(__file__).parent.parent
BUILDS = named(builds())
SPEC = "jobs/spec/axes.py"


def assert_same(allowed, known, where):
    """Both lists have the same names; if not, the message says which name is missing where."""
    missing = [f"{name!r} of {SPEC} is missing in {where}" for name in get_args(allowed) if name not in known]
    extra = [f"{name!r} of {where} is missing in {SPEC}" for name in known if name not in get_args(allowed)]
    assert not missing + extra, "; ".join(missing + extra)


def test_a_name_in_only_one_list_is_reported():
    """The message says what to add, and where."""
    with pytest.raises(AssertionError, match=r"'relu' of jobs/spec/axes.py is missing in here.*'new' of here is miss"):
        assert_same(axes.Activation, [*get_args(axes.Activation)[2:], "identity", "new"], "here")


def test_torch_knows_the_activations_of_the_spec():
    """Each with its gradient and its module."""
    assert_same(axes.Activation, activations.ACTIVATIONS, "jobs/engines/activations.py")


def test_planning_knows_which_activations_have_an_exponential_function():
    """They are those whose struct in the kernel uses Exponential, itself or by a function, a struct or its base."""
    functions, text = ((ROOT / f"jobs/engines/lanes/{name}.h").read_text() for name in ("functions", "activations"))
    definition = r"^(?:struct|inline .*?) ?(\w+)( [:{].*?|\(.*?)^}"
    code = dict(re.findall(definition, functions + text, re.MULTILINE | re.DOTALL))
    (table,) = re.findall(r"define LANES_ACTIVATIONS.*?\n\n", text, re.DOTALL)
    struct_of = dict(re.findall(r"EACH\((\w+), (\w+)\)", table))
    assert {*struct_of} == {*get_args(axes.Activation)}
    assert {"Exponential", "tanh", *struct_of.values()} <= {*code}

    found, users = set[str](), {"Exponential"}
    while users - found:
        found |= users
        used = re.compile(rf"\b(?:{'|'.join(found)})\b")
        users = {name for name, body in code.items() if used.search(body)}
    assert {*WITHOUT_EXP} == {name for name, struct in struct_of.items() if struct not in found}


def test_torch_knows_the_outputs_and_losses_of_the_spec():
    """Each output with its module, each loss with its slope."""
    assert_same(axes.Output, activations.OUTPUTS, "jobs/engines/activations.py")
    assert_same(axes.Loss, objective.LOSSES, "jobs/engines/objective.py")


def test_torch_knows_the_optimizers_of_the_spec():
    """Each with its state, for which the kernel has room as well."""
    assert_same(axes.Optimizer, optimizers.OPTIMIZERS, "jobs/engines/optimizers.py")
    assert max(optimizer.arrays for optimizer in optimizers.OPTIMIZERS.values()) <= MOST_STATE


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
def test_lanes_knows_the_activations_of_the_spec(build):
    """In every build."""
    assert_same(axes.Activation, BUILDS[build].activations, "LANES_ACTIVATIONS, jobs/engines/lanes/activations.h")


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
def test_lanes_knows_the_optimizers_of_the_spec(build):
    """In every build, and they remember as much as those of torch: a pack's state is stored as it is."""
    library = BUILDS[build]
    assert_same(axes.Optimizer, library.optimizers, "LANES_OPTIMIZERS, jobs/engines/lanes/optimizers.h")
    arrays = {name: optimizer.arrays for name, optimizer in optimizers.OPTIMIZERS.items()}
    assert {name: library.arrays_of(name) for name in library.optimizers} == arrays


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
def test_lanes_knows_the_outputs_and_losses_of_the_spec(build):
    """In every build."""
    assert_same(axes.Output, BUILDS[build].outputs, "LANES_OUTPUTS, jobs/engines/lanes/activations.h")
    assert_same(axes.Loss, BUILDS[build].losses, "LANES_LOSSES, jobs/engines/lanes/losses.h")


def names_in(file, namespace):
    """The names that a namespace of the cuda kernels defines, bases of structs left out."""
    text = (ROOT / file).read_text()
    inside = re.search(rf"namespace {namespace} {{\n(.*?)}}  // namespace {namespace}\n", text, re.DOTALL)[1]
    found = re.findall(r"^(?:struct|using) (?:\w+::)*(\w+)", inside, re.MULTILINE)
    return [name for name in found if not name.startswith("Of")]


@pytest.mark.parametrize(
    ("allowed", "namespace", "file"),
    [
        (axes.Activation, "activations", "activations.cuh"),
        (axes.Output, "outputs", "activations.cuh"),
        (axes.Optimizer, "optimizers", "optimizers.cuh"),
        (axes.Loss, "losses", "losses.cuh"),
    ],
)
def test_cuda_knows_the_names_of_the_spec(allowed, namespace, file):
    """Its kernels are compiled with these names, one by one."""
    path = f"jobs/engines/cuda/{file}"
    assert_same(allowed, names_in(path, namespace), path)


def test_the_laws_of_gpus_are_about_all_names_of_the_spec():
    """Their reference in float64, the bits of readouts, and the table of compiled kernels."""
    reference = "tests/gpu_reference.py"
    assert_same(axes.Activation, gpu_reference.ACTIVATIONS, reference)
    assert_same(axes.Output, gpu_reference.OUTPUTS, reference)
    assert_same(axes.Loss, [*gpu_reference.LOSSES, "bce"], reference)
    assert_same(axes.Optimizer, gpu_reference.OPTIMIZERS, reference)
    arrays = {name: optimizer.arrays for name, optimizer in optimizers.OPTIMIZERS.items()}
    assert arrays == gpu_reference.OPTIMIZERS
    assert_same(axes.Activation, gpu_laws_readout.DIGESTS, "tests/gpu_laws_readout.py")
    compiled = {each.get("activation", "relu") for each in ONCE}
    assert_same(axes.Activation, compiled, "tests/cuda_table.py")


def test_each_optimizer_has_its_usual_learning_rates():
    """Causes compare a variant's rate with them."""
    assert_same(axes.Optimizer, cause_training.USUAL_LR, "USUAL_LR, jobs/results/cause_training.py")


def test_each_cause_has_its_clause_its_row_in_the_docs_and_its_planted_fault():
    """Except those that are no fault."""
    no_fault = {"at_noise", "solved", "unknown"}
    assert {*answer.REASONS} == {*causes.NAMES} - no_fault - {"outside_range"}
    rows = [line for line in (ROOT / "docs/explaining.md").read_text().splitlines() if line.startswith("| `")]
    assert {*causes.NAMES} <= {name for line in rows for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    source = (ROOT / "benchmarks/causes.py").read_text()
    planted = re.search(r"for plant in \((.*?)\)\n", source, re.DOTALL)
    assert {*re.findall(r"\w+", planted[1])} == {*causes.NAMES} - no_fault


@pytest.mark.parametrize("name", get_args(axes.Schedule))
def test_each_schedule_of_the_spec_is_known(name):
    """An unknown name is not taken for another."""
    assert lr_factors(name, 0, 3, 3)[0] == 1.0
    with pytest.raises(AssertionError, match="other"):
        lr_factors("other", 0, 3, 3)


@pytest.mark.parametrize("name", get_args(axes.Init))
def test_each_initialisation_of_the_spec_is_known(name):
    """An unknown name is not taken for another."""
    program = Program(1, (2,), "relu", "sgd", "constant", 1, 1, 1, "float32", 0)
    assert initialize(program, [0], [name]).shape == (1, program.parameters)
    with pytest.raises(AssertionError, match="other"):
        initialize(program, [0], ["other"])


@pytest.mark.parametrize("name", get_args(NormalizationKind))
def test_each_normalisation_of_the_spec_is_known(name):
    """An unknown name is not taken for another."""
    dataset = DatasetSpec(task="sum", largest=10, rows=10)
    assert normalization(dataset, name).target_scale > 0
    with pytest.raises(AssertionError, match="other"):
        normalization(dataset, "other")


@needs_lanes
@pytest.mark.parametrize("name", get_args(axes.Engine))
def test_each_engine_of_the_spec_is_a_module(name):
    """Or, as auto, chooses one. That of GPUs can't be prepared without one."""
    if name == "cuda":
        assert callable(cuda_engine.train)
    else:
        assert hasattr(choice.engine(choice.choose(name, "cpu")), "train")


def test_the_recipes_name_files_and_lists_that_exist():
    """Each step of CONTRIBUTING's recipes names a file, and the lists that this file has."""
    recipes = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Recipes\n")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d\. (.*(?:\n   .*)*)", recipes, re.MULTILINE)
    assert len(steps) == 36
    for step in steps:
        quoted = re.findall(r"`([^`]+)`", step)
        texts = [(ROOT / path).read_text() for path in quoted if "/" in path]
        assert texts, step
        for name in (name for name in quoted if "/" not in name):
            assert any(re.search(rf"\b{name}\b", text) for text in texts), (name, step)


@pytest.mark.parametrize(
    "name", [name for name in axes.AXES if name not in ("normalize", "normalize_target", "readout")]
)
def test_each_hyperparameter_reaches_the_engines(name):
    """By the program of a pack or the values of its models; rows are scaled before, a readout is solved afterwards."""
    assert name in {field.name for field in (*fields(Program), *fields(PerModel))}


@pytest.mark.parametrize("engine", ["torch", pytest.param("lanes", marks=needs_lanes)])
@pytest.mark.parametrize("name", axes.AXES)
def test_another_value_of_a_hyperparameter_trains_another_network(name, engine, tmp_path):
    """None is accepted and then ignored: a grid over it would compare a network with itself."""
    text = f"""
engine = "{engine}"
name = "two"
dataset = [{{ name = "squares", task = "square", largest = 50, rows = 40, test_rows = 10 }}]
train = {{ hidden = [4], epochs = 2, batch_size = 20 }}
grid = [{{ dataset = "squares" }}, {{ dataset = "squares", {name} = {OTHER[name]} }}]
"""
    (tmp_path / "spec.toml").write_text(text)
    store = Store(str(tmp_path / "store"))
    assert run(tmp_path / "spec.toml", 10, IN_PROCESS, Shared(store.root, json=False, quiet=True)) == 0
    rows = read_trials(store).table.to_pylist()
    assert len({row["rmse_train"] for row in rows}) == len(rows) == 2
