"""Bad input of every kind, as a user, a script or a broken disk makes it: the documented exit code, one message that
names it, no traceback, nothing created, in bounded time. The tables are in bad_*.py and odd_files.py.
"""

from __future__ import annotations

import os
import shutil
import time
from itertools import cycle, product
from pathlib import Path

import pytest
import typer
from bad_counts import OF_PLANS, TOO_MANY
from bad_options import ODD_OPTIONS, ODD_REAL, ODD_WHOLE, REAL_OPTIONS, WHOLE_OPTIONS
from bad_records import RECORDS
from command_line import cli as cli
from odd_files import FILES, FOLDERS, KINDS, NO_FOLDERS, put
from specs import SMALL, small
from test_refusals import finished as finished
from test_refusals import tree

from sumsquares.jobs import exits
from sumsquares.jobs.cli.numbers import real, whole

SECONDS = 10
SUMS = small().datasets[0].digest
COMMANDS = {
    "plan": ("plan", "spec.toml"),
    "run": ("run", "spec.toml", "--workers", "0"),
    "summarize": ("summarize", "spec.toml"),
    "predict": ("predict", "small", "3", "4"),
}
pytestmark = pytest.mark.timeout(60)


def refused(ended, code, words, began):
    """The checks that every refusal must pass."""
    assert ended.code == code, ended.err[-500:]
    assert not [word for word in words if word not in ended.err], ended.err[-1000:]
    assert "internal error" not in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err) < 3000
    assert time.monotonic() - began < SECONDS


@pytest.fixture
def asked(cli, finished, monkeypatch):
    """The command line beside a finished store that must not change, where no run may get as far as its runners."""
    monkeypatch.setenv("SUMSQUARES_STORE", finished.root)
    monkeypatch.setattr("sumsquares.jobs.pipeline.runtime.Runtime.prepare_training", None)
    Path("spec.toml").write_text(SMALL)
    return cli


@pytest.fixture
def store(finished, tmp_path):
    """A finished store that may be changed, as `store` in this folder."""
    (tmp_path / "spec.toml").write_text(SMALL)
    return Path(shutil.copytree(finished.root, tmp_path / "store"))


@pytest.mark.parametrize(("odd", "reads"), [(ODD_WHOLE, whole(1, 1000)), (ODD_REAL, real(0.5, 1000))])
def test_odd_numbers_are_rejected(odd, reads):
    """Including those that Python itself would accept."""
    for name, text in odd.items():
        with pytest.raises(typer.BadParameter, match="write a"):
            pytest.fail(f"{name} was read as {reads(text)}")


EACH = [*zip(cycle(WHOLE_OPTIONS.items()), ODD_WHOLE.items(), strict=False)]
EACH += [*zip(cycle(REAL_OPTIONS.items()), ODD_REAL.items(), strict=False)]
# A dataset decides whether numbers are real, and from where to where.
NUMBERS = {"below zero", "a fraction", "an exponent"}
EACH += [(("numbers", ("predict", "small", "--")), odd) for odd in ODD_WHOLE.items() if odd[0] not in NUMBERS]


@pytest.mark.parametrize(("option", "odd"), EACH, ids=[f"{option[0]} {odd[0]}" for option, odd in EACH])
def test_an_odd_number_is_a_usage_error(asked, finished, option, odd):
    """The message names the option and a valid value; nothing is created."""
    before, began = tree(finished.root), time.monotonic()
    (name, command), (_, text) = option, odd
    refused(asked(*command, *([name] if name.startswith("--") else []), text), exits.USAGE, [name, "write"], began)
    assert tree(finished.root) == before
    assert [*Path().iterdir()] == [Path("spec.toml")]


@pytest.mark.parametrize("case", ODD_OPTIONS)
def test_an_odd_word_is_a_usage_error(asked, finished, case):
    """Dates, paths, addresses, names, certificates and headers; nothing is created."""
    before, began = tree(finished.root), time.monotonic()
    arguments, words = ODD_OPTIONS[case]
    refused(asked(*arguments), exits.USAGE, words, began)
    assert tree(finished.root) == before
    assert [*Path().iterdir()] == [Path("spec.toml")]


