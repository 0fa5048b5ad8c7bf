"""The command line as a user meets it: exit codes, messages, JSON, help."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import typer
from command_line import calls
from result_rows import by_column
from specs import SMALL

from sumsquares.jobs import exits
from sumsquares.jobs.cli.main import app
from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.stored import commit_pack, read_results, read_weights
from sumsquares.jobs.spec.job_spec import MAX_TRIALS, parse_spec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import Store

COMMANDS = [command.callback.__name__ for command in app.registered_commands]
SHARED = {"store", "json", "quiet", "debug", "max_trials", "workers", "gpu_workers", "gpus_per_worker", "resource"}
SHARED |= {"label", "group_size", "memory_limit", "patience", "address", "all_variants", "keep", "keep_days", "header"}
"""Options of more than one command."""


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path):
    """Runs the command line in this process, in an empty folder with the small spec as spec.toml."""
    (tmp_path / "spec.toml").write_text(SMALL)
    yield from calls(monkeypatch, capfd, tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The store of a finished run of the small spec."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "spec.toml").write_text(SMALL)
    commands.run(folder / "spec.toml", 100, IN_PROCESS, Shared(str(folder / "store"), json=True, quiet=True))
    return folder / "store"


@pytest.fixture
def ran(cli, finished, tmp_path):
    """The command line after a run of the small spec."""
    shutil.copytree(finished, tmp_path / "store")
    return cli


def test_a_run_prints_tables_of_at_most_100_columns_and_names_its_summary_and_report(cli, tmp_path):
    """With --samples the output has the question's own rows; both files exist."""
    ended = cli("run", "spec.toml", "--workers", "0", "--samples")
    assert ended.code == 0
    tables, _, names = ended.out.rpartition("summary:")
    assert max(map(len, tables.splitlines())) <= 100
    assert "Expected=" in tables
    assert "(err=" in tables
    assert str(tmp_path / "store/runs/small/summary.json") in names
    assert (tmp_path / "store/runs/small/report.html").read_text().startswith("<!doctype html>")


def test_json_is_one_object_on_stdout_and_quiet_says_nothing_else(cli):
    """Holds for run, plan, generate, train, summarize and predict."""
    for command in ("plan", "generate", "train", "run", "summarize"):
        place = [] if command == "summarize" else ["--workers", "0"]
        ended = cli(command, "spec.toml", "--json", "--quiet", *place)
        assert ended.code == 0, ended.err
        assert isinstance(json.loads(ended.out), dict)
        assert ended.err == ""
    answers = json.loads(cli("predict", "small", "3", "17", "--json").out)["answers"]
    assert {answer["dataset"] for answer in answers} == {"sums", "squares"}
    assert [sample["expected"] for sample in answers[-1]["samples"]] == [9, 289]


def test_the_stages_one_at_a_time_are_the_run(cli):
    """`train` refuses to start before its datasets exist, and says what to do."""
    refused = cli("train", "spec.toml", "--workers", "0")
    assert refused.code == 2
    assert "sumsquares generate spec.toml" in refused.err
    for command in ("generate", "train"):
        assert cli(command, "spec.toml", "--workers", "0").code == 0
    assert json.loads(cli("summarize", "spec.toml", "--json").out)["trials"]["ok"] == 60


def test_plan_changes_nothing_and_says_what_it_costs(cli, tmp_path):
    """It prints operations, memory and time, and creates no store."""
    facts = json.loads(cli("plan", "spec.toml", "--workers", "2", "--json").out)
    assert facts["trials"] == {"total": 60, "done": 0, "to_train": 60, "trained_by_an_earlier_version": 0}
    assert facts["flops"] > 0
    assert 0 < facts["seconds"] < 60
    assert not (tmp_path / "store").exists()
    text = cli("plan", "spec.toml", "--workers", "0").out
    assert "floating-point operations" in text
    assert "in this process" in text


def test_plan_says_what_is_wrong_with_a_dataset(ran, tmp_path):
    """It reports a damaged manifest and a missing shard, as text and as JSON."""
    (manifest, other) = (tmp_path / "store/datasets").glob("*/manifest.json")
    manifest.write_bytes(b"{")
    (other.parent / "test/part-00000.parquet").unlink()
    text = " ".join(ran("plan", "spec.toml").out.split())
    problems = json.loads(ran("plan", "spec.toml", "--json").out)["problems"]
    for words in (f"{manifest.parent.name}/manifest.json", "test/part-00000.parquet is missing"):
        assert words in text
        assert any(words in problem for problem in problems)


