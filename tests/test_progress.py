"""What people read of long work: no silence, one display for work within work, and the same words on both."""

from __future__ import annotations

import io
from contextlib import ExitStack
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from specs import small

from sumsquares.cluster.work import ProgressSnapshot
from sumsquares.jobs.show.meters import Counting, Doing, Training
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.show.progress_display import LINE_SECONDS, Log, Silent, Terminal, display_on, shown
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.packs import plan_packs
from sumsquares.jobs.stages.train import PackOutcome


class Clock:
    """A clock that stands until it is told the time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def lines():
    """A log on a clock that stands: its thread never finds that time has passed."""
    clock, file = Clock(), io.StringIO()
    return Log(Console(file=file, width=500), clock), clock, file


@given(steps=st.lists(st.floats(0.01, 1.0), max_size=60), says=st.sets(st.integers(0, 60)))
def test_a_log_is_never_silent_for_longer_than_it_may(steps, says):
    """Looked at again when it asks for, it prints in time, and no more often than that unless somebody speaks."""
    clock, file = Clock(), io.StringIO()
    log, printed, due = Log(Console(file=file, width=500), clock), [0.0], LINE_SECONDS
    with shown(log, Doing("working", clock).view):
        for number, step in enumerate(steps):
            if clock.now + step < due:
                clock.now += step
            else:
                clock.now = due
            before = len(file.getvalue())
            if number in says:
                log.print("a word")
            due = clock.now + log.look()
            if len(file.getvalue()) > before:
                printed.append(clock.now)
    assert all(later - earlier <= LINE_SECONDS + 1e-9 for earlier, later in pairwise(printed))
    assert file.getvalue().count("working") <= clock.now / LINE_SECONDS


def test_the_innermost_work_is_shown(lines):
    """And the outer one again when that has ended."""
    log, clock, file = lines
    with ExitStack() as stack:
        stack.enter_context(shown(log, Doing("outer", clock).view))
        with shown(log, Doing("inner", clock).view):
            clock.now = 3.0
            log.look()
        clock.now = 6.0
        log.look()
    clock.now = 9.0
    log.look()
    assert file.getvalue() == "inner, 0:03\nouter, 0:06\n"


def test_work_after_work_does_not_make_a_silence_longer(lines):
    """It counts from what was printed last, not from the start of the second."""
    log, clock, file = lines
    with shown(log, Doing("first", clock).view):
        clock.now = 2.0
    with shown(log, Doing("second", clock).view):
        clock.now = 2.6
        log.look()
    assert file.getvalue() == "second, 0:01\n"


def test_details_are_told_with_the_work(lines):
    """How far it is stands before the time."""
    log, clock, file = lines
    doing = Doing("predicting", clock)
    with shown(log, doing.view):
        doing.tell("40,000 rows")
        clock.now = 3.0
        log.look()
    assert file.getvalue() == "predicting, 40,000 rows, 0:03\n"


def test_a_terminal_shows_one_display_and_erases_it():
    """Work within work doesn't start a second one, and what is printed meanwhile stays."""
    file = io.StringIO()
    terminal = display_on(Console(file=file, force_terminal=True, width=60, _environ={"TERM": "xterm"}))
    assert isinstance(terminal, Terminal)
    clock = Clock()
    with shown(terminal, Doing("outer", clock).view), shown(terminal, Doing("inner", clock).view):
        terminal.print("a word")
    text = file.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "a word" in text
    assert text.rstrip("\r\n").endswith("\x1b[2K")


def test_a_terminal_that_cannot_move_its_cursor_gets_lines():
    """As the one of an editor, or a job's log."""
    assert isinstance(display_on(Console(force_terminal=True, _environ={"TERM": "dumb"})), Log)
    assert isinstance(display_on(Console(file=io.StringIO())), Log)


def test_quiet_shows_warnings_alone(capsys):
    """Neither lines nor displays."""
    progress = Progress(quiet=True)
    with progress.doing("working"):
        progress.say("a word")
        progress.warn("a warning")
    assert capsys.readouterr().err == "warning: a warning\n"


def test_rows_are_counted_with_their_rate_and_time():
    """The rate is that from the first sign of progress on."""
    clock = Clock()
    rows = Counting("row", 1000, clock)
    clock.now = 5.0
    rows.advance(100)
    clock.now = 7.0
    rows.advance(300)
    assert rows.view().line == "300 of 1,000 rows, 100 rows/s, 0:07 left, 0:07 elapsed"
    assert rows.view().share == 0.3
    clock.now = 14.0
    rows.advance(1000)
    assert rows.ended == "1,000 of 1,000 rows in 0:14"


def test_a_training_says_what_is_started_until_a_worker_has_a_pack():
    """Then trials, rate, time left and the lowest RMSE of each dataset."""
    clock, packs = Clock(), plan_packs(trials(small()))
    training = Training(packs, clock, "starting Ray's workers")
    total = sum(len(pack.trials) for pack in packs)
    clock.now = 8.0
    assert training.view().line == f"0 of {total} trials, starting Ray's workers, 0:08 elapsed"
    training.update(ProgressSnapshot([], {f"pack {packs[0].id}": 0.0}, left=len(packs)))
    assert "starting" not in training.view().line
    outcome = PackOutcome(len(packs[0].trials), ("sums", 0.25), 2.0, 1.0)
    clock.now = 10.0
    training.update(ProgressSnapshot([(f"pack {packs[0].id}", outcome)], {}, left=len(packs) - 1))
    line = training.view().line
    assert line.startswith(f"{len(packs[0].trials)} of {total} trials, ")
    assert " left, 0:10 elapsed, lowest RMSE: sums 0.25" in line
    assert training.ended == f"{len(packs[0].trials)} of {total} trials in 0:10"


def test_where_packs_are_shared_the_time_left_is_that_of_their_queue():
    """And the parts of packs that were cut count as what they are of them."""
    clock, packs = Clock(), plan_packs(trials(small()))
    training, key = Training(packs, clock, "starting"), f"pack {packs[0].id}"
    cuts = [(key, {"part": 0.5, "rest": 0.5})]
    training.update(ProgressSnapshot([], {"part": 0.0}, left=len(packs), cuts=cuts, seconds_left=83.0))
    assert "1:23 left" in training.view().line
    clock.now = 10.0
    training.update(ProgressSnapshot([], {"part": 1.0}, left=len(packs), seconds_left=70.0))
    assert training.view().line.startswith(f"{len(packs[0].trials) // 2} of ")
    training.update(ProgressSnapshot([], {"part": 1.0}, left=len(packs), seconds_left=inf))  # all workers were lost
    assert "left" not in training.view().line


def test_a_lowest_rmse_never_grows():
    """Later packs of the dataset may be worse."""
    clock, packs = Clock(), plan_packs(trials(small()))
    training = Training(packs, clock, "starting")
    for pack, rmse in zip(packs, [3.0, 1.0, 2.0], strict=False):
        outcome = PackOutcome(len(pack.trials), ("sums", rmse), 1.0, 1.0)
        training.update(ProgressSnapshot([(f"pack {pack.id}", outcome)], {}))
    assert training.view().names == (("sums", "1"),)


def test_silence_is_the_display_of_quiet():
    """It prints what is printed, and shows nothing."""
    file = io.StringIO()
    silent = Silent(Console(file=file))
    with shown(silent, lambda: pytest.fail("it was looked at")):
        silent.print("a word")
    assert file.getvalue() == "a word\n"