@pytest.mark.parametrize("case", TOO_MANY)
def test_an_impossible_count_is_rejected_before_it_is_expanded(cli, monkeypatch, case):
    """The message shows requested and available, and no remedy that would fail; nothing is created (case f21)."""
    monkeypatch.setattr("sumsquares.jobs.stages.memory_check.available_memory", lambda: 24 << 30)
    text, arguments, words = TOO_MANY[case]
    Path("spec.toml").write_text(text)
    began = time.monotonic()
    refused(cli("run", "spec.toml", "--workers", "0", *arguments), exits.USAGE, words, began)
    assert [*Path().iterdir()] == [Path("spec.toml")]


@pytest.mark.parametrize("case", OF_PLANS)
def test_a_plan_says_what_run_would_refuse(cli, monkeypatch, case):
    """As a warning, beside the costs (case f21)."""
    monkeypatch.setattr("sumsquares.jobs.stages.memory_check.available_memory", lambda: 24 << 30)
    text, _, words = TOO_MANY[case]
    Path("spec.toml").write_text(text)
    ended = cli("plan", "spec.toml")
    assert ended.code == 0
    assert not [word for word in ("cost:", "warning:", *words) if word not in ended.out]


@pytest.mark.parametrize("case", RECORDS)
def test_an_odd_record_is_reported_or_ignored(cli, store, case):
    """It is never an internal error: damage is exit code 3, or a warning beside the answer."""
    path, data, arguments, code = RECORDS[case]
    where = store / path.replace("SUMS", SUMS)
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(data)
    refused(cli(*arguments), code, [], time.monotonic())


PLACES = {**FILES, **FOLDERS}
ALL = [(kind, place, command) for kind, place in product(KINDS, FILES) for command in FILES[place][1]]
ALL += [(kind, place, command) for kind, place in product(NO_FOLDERS, FOLDERS) for command in FOLDERS[place][1]]
SOME = [ALL[index] for index in range(0, len(ALL), 17)]
PART = ALL[8::13]
for case in ALL:
    if not {*case} <= {each for chosen in PART for each in chosen}:
        PART.append(case)
"""With every kind, every place and every command."""


def check_odd_file(cli, store, case, caplog):
    kind, place, command = case
    pack = min((store / "trials").glob("*.parquet")).stem
    path, codes = PLACES[place]
    where = store / path.replace("PACK", pack).replace("SUMS", SUMS)
    before, began = put(kind, where), time.monotonic()
    ended = cli(*COMMANDS.get(command, command.split()))
    assert time.monotonic() - began < SECONDS
    assert "internal error" not in ended.err
    writes = kind == "a file of 1 TB" and command in ("run", "summarize")  # it has a name of ours: it is made anew
    assert ended.code in (codes[command] | {0} if writes else codes[command]), ended.err[-500:]
    assert writes or os.path.samestat(where.lstat(), before)
    assert writes or where.name in ended.err + ended.out + caplog.text


@pytest.mark.parametrize("case", SOME, ids=" | ".join)
def test_what_is_not_a_regular_file_is_reported_and_not_opened(cli, store, case, caplog):
    """A sample of the next test."""
    check_odd_file(cli, store, case, caplog)


@pytest.mark.damage
@pytest.mark.parametrize("case", ALL if os.environ.get("WHOLE_DAMAGE") else PART, ids=" | ".join)
def test_anything_anywhere_in_a_store_is_reported_and_not_opened(cli, store, case, caplog):
    """No FIFO hangs, no device fills the memory, and foreign files are neither deleted nor overwritten."""
    check_odd_file(cli, store, case, caplog)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_that_is_not_a_regular_file_is_not_opened(cli, kind):
    """Exit code 2; the message says what it is."""
    put(kind, Path("spec.toml").absolute())
    refused(cli("run", "spec.toml"), exits.USAGE, ["spec.toml", "not read: it is a", "1 MiB"], time.monotonic())