def test_predict_answers_in_the_questions_words(ran):
    """For every dataset that takes this many numbers, for one dataset, or for one trial."""
    assert "Expected=9, Predicted=" in ran("predict", "small", "3").out
    both = ran("predict", "small", "3", "4").out
    assert "Expected=7" in both
    assert "Expected=16" in both
    assert "Expected=7" not in ran("predict", "small", "3", "4", "--dataset", "squares").out
    trial = json.loads(ran("summarize", "spec.toml", "--json").out)["best"]["sums"]["trial"]["trial_id"]
    assert trial in ran("predict", "small", "1", "2", "--trial", trial).out


def test_predict_leaves_out_datasets_that_do_not_take_the_numbers(cli, tmp_path):
    """A dataset of a smaller range is an error only if it was asked for, or if no other is left."""
    (tmp_path / "spec.toml").write_text(SMALL.replace('"square"\nlargest = 50', '"square"\nlargest = 500'))
    cli("run", "spec.toml", "--workers", "0")
    answers = json.loads(cli("predict", "small", "500", "400", "--json").out)["answers"]
    assert [answer["dataset"] for answer in answers] == ["squares"]
    refused = cli("predict", "small", "500", "400", "--dataset", "sums")
    assert (refused.code, refused.out) == (2, "")
    assert "sums takes 0..100" in refused.err
    assert "squares takes 0..1000" in cli("predict", "small", "5000", "1").err


def test_predict_says_that_a_trial_diverged(cli, tmp_path):
    """It names the step instead of a prediction; the best trial of the dataset still predicts."""
    text = SMALL.replace("lr = [0.001, 0.01]", "lr = [0.001, 1e30]")
    (tmp_path / "spec.toml").write_text(text)
    assert cli("run", "spec.toml", "--workers", "0").code == 7
    diverged = next(trial for trial in trials(parse_spec(text.encode(), "")) if trial.variant.lr == 1e30)
    ended = cli("predict", "small", "3", "4", "--trial", diverged.id)
    assert ended.code == 2
    assert re.search(rf"trial {diverged.id} diverged at step \d", ended.err)
    assert cli("predict", "small", "3", "4").code == 0


def test_predict_says_that_a_trials_answer_is_too_large(ran):
    """A network that overflows on these inputs gives neither an internal error nor a number."""
    results = read_results(Store("store")).table
    row = next(row for row in results.to_pylist() if row["hidden"] == "[5, 4]" and row["activation"] == "identity")
    mates = [{name: mate[name] for name in SCHEMA.names} for mate in results.to_pylist() if mate["pack"] == row["pack"]]
    tensors, ids = read_weights(Store("store"), row["pack"])
    mates.sort(key=lambda mate: ids.index(mate["trial_id"]))
    commit_pack(
        Store("store"), row["pack"], by_column(mates), {name: tensor * 1e30 for name, tensor in tensors.items()}
    )
    ended = ran("predict", "small", "3", "4", "--trial", row["trial_id"])
    assert ended.code == 2
    assert "has no finite answer for [3" in ended.err


def test_predict_names_a_damaged_summary_and_how_to_restore_it(ran, tmp_path):
    """Cut off, empty, foreign, or with trials that the spec lacks: exit code 3, and the remedy works."""
    path = tmp_path / "store/runs/small/summary.json"
    whole = path.read_bytes()
    unknown = b'{"format": 2, "best": {"sums": {"trial": {"trial_id": "ffff"}}}}'
    for damaged in (whole[:500], b"", b"\xff", b"[]", b'{"best": []}', b'{"best": {"sums": 3}}', unknown):
        path.write_bytes(damaged)
        ended = ran("predict", "small", "3", "4")
        assert ended.code == 3
        assert str(path) in ended.err
        assert "run `sumsquares summarize SPEC --store " in ended.err
    ran("summarize", "spec.toml")
    assert ran("predict", "small", "3", "4").code == 0


def test_predict_rejects_a_run_whose_spec_is_not_the_one_that_was_run(ran, tmp_path):
    """Edited, cut off, missing, or another run's: exit code 3, and the remedy restores the answer."""
    path = tmp_path / "store/runs/small/job.toml"
    whole, before = path.read_bytes(), ran("predict", "small", "3", "4").out
    for damaged in (whole.replace(b"0.001", b"0.002"), whole[:90], whole.replace(b'"small"', b'"other"'), None):
        path.write_bytes(damaged) if damaged is not None else path.unlink()
        ended = ran("predict", "small", "3", "4")
        assert ended.code == 3
        assert "runs/small/" in ended.err
        assert "run `sumsquares summarize SPEC --store " in ended.err
        assert ran("summarize", "spec.toml").code == 0
        assert path.read_bytes() == whole
        assert ran("predict", "small", "3", "4").out == before


