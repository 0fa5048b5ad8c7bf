"""Which engine trains what, why, and how results name it: with GPUs that are pretended."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from specs import SMALL as SPEC
from specs import small

from sumsquares.cluster.work import Failure
from sumsquares.cluster.workers import WorkerRequest
from sumsquares.jobs.engines import choice, cuda_engine
from sumsquares.jobs.engines.choice import BY_PACK, EngineMissing, choose, device_of, expect, recorded
from sumsquares.jobs.engines.cuda import driver
from sumsquares.jobs.engines.cuda.compiler import CompileError
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.show.engine_text import by_pack_words, engine_facts, engine_lines
from sumsquares.jobs.show.plan_text import plan_facts, plan_text
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.stages import gpu_torch, train
from sumsquares.jobs.stages.cost import estimate_on_gpus
from sumsquares.jobs.stages.mixed import Mixed
from sumsquares.jobs.stages.placement import IN_PROCESS, Placement
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.train import PackOutcome
from sumsquares.jobs.storage.store import Store

SMALL = Program(1, (16, 16), "relu", "adam", "constant", 100, 500, 1000, "float32", 0)
WIDE = replace(SMALL, hidden=(2048, 2048))
ON_GPUS = Placement(WorkerRequest(workers=2, gpu_workers=2), address="auto")


@pytest.fixture
def _gpu(monkeypatch):
    """This machine has a GPU that the engine can use."""
    monkeypatch.setattr(driver, "reason", lambda: None)
    monkeypatch.setattr(driver, "architecture", lambda: "sm_90")
    monkeypatch.setattr(cuda_engine, "available", lambda: None)


@pytest.fixture
def _no_gpu(monkeypatch):
    monkeypatch.setattr(driver, "reason", lambda: "no driver")
    monkeypatch.setattr(cuda_engine, "available", lambda: "no driver")


@pytest.mark.usefixtures("_gpu")
def test_on_gpus_cuda_trains_what_fits_and_torch_the_rest():
    """The reason is that of the layout; a spec may ask for torch by its name."""
    assert choose("auto", "cuda") == choose("auto", "cuda", SMALL) == choose("cuda", "cuda", SMALL) == "cuda"
    assert choose("auto", "cuda", WIDE) == choose("torch", "cuda", SMALL) == "torch"
    assert "shared memory" in expect("auto", "cuda", WIDE).why
    assert expect("torch", "cuda", SMALL).why == expect("auto", "cuda", SMALL).why == ""


@pytest.mark.usefixtures("_gpu")
def test_cuda_by_name_never_trains_with_another_engine():
    """Networks that are too wide, and CPU workers, are refused with a remedy."""
    with pytest.raises(EngineMissing, match=r'engine = "cuda": .*shared memory.*write engine = "auto"'):
        choose("cuda", "cuda", WIDE)
    with pytest.raises(EngineMissing, match=r'engine = "cuda": .*CPU workers alone; ask for --gpu-workers'):
        choose("cuda", "cpu", SMALL)
    with pytest.raises(EngineMissing, match=r'engine = "lanes": .*write engine = "auto"'):
        choose("lanes", "cuda", SMALL)


def test_a_gpu_that_the_engine_cannot_use_is_told_with_the_reason(monkeypatch):
    """As without NVRTC. torch trains then, unless cuda is asked for by name."""
    monkeypatch.setattr(driver, "reason", lambda: None)
    monkeypatch.setattr(cuda_engine, "available", lambda: "NVRTC is not installed")
    assert choose("auto", "cuda", SMALL) == "torch"
    assert expect("auto", "cuda", SMALL).why == "NVRTC is not installed"
    with pytest.raises(EngineMissing, match="NVRTC is not installed"):
        choose("cuda", "cuda", SMALL)


@pytest.mark.usefixtures("_no_gpu")
def test_gpus_elsewhere_are_expected_to_have_what_the_engine_needs():
    """A plan is made where there may be no GPU; a worker without one would not get this far."""
    assert expect("auto", "cuda", SMALL).engine == "cuda"
    assert expect("auto", "cuda", WIDE).engine == "torch"
    assert choose("auto", "cuda", SMALL) == "torch"


@pytest.mark.usefixtures("_gpu")
def test_what_the_compiler_refuses_is_trained_by_torch(tmp_path, monkeypatch):
    """It would refuse it each time. Where cuda is asked for by name, the pack fails, and isn't tried again."""

    def train_pack(_store, _reader, pack, trainer, _heartbeat):
        if trainer.engine == "cuda":
            raise CompileError("no register is left")
        return PackOutcome(len(pack.trials), None, 1.0, 1.0)

    monkeypatch.setattr(train, "train_pack", train_pack)
    monkeypatch.setattr(train, "engine", lambda name: name)
    pack = make_plan(small(), Store(str(tmp_path))).packs("cuda")[0]
    trains = train.worker(str(tmp_path), 0, "auto", "cuda")
    assert [trains(pack, print).is_first for _ in range(2)] == [True, False]
    with pytest.raises(EngineMissing, match="no register is left") as caught:
        train.worker(str(tmp_path), 0, "cuda", "cuda")(pack, print)
    assert not Failure.of("a pack", caught.value).retryable