def test_a_best_trial_that_has_lost_its_result_is_damage(ran, tmp_path):
    """Exit code 3, until the spec is run again. A given trial that was never trained is exit code 2."""
    before = ran("predict", "small", "3", "4").out
    for path in (tmp_path / "store/trials").glob("*.parquet"):
        path.unlink()
    assert ran("predict", "small", "3", "4").code == 3
    trial = trials(parse_spec(SMALL.encode(), ""))[0].id
    assert ran("predict", "small", "3", "4", "--trial", trial).code == 2
    assert ran("run", "spec.toml", "--workers", "0").code == 0
    assert ran("predict", "small", "3", "4").out == before


def test_predict_names_missing_weights(ran, tmp_path):
    """Exit code 3, with the name of the file."""
    for path in (tmp_path / "store/trials").glob("*.safetensors"):
        path.unlink()
    ended = ran("predict", "small", "3", "4")
    assert ended.code == 3
    assert ".safetensors: missing" in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "other", "3"], "no run 'other'"),
        (["predict", "small", "3", "--dataset", "cubes"], "it has: sums, squares"),
        (["predict", "small", "3", "--trial", "ffff"], "no trial 'ffff'"),
        (["predict", "small", "3", "--dataset", "sums"], "a multiple of 2, not 1"),
        (["predict", "small", "-5"], "-5 is out of range: sums takes 0..100"),
        (["predict", "small", "3", "--jsn"], "--jsn"),
        (["predict", "../small", "3"], "no run '../small'"),
        (["predict", "small/../small", "3"], "no run 'small/../small'"),
        (["predict", "", "3"], "no run ''"),
        (["predict", "small", "99999"], "takes 0..100"),
        (["run", "missing.toml"], "missing.toml"),
        (["run", "spec.toml", "--store", "s3://key:secret@bucket"], "credentials"),
        (["run", "spec.toml", "--store", "ftp://bucket/x"], "s3://"),
        (["run", "spec.toml", "--max-trials", "10"], "--max-trials 72"),
    ],
)
def test_a_wrong_request_is_exit_2_with_a_remedy(ran, arguments, words):
    """There is one message, no traceback and no secret."""
    ended = ran(*arguments)
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert "secret" not in ended.err.replace("SECRET", "")


@pytest.mark.parametrize("name", ["../x", "/etc", "a" * 300, "$(id)", "a\\u0007b", "<script>"])
def test_a_name_that_could_leave_the_store_is_refused_and_nothing_is_created(cli, tmp_path, name):
    """The exit code is 2."""
    (tmp_path / "spec.toml").write_text(SMALL.replace('"small"', f'"{name}"'))
    ended = cli("run", "spec.toml", "--workers", "0")
    assert ended.code == 2
    assert "name" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.toml"]


def test_a_store_that_can_not_be_written_is_exit_4_before_any_work(cli, tmp_path):
    """A file is in the place of the store's folder."""
    (tmp_path / "store").write_text("not a folder")
    ended = cli("run", "spec.toml", "--workers", "0")
    assert ended.code == 4
    assert "choose another --store" in ended.err
    assert (tmp_path / "store").read_text() == "not a folder"


def test_a_foreign_file_in_a_datasets_place_is_exit_3(cli, tmp_path):
    """The file is named and stays as it is."""
    cli("generate", "spec.toml", "--workers", "0")
    (shard,) = (tmp_path / "store/datasets").glob("*/test/part-00000.parquet".replace("*", json_digest(cli)))
    other = next(
        p for p in (tmp_path / "store/datasets").glob("*/train/*.parquet") if p.parent.parent != shard.parent.parent
    )
    (shard.parent.parent / "manifest.json").unlink()
    shard.write_bytes(other.read_bytes())
    ended = cli("run", "spec.toml", "--workers", "0")
    assert ended.code == 3
    assert "expected" in ended.err
    assert shard.read_bytes() == other.read_bytes()


def json_digest(cli):
    return json.loads(cli("plan", "spec.toml", "--json").out)["datasets"]["squares"]["digest"]