@pytest.mark.usefixtures("_gpu")
def test_results_name_the_architecture_and_what_depends_on_the_pack():
    """By it a checkpoint is found to be of use, and by which workers."""
    assert recorded("cuda", "cuda") == "cuda-sm_90"
    assert recorded("torch", "cuda") == BY_PACK
    assert recorded("torch", "cpu") == "torch"
    assert [device_of(name) for name in ("cuda-sm_90", BY_PACK, "torch", "lanes", "")] == ["cuda"] * 2 + ["cpu"] * 3


@pytest.mark.usefixtures("_no_gpu")
def test_a_plan_tells_which_engine_trains_what_and_why(tmp_path):
    """In words and as data."""
    plan = make_plan(small(hidden="[[6], [2048, 2048]]"), Store(str(tmp_path)))
    packs = plan.packs("cuda")
    cost = estimate_on_gpus(packs, ON_GPUS, plan.cpu_engine)
    facts = plan_facts(plan, packs, cost, ON_GPUS)
    json.dumps(facts)
    assert facts["engines"] == ["cuda", "torch"]
    assert facts["cpu_workers_beside"] == choose("auto", "cpu")
    by_engine = {each["engine"]: each for each in facts["trained_by"]}
    assert by_engine["cuda"]["hidden"] == [[6]]
    assert (by_engine["cuda"]["why"], by_engine["cuda"]["device"]) == ("", "cuda")
    assert "shared memory" in by_engine["torch"]["why"]
    assert sum(each["trials"] for each in facts["trained_by"]) == plan.left
    text = plan_text(plan, packs, cost, ON_GPUS)
    assert "the last digits of a trial depend on the trials that are trained with it" in text
    assert "shared memory" in text
    assert "sm_90 and CUDA's NVRTC are assumed" in text
    assert "CPU workers beside them: " in text


HERE = Placement(WorkerRequest(workers=2, gpu_workers=1, gpus_per_worker=1.0))
"""CPUs and a GPU of this machine."""
ALONE = replace(HERE, wanted=replace(HERE.wanted, workers=0))


@pytest.fixture
def _cpu_torch(monkeypatch):
    """The torch here is built for CPUs."""
    monkeypatch.setattr(gpu_torch, "without_cuda", lambda: "torch 2.13.0+cpu is built without CUDA")


@pytest.mark.usefixtures("_gpu", "_cpu_torch")
def test_cores_train_what_neither_cuda_nor_a_torch_for_cpus_can(tmp_path):
    """The plan says so, and why; the packs are as cores take them, and no GPU worker gets one."""
    store = Store(str(tmp_path))
    plan = make_plan(small(hidden="[[6], [2048, 2048]]"), store, no_torch=gpu_torch.no_torch(HERE))
    packs = plan.packs("cuda")
    assert {(pack.program.hidden, pack.device) for pack in packs} == {((6,), "cuda"), ((2048, 2048), "cpu")}
    mixed = Mixed(plan.cpu_engine)
    for pack in packs:
        item = mixed.item(pack)
        assert set(item.seconds) == ({"cpu"} if pack.device == "cpu" else {"cpu", "cuda"})
        assert all(half.seconds.keys() == item.seconds.keys() for half in mixed.split(pack))
    cost = estimate_on_gpus(packs, HERE, plan.cpu_engine)
    on_cores = [pack.expected_seconds for pack in packs if pack.device == "cpu"]
    assert cost.seconds >= max(sum(on_cores) / 2, *on_cores)
    facts = plan_facts(plan, packs, cost, HERE)
    by_device = {each["device"]: each for each in facts["trained_by"]}
    assert (by_device["cuda"]["engine"], by_device["cuda"]["why"]) == ("cuda", "")
    assert (by_device["cpu"]["engine"], by_device["cpu"]["hidden"]) == (plan.cpu_engine, [[2048, 2048]])
    assert "shared memory" in by_device["cpu"]["why"]
    assert by_device["cpu"]["why"].endswith("torch 2.13.0+cpu is built without CUDA")
    assert sum(each["trials"] for each in facts["trained_by"]) == plan.left
    assert facts["problems"] == []
    text = plan_text(plan, packs, cost, HERE)
    assert f"{plan.cpu_engine} trains {by_device['cpu']['trials']} trials on CPUs: hidden = [2048, 2048]" in text
    assert "torch on a GPU" not in text


@pytest.mark.usefixtures("_gpu", "_cpu_torch")
def test_without_cores_such_a_run_is_refused_with_the_reason(tmp_path):
    """The plan says it as well. With torch asked for by name, that is all trials; with cuda, the engine's own words."""
    for spec in (small(hidden="[[6], [2048, 2048]]"), parse_spec(f'engine = "torch"\n{SPEC}'.encode(), "small.toml")):
        plan = make_plan(spec, Store(str(tmp_path)), no_torch=gpu_torch.no_torch(ALONE))
        packs = plan.packs("cuda")
        why = gpu_torch.nobody_trains(plan, packs, ALONE)
        assert why.startswith("no worker can train hidden = [")
        assert "torch 2.13.0+cpu is built without CUDA; ask for CPU workers beside the GPUs, as --workers 2" in why
        assert gpu_torch.nobody_trains(plan, packs, HERE) is None
        cost = estimate_on_gpus(packs, ALONE, plan.cpu_engine)
        assert plan_facts(plan, packs, cost, ALONE)["problems"] == [why]
        text = plan_text(plan, packs, cost, ALONE)
        assert why in text
        assert "no worker trains" in text


@pytest.mark.usefixtures("_gpu", "_cpu_torch")
def test_a_checkpoint_of_torch_on_a_gpu_is_of_no_use_to_a_torch_for_cpus(tmp_path, monkeypatch):
    """Cores begin anew, and in packs of their size; their own they resume."""
    store, spec = Store(str(tmp_path)), small(hidden="[[2048, 2048]]")
    first, second = make_plan(spec, store, no_torch="none").packs("cuda")[:2]
    saved = [(first.trial_ids, BY_PACK), (second.trial_ids, "lanes")]
    monkeypatch.setattr("sumsquares.jobs.stages.plan.checkpointed_packs", lambda _store: saved)
    plan = make_plan(spec, store, no_torch=gpu_torch.no_torch(HERE))
    assert {pack.device for pack in plan.begun} == {"cpu", "cuda"}
    packs = plan.packs("cuda")
    assert {pack.device for pack in packs} == {"cpu"}
    assert second.id in {pack.id for pack in packs}
    assert sum(len(pack.trials) for pack in packs) == plan.left


@pytest.mark.usefixtures("_cpu_torch")
def test_the_torch_of_other_machines_is_not_known(monkeypatch):
    """Nor does it matter without GPU workers."""
    monkeypatch.setattr(driver, "reason", lambda: None)
    assert gpu_torch.no_torch(HERE) == "torch 2.13.0+cpu is built without CUDA"
    assert gpu_torch.no_torch(replace(HERE, address="auto")) == gpu_torch.no_torch(IN_PROCESS) == ""
    monkeypatch.setattr(driver, "reason", lambda: "no driver")
    assert gpu_torch.no_torch(HERE) == ""


@pytest.mark.usefixtures("_no_gpu")
def test_a_plan_of_cpus_tells_their_engine(tmp_path):
    """And nothing of GPUs."""
    plan = make_plan(small(), Store(str(tmp_path)))
    (line,) = engine_lines(plan, plan.packs("cpu"), IN_PROCESS)
    assert line.startswith(f"engine: {choose('auto', 'cpu')}")
    assert [each["device"] for each in engine_facts(plan, plan.packs("cpu"), "cpu")] == ["cpu"]


def test_an_engine_that_is_named_has_no_use_for_workers_of_the_other_kind():
    """They are not started."""
    assert ON_GPUS.of_engine("auto") == ON_GPUS.of_engine("torch") == ON_GPUS
    assert ON_GPUS.of_engine("cuda").wanted.workers == 0
    assert ON_GPUS.of_engine("cuda").device == "cuda"
    assert ON_GPUS.of_engine("lanes").wanted.gpu_workers == 0
    assert ON_GPUS.of_engine("lanes").device == "cpu"
    whatever_there_is = Placement(WorkerRequest(), address="auto")
    assert whatever_there_is.of_engine("cuda").device == "cuda"
    assert whatever_there_is.device == "cpu"


def test_trials_whose_last_digits_depend_on_their_pack_are_told_in_a_sentence():
    """One of them, several, and none."""
    assert by_pack_words(0) == ""
    assert by_pack_words(1).startswith("1 trial was trained by torch on a GPU, where the last digits")
    assert by_pack_words(2_000).startswith("2,000 trials were trained by torch on a GPU")
    assert choice.BY_PACK in by_pack_words(1)