@pytest.mark.parametrize(
    ("redirection", "code", "words"),
    [
        (">&-", 7, "60 missing"),
        (">&- 2>&-", 7, ""),
        ("| true", 7, "60 missing"),
        ("2>&1 | true", 7, ""),
        ("> /dev/full", 4, "cannot write to stdout: No space left on device"),
    ],
)
def test_an_output_without_a_reader_is_no_error_and_a_full_one_is_exit_4(tmp_path, redirection, code, words):
    """Nothing has been trained here, so the command itself ends with 7."""
    (tmp_path / "spec.toml").write_text(SMALL)
    line = f'set -o pipefail; "$0" -m sumsquares summarize spec.toml {redirection}'
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    ended = subprocess.run(
        ["/bin/bash", "-c", line, sys.executable], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == code
    assert words in ended.stderr
    for unwanted in ("internal error", "Exception", "Traceback"):
        assert unwanted not in ended.stderr
    assert (tmp_path / "store/runs/small/summary.json").exists()


def test_with_json_an_error_goes_to_stderr_alone(cli):
    """Nothing is printed to stdout; the exit code shows the kind of error."""
    ended = cli("run", "missing.toml", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "missing.toml" in ended.err


@pytest.mark.parametrize("error", [MemoryError(), pa.ArrowMemoryError("malloc of size 42 failed")])
def test_too_little_memory_is_exit_4_with_the_available_amount(cli, monkeypatch, error):
    """It is not an internal error, and the message has a remedy."""

    def fails(*_):
        raise error

    monkeypatch.setattr("sumsquares.jobs.commands.run.load_spec", fails)
    ended = cli("plan", "spec.toml")
    assert ended.code == exits.STORAGE
    assert "not enough memory" in ended.err
    assert "MiB" in ended.err
    assert str(error) in ended.err
    assert "--memory-limit" in ended.err


def test_a_limit_on_the_size_of_files_is_exit_4(tmp_path):
    """SIGXFSZ, which the kernel sends along, does not end the command."""
    (tmp_path / "spec.toml").write_text(SMALL)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    program = 'ulimit -f 1; exec "$0" -m sumsquares run spec.toml --workers 0'
    ended = subprocess.run(
        ["/bin/bash", "-c", program, sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert ended.returncode == exits.STORAGE, ended.stderr
    assert "File too large; free some space" in ended.stderr


def test_an_internal_error_is_exit_1_with_a_traceback_only_if_asked_for(cli, monkeypatch):
    """The message says how to get the traceback."""
    monkeypatch.setattr("sumsquares.jobs.pipeline.planning.make_plan", None)
    ended = cli("run", "spec.toml", "--workers", "0")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "--debug" in ended.err
    assert "Traceback" in cli("run", "spec.toml", "--workers", "0", "--debug").err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_option_has_help(cli, command):
    """Every command also has the common options."""
    ended = cli(command, "--help")
    assert ended.code == 0
    for option in ("--store", "--json", "--quiet", "--debug"):
        assert option in ended.out
    lines = [line for line in ended.out.splitlines() if line.strip().startswith("--") and "--help" not in line]
    assert all(len(line.split()) > 2 for line in lines), lines


def test_the_limit_on_trials_is_the_specs_own():
    """It is written twice, since --help must not import the code that reads specs."""
    group = typer.main.get_command(app)
    for name in COMMANDS:
        limits = [option.default for option in group.commands[name].params if option.name == "max_trials"]
        assert limits == ([] if name in ("predict", "explain", "verify") else [MAX_TRIALS])


def test_an_option_has_the_same_default_in_every_command():
    """Nested commands are included; only a demo has a store of its own."""
    group = typer.main.get_command(app)
    commands = [*group.commands.values(), *group.commands["nightly"].commands.values()]
    commands.remove(group.commands["demo"])
    defaults = {}
    for option in (option for command in commands for option in command.params if option.name in SHARED):
        defaults.setdefault(option.name, []).append(option.default)
    assert set(defaults) == SHARED
    assert [name for name, found in defaults.items() if len(found) < 2 or found != [found[0]] * len(found)] == []


def test_a_misspelt_command_is_exit_2(cli):
    """The message lists the commands."""
    assert cli("rnu").code == 2
    assert set(COMMANDS) >= {"run", "plan", "generate", "train", "summarize", "predict"}


def test_a_command_ends_the_process_without_the_interpreters_shutdown():
    """During shutdown, pyarrow threads that still hold Python objects abort the process. Exit handlers do run."""
    program = """
import atexit, os, sys
class Last:
    __del__ = lambda self, abort=os.abort: abort()
sys.last = Last()
atexit.register(lambda: print("called", flush=True))
sys.argv = ["sumsquares", "--help"]
from sumsquares.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0
    assert ended.stdout.endswith("called\n")
