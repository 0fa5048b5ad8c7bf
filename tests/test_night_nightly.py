"""Whole nights, trained for real: faults don't change how they end."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import torch
from night_world import DAY, TINY, Moved, said, spec_of

from sumsquares.datasets.rows import block
from sumsquares.jobs import exits
from sumsquares.jobs.commands.predict import ask_run
from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.night import decision, nightly
from sumsquares.jobs.night.champion import PATH as CHAMPION
from sumsquares.jobs.night.champion import promote, read_champion, rollback
from sumsquares.jobs.night.context import NightContext, Options
from sumsquares.jobs.night.hook import run_hook
from sumsquares.jobs.night.lock import holding, unlock
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night, folder_of, list_nights
from sumsquares.jobs.night.records import read_night, read_state, stored_night
from sumsquares.jobs.night.retention import RetentionPolicy
from sumsquares.jobs.night.scores import read_scores, scores_path
from sumsquares.jobs.night.status import status_facts, status_text
from sumsquares.jobs.results.gate import Policy
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages import train as training
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.storage.store import StorageError, Store

SPEC = spec_of(TINY)
OPTIONS = Options(policy=Policy(alpha=0.05, early=2.0), retention=RetentionPolicy(100, 100))
FIRST = date(2026, 11, 1)


@pytest.fixture(autouse=True, scope="module")
def prepared():
    """Skips HTML reports, which take longer than these nights, and restores denormals for the tests that follow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sumsquares.jobs.pipeline.summarizing.report", lambda *_: "")
        yield
    torch.set_flush_denormal(False)


class Killed(BaseException):
    """Stands for the death of the process: nothing is written or cleaned up any more."""


class Dying(Store):
    """A store whose process is killed at its n-th operation."""

    def __init__(self, root, operations):
        super().__init__(root)
        self.left = operations

    def _count(self):
        self.left -= 1
        if self.left < 0:
            raise Killed


def _dying(name):
    def method(self, *arguments):
        self._count()
        return getattr(Store, name)(self, *arguments)

    return method


for _name in ("get", "put", "create", "get_versioned", "replace", "exists", "sizes", "delete"):
    setattr(Dying, _name, _dying(_name))


def context(night, store, time, options=OPTIONS):
    """What a night runs with when it is started in this process."""
    return NightContext(night, store, IN_PROCESS, Progress(quiet=True), options, time.clock)


def night_of(number, spec=SPEC, fresh=True):
    """The night of a day, counted from 0."""
    return Night(FIRST + timedelta(days=number), spec, fresh)


@contextmanager
def learning_rate(factor):
    """Simulates a bug in training: every learning rate is multiplied by this factor."""
    real = training.models_of

    def slipped(pack):
        models = real(pack)
        return replace(models, lr=[lr * factor for lr in models.lr])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "models_of", slipped)
        yield


def code_of(night, store, time, options=OPTIONS):
    """Starts a night once; returns the exit code."""
    try:
        return run_night(context(night, store, time, options)).exit_code
    except Exception as error:
        return exits.code_of(error)


def outcome(store):
    """Returns what must not depend on the faults that nights went through."""
    kept = ("night", "result", "against", "exit_code", "best", "trials", "scores_sha256", "gate")
    nights = {night: {name: getattr(read_night(store, night), name) for name in kept} for night in list_nights(store)}
    rows = [{k: v for k, v in row.items() if k not in ("train_seconds", "pack")} for row in rows_of(store)]
    champion = read_champion(store)[0]
    return nights, champion.lineage, rows


def rows_of(store):
    return read_results(store).table.to_pylist()


NIGHTS, REGRESSED, IMPROVED = 30, 20, 12
"""Training is broken in one night, and better from another one on."""


def rate(number):
    return 1e-3 if number == REGRESSED else 1.0 if number >= IMPROVED else 0.02


def a_quiet_life(store):
    """Runs thirty nights, each started once; returns their exit codes."""
    time, codes = Moved(), []
    for number in range(NIGHTS):
        with learning_rate(rate(number)):
            codes.append(code_of(night_of(number), store, time))
        time.pass_(DAY)
    return codes


@pytest.mark.damage
def test_thirty_nights_with_faults_end_as_thirty_quiet_ones(tmp_path):
    """Double starts, kills in the middle, a clock that goes back, damaged results and a real regression.

    The right champion, the right exit codes, every trial and every score as in the quiet life, to the bit.
    """
    quiet = Store(str(tmp_path / "quiet"))
    codes = a_quiet_life(quiet)
    store = Store(str(tmp_path / "faults"))
    assert a_hard_life(store) == codes
    assert codes == [exits.REGRESSED if number == REGRESSED else exits.OK for number in range(NIGHTS)]
    assert outcome(store) == outcome(quiet)
    champion = read_champion(store)[0]
    assert champion.lineage == [night_of(0).id, night_of(IMPROVED).id]
    assert read_night(store, night_of(REGRESSED).id).against == night_of(IMPROVED).id
    assert not read_results(store).problems
    assert all(read_results(store).table["status"].to_numpy() == "ok")
    assert len(read_results(store).table) == NIGHTS * len(trials(SPEC))
    assert ask_run(store, "champion", [3, 17])[0].trial_id == ask_run(quiet, "champion", [3, 17])[0].trial_id


def a_hard_life(store):
    """Runs the same thirty nights, each with a fault; returns the exit code of each one's last start."""
    time, codes = Moved(), []
    chance = random.Random(4)  # noqa: S311  no secret
    for number in range(NIGHTS):
        night = night_of(number)
        with learning_rate(rate(number)):
            FAULTS[number % len(FAULTS)](night, store, time, chance)
            codes.append(code_of(night, store, time))
            assert code_of(night, store, time) == codes[-1]  # started twice
        time.wall = Moved().wall + (number + 1) * DAY  # the clock is right again
        time.ticks += DAY
    return codes


def nothing(night, store, time, chance):
    """Doesn't disturb the night."""


def killed(night, store, time, chance):
    """Kills the night twice, each time at a random operation. A start before the lease ends is busy."""
    for _ in range(2):
        try:
            run_night(context(night, Dying(store.root, chance.randint(1, 70)), time))
        except Killed:
            time.pass_(20)
            assert code_of(night, store, time) in (exits.BUSY, exits.OK, exits.REGRESSED)
            time.pass_(41)


def overtaken(night, store, time, chance):
    """Stalls the night for longer than its lease, so that another start overtakes it."""
    slow = context(night, store, time)

    def stall(*_arguments):
        monkeypatch.undo()
        time.pass_(61)
        with pytest.MonkeyPatch.context() as patch:  # another machine
            patch.setattr("sumsquares.jobs.machine.process_names.process_name", lambda pid: "")
            run_night(slow)
        return real(*_arguments)

    monkeypatch, real = pytest.MonkeyPatch(), nightly.make_scores
    monkeypatch.setattr(nightly, "make_scores", stall)
    with pytest.raises(BusyError, match="lost its lock"):
        run_night(slow)
    monkeypatch.undo()


def doubled(night, store, time, chance):
    """Starts the night again while it trains."""
    started = []

    def again(*_arguments):
        started.append(code_of(night, store, time))
        return real(*_arguments)

    real = nightly.run_spec
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "run_spec", again)
        run_night(context(night, store, time))
    assert set(started) == {exits.BUSY}


def set_back(night, store, time, chance):
    """Sets the clock back by days: earlier nights count as finished, and nothing is written."""
    time.wall -= chance.randint(2, 9) * DAY
    before = store.sizes()
    earlier = [each for each in list_nights(store) if each[:10] == time.clock.today().isoformat()]
    for each in earlier:
        assert code_of(Night(date.fromisoformat(each[:10]), SPEC, fresh=True), store, time) in (0, exits.REGRESSED)
    assert store.sizes() == before


def damaged(night, store, time, chance):
    """Damages the champion's results or weights, its scores and its record before the night begins."""
    champion = read_champion(store)[0].night
    holder = stored_night(store, champion)
    ours = {trial.id for trial in trials(holder.trained)}
    pack = next(row["pack"] for row in rows_of(store) if row["trial_id"] in ours)
    kind = chance.choice(["parquet", "safetensors"])
    for path in (f"trials/{pack}.{kind}", scores_path(champion), f"{folder_of(champion)}/night.json"):
        store.put(path, store.get(path)[:-9])
    run_night(context(night, store, time))
    with learning_rate(rate((holder.date - FIRST).days)):
        assert code_of(holder, store, time) == exits.OK


FAULTS = (killed, doubled, set_back, overtaken, nothing, damaged)


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.damage)])
def test_a_night_killed_at_any_operation_can_be_continued(tmp_path, step):
    """A night that becomes champion is killed before each of its store operations, and ends the same."""
    time, quiet = Moved(), Store(str(tmp_path / "quiet"))
    with learning_rate(0.02):
        run_night(context(night_of(0), quiet, time))
    shutil.copytree(quiet.root, tmp_path / "start")
    counted = Dying(quiet.root, 10**6)
    assert run_night(context(night_of(1), counted, time)).result == "better"
    operations = 10**6 - counted.left
    assert operations > 40
    for path in quiet.list("trials"):  # trained once is enough: what follows is what may be torn
        Store(str(tmp_path / "start")).put(path, quiet.get(path))
    for killed_at in range(0, operations, step):
        store = Store(str(shutil.copytree(tmp_path / "start", tmp_path / str(killed_at))))
        late = Moved(time.wall)
        with contextlib.suppress(Killed):
            run_night(context(night_of(1), Dying(store.root, killed_at), late))
        late.pass_(61)
        assert code_of(night_of(1), store, late) == exits.OK
        assert outcome(store) == outcome(quiet)
        assert len(read_champion(store)[0].moves) == 2


def test_nights_in_a_bucket_are_nights_in_a_folder(tmp_path, s3_root):
    """Scores and champion are the same."""
    stores = [Store(str(tmp_path)), Store(s3_root)]
    for store in stores:
        for number in range(2):
            run_night(context(night_of(number), store, Moved()))
    assert outcome(stores[0]) == outcome(stores[1])


def test_a_partial_night_is_not_promoted_and_its_next_start_finishes_it(tmp_path):
    """Failed packs give exit 7, no champion and a failure event; the next start is a recovery."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    options = replace(OPTIONS, hook=f"tee -a {log}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "models_of", lambda pack: 1 / 0)
        record = run_night(context(night_of(0), store, time, options))
    assert (record.result, record.exit_code, record.trials["missing"]) == ("partial", exits.INCOMPLETE, 8)
    assert read_champion(store)[0] is None
    assert read_night(store, night_of(0).id) is None
    assert "partial" in status_text(status_facts(store, time.clock, 5))
    assert code_of(night_of(0), store, time, options) == exits.OK
    assert read_champion(store)[0].night == night_of(0).id
    assert events(log) == ["failure", "recovery"]


def events(path):
    """Returns the events that the hook was run for."""
    text, found, decoder = path.read_text(), [], json.JSONDecoder()
    while text:
        facts, end = decoder.raw_decode(text)
        found.append(facts["event"])
        text = text[end:].lstrip()
    return found


def test_the_hook_is_run_once_for_every_event(tmp_path):
    """Those are success, regression, failure, recovery and missed nights. A second start runs no hook."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    options = replace(OPTIONS, hook=f"tee -a {log}")
    for number in (0, 0, 1):
        with learning_rate(1.0 if number == 0 else 1e-4):
            code_of(night_of(number), store, time, options)
    assert events(log) == ["success", "regression"]
    assert "sums [4] tanh" in log.read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "run_spec", failing)
        assert code_of(night_of(2), store, time, options) == exits.STORAGE
    assert read_state(store, night_of(2).id).exit_code == exits.STORAGE
    assert code_of(night_of(5), store, time, options) == exits.OK
    assert events(log)[2:] == ["failure", "missed", "recovery"]
    assert '"2026-11-04",' in log.read_text()


def test_a_night_that_was_killed_is_reported_once_by_the_next(tmp_path):
    """It is reported as a failure, and the next night recovers. Finished later, it is a recovery too."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    options = replace(OPTIONS, hook=f"tee -a {log}")
    run_night(context(night_of(0), store, time, options))
    killed_in_training(night_of(1), options, store, time)
    assert events(log) == ["success"]
    time.pass_(DAY)
    for number in (2, 3, 1):
        run_night(context(night_of(number), store, time, options))
        words = status_text(status_facts(store, time.clock, 5))
        assert ("broken" in words) == (number != 1)
    assert events(log)[1:] == ["failure", "recovery", "success", "recovery"]
    assert "never ended" in log.read_text()


def test_a_night_that_was_stopped_is_reported_by_the_next_with_its_signal(tmp_path):
    """Until then the status shows that it was stopped."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "run_spec", stopped)
        with pytest.raises(exits.Stopped):
            run_night(context(night_of(0), store, time))
    assert "stopped  exit 143" in status_text(status_facts(store, time.clock, 5))
    run_night(context(night_of(1), store, time, replace(OPTIONS, hook=f"tee -a {log}")))
    assert events(log) == ["failure", "recovery"]
    assert "stopped by SIGTERM" in log.read_text()


@pytest.mark.parametrize("moment", ["sumsquares.jobs.night.nightly.make_plan", "sumsquares.jobs.night.nightly.notify"])
def test_a_night_that_is_stopped_outside_its_attempt_is_recorded_and_can_be_continued(tmp_path, monkeypatch, moment):
    """That is while Ray starts, or while its hook runs. Its lock is free, and the next start finishes it."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    with monkeypatch.context() as patch:
        patch.setattr(moment, stopped)
        with pytest.raises(exits.Stopped):
            run_night(context(night_of(0), store, time))
    state = read_state(store, night_of(0).id)
    assert (state.state, state.exit_code) == ("stopped", 143)
    with holding(store, "nobody else", time.clock):
        pass
    run_night(context(night_of(0), store, time, replace(OPTIONS, hook=f"tee -a {log}")))
    assert events(log) == ["success"]
    assert read_state(store, night_of(0).id).state == "ended"


def stopped(*_arguments):
    raise exits.Stopped(signal.SIGTERM)


def test_a_recovery_that_was_killed_once_is_still_one(tmp_path):
    """The night failed, then was killed, then succeeded."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    options = replace(OPTIONS, hook=f"tee -a {log}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "run_spec", failing)
        code_of(night_of(0), store, time, options)
    killed_in_training(night_of(0), options, store, time)
    time.pass_(61)
    run_night(context(night_of(0), store, time, options))
    assert events(log) == ["failure", "recovery"]


def test_a_night_that_was_killed_before_its_hook_runs_it_at_its_next_start(tmp_path):
    """The regression is reported then, and the start after that does nothing."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    run_night(context(night_of(0), store, time))
    with learning_rate(1e-4), pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "notify", dying)
        with pytest.raises(Killed):
            run_night(context(night_of(1), store, time))
    assert read_night(store, night_of(1).id).result == "worse"
    time.pass_(61)
    for _ in range(2):
        code = code_of(night_of(1), store, time, replace(OPTIONS, hook=f"tee -a {log}"))
        assert code == exits.REGRESSED
    assert events(log) == ["regression"]


def test_a_failure_before_the_night_begins_is_reported_too(tmp_path):
    """That is a damaged champion or a store that can't be written, but not another night that runs."""
    store, time, log = Store(str(tmp_path / "store")), Moved(), tmp_path / "log"
    options = replace(OPTIONS, hook=f"tee -a {log}")
    run_night(context(night_of(0), store, time))
    with holding(store, "another", time.clock):
        assert code_of(night_of(1), store, time, options) == exits.BUSY
    assert not log.exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "probe", failing)
        assert code_of(night_of(1), store, time, options) == exits.STORAGE
        assert read_state(store, night_of(1).id) is None
        assert code_of(night_of(0), store, time, options) == exits.OK  # finished, it needs no room
    store.put(CHAMPION, b"{}")
    assert code_of(night_of(1), store, time, options) == exits.DATA
    assert events(log) == ["failure", "failure"]
    assert "the disk is full" in log.read_text()
    assert f"nightly rollback --to {night_of(0).id}" in log.read_text()


def dying(*_arguments):
    raise Killed


def killed_in_training(night, options, store, time):
    """Kills a night before anything is trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "run_spec", dying)
        with pytest.raises(Killed):
            run_night(context(night, store, time, options))


def failing(*_arguments):
    raise StorageError("the disk is full")


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("false", "failed: it ended with exit code 1"),
        ("sh -c 'kill -9 $$'", "failed: it was ended by SIGKILL"),
        ("sh -c 'sleep 9 & sleep 9'", "was stopped after 0.2 s"),
        ("/no/such/program -x", "could not be started"),
    ],
)
def test_a_hook_that_fails_is_a_warning_and_changes_nothing(tmp_path, capfd, hook, said):
    """Result and exit code stay, and a warning names the failure."""
    store = Store(str(tmp_path / "store"))
    options = replace(OPTIONS, hook=hook, hook_seconds=0.2)
    assert code_of(night_of(1), store, Moved(), options) == exits.OK
    assert f"the hook for success {said}" in capfd.readouterr().err


def test_a_hook_that_is_stopped_is_killed_with_all_it_started(tmp_path):
    """None of its processes is left. Its input was one line of JSON."""
    log, late = tmp_path / "log", tmp_path / "late"
    hook = f"sh -c 'cat > {log}; (sleep 1; touch {late}) & wait'"
    assert "stopped after 0.3 s" in run_hook(hook, "success", {"night": "n"}, 0.3)
    assert json.loads(log.read_text()) == {"event": "success", "night": "n"}
    assert log.read_text().endswith("}\n")
    threading.Event().wait(1.2)
    assert not late.exists()


def test_without_fresh_data_an_unchanged_spec_trains_nothing_and_does_not_differ(tmp_path):
    """Results are equal to the bit, nothing is trained, and the message names the champion."""
    store, time = Store(str(tmp_path)), Moved()
    first = run_night(context(night_of(0, fresh=False), store, time))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "models_of", None)
        second = run_night(context(night_of(1, fresh=False), store, time))
    assert (first.result, second.result) == ("first", "same")
    assert all(change["effect"] == 0 for change in second.gate["changes"])
    assert first.night in second.message
    assert second.best == first.best


def test_a_fresh_night_is_measured_on_the_rows_of_the_spec_and_not_on_its_own(tmp_path):
    """Each trial's score equals its network's RMSE on those rows in plain arithmetic, not that on its own rows."""
    store, night = Store(str(tmp_path)), night_of(0)
    run_night(context(night, store, Moved()))
    scores = read_scores(store, night.id, read_night(store, night.id).scores_sha256)
    packs = {row["trial_id"]: row for row in rows_of(store)}
    for given, trained, rmse in zip(trials(SPEC), trials(night.trained), scores.rmse_T, strict=True):
        x_NI, y_N = block(given.variant.dataset, "test", 0)
        assert len(y_N) == given.variant.dataset.test_rows
        error_N = answers(store, packs[trained.id]["pack"], trained, x_NI) - y_N
        assert rmse == pytest.approx(np.sqrt(np.mean(error_N**2)), rel=1e-6)
        assert rmse != pytest.approx(packs[trained.id]["rmse"], rel=1e-3)


def test_the_gate_looks_back_on_fresh_nights_that_did_not_differ_from_this_champion(tmp_path, monkeypatch):
    """Left out are regressed nights, those of another champion, without fresh data, or rolled back."""
    store, time, seen = Store(str(tmp_path)), Moved(), []
    real = decision.judge
    monkeypatch.setattr(decision, "judge", lambda *given: (seen.append(given[2]), real(*given))[1])
    for number in range(3):
        with learning_rate(1.0 if number == 2 else 0.02):
            run_night(context(night_of(number), store, time))  # first, same, better
    assert [len(history) for history in seen] == [1, 2]
    rollback(store, "now")
    run_night(context(night_of(3), store, time))  # better again
    assert len(seen[-1]) == 2
    run_night(context(night_of(4, fresh=False), store, time))
    with learning_rate(1e-4):
        assert run_night(context(night_of(5), store, time)).result == "worse"
    assert len(seen[-1]) == 1
    run_night(context(night_of(6), store, time))
    assert len(seen[-1]) == 1
    run_night(context(night_of(7), store, time))
    assert len(seen[-1]) == 2
    rollback(store, "now", night_of(7).id)
    rollback(store, "now", night_of(6).id)
    rollback(store, "now", read_night(store, night_of(7).id).against)
    run_night(context(night_of(8), store, time))
    assert len(seen[-1]) == 1


def test_a_wider_grid_and_other_constants_are_compared_best_with_best(tmp_path):
    """A night isn't promoted merely because it has nothing in common with the champion."""
    store, time = Store(str(tmp_path)), Moved()
    first = run_night(context(night_of(0, fresh=False), store, time))
    for number, edit in ((1, ("[0.01, 0.02]", "[0.01, 0.02, 0.03]")), (2, ("epochs = 4", "epochs = 5"))):
        record = run_night(context(night_of(number, spec_of(TINY.replace(*edit))), store, time))
        assert (record.result, record.gate["datasets"][0]["dataset"]) == ("same", "sums")
        assert "the best of each dataset is compared with the champion's best" in said(record)
    assert read_champion(store)[0].lineage == [first.night]


def test_nights_of_another_spec_and_a_night_begun_otherwise_are_rejected(tmp_path):
    """A store has one spec's nights, and a night is either fresh or not."""
    store, time = Store(str(tmp_path)), Moved()
    run_night(context(night_of(0), store, time))
    other = spec_of(TINY.replace('"tiny"', '"other"'))
    with pytest.raises(UsageError, match="those of spec 'tiny', not of 'other'"):
        run_night(context(night_of(1, other), store, time))
    killed_in_training(night_of(1), OPTIONS, store, time)
    time.pass_(61)
    with pytest.raises(UsageError, match="begun with --fresh-data"):
        run_night(context(night_of(1, fresh=False), store, time))


def test_a_lock_that_was_deleted_does_not_bar_the_next_champion(tmp_path):
    """A new lock's token starts above the champion's."""
    store, time = Store(str(tmp_path)), Moved()
    for token in range(3):
        with holding(store, f"{token}", time.clock):
            pass
    with learning_rate(0.02):
        run_night(context(night_of(0), store, time))
    assert read_champion(store)[0].token == 4
    store.delete("nightly/lock.json")
    assert run_night(context(night_of(1), store, time)).result == "better"
    assert read_champion(store)[0].token == 5


def test_a_night_that_was_unlocked_while_it_trained_is_not_promoted(tmp_path):
    """That holds though no other night has begun. Its next start finishes it."""
    store, time = Store(str(tmp_path)), Moved()
    real = nightly.make_scores

    def unlocked(*arguments):
        unlock(store, time.clock)
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "make_scores", unlocked)
        assert code_of(night_of(0), store, time) == exits.BUSY
    assert read_champion(store)[0] is None
    assert code_of(night_of(0), store, time) == exits.OK
    assert read_champion(store)[0].night == night_of(0).id


def test_the_first_of_two_specs_to_end_in_one_store_owns_it(tmp_path):
    """The other one looked before there was a champion, and is rejected once it has the lock."""
    store, time = Store(str(tmp_path)), Moved()
    other = spec_of(TINY.replace('"tiny"', '"other"').replace("epochs = 4", "epochs = 5"))

    def late(*arguments, **options):
        patch.undo()
        run_night(context(night_of(0), store, time))
        return holding(*arguments, **options)

    patch = pytest.MonkeyPatch()
    patch.setattr(nightly, "holding", late)
    with pytest.raises(UsageError, match="those of spec 'tiny', not of 'other'"):
        run_night(context(night_of(0, other), store, time))
    assert read_champion(store)[0].lineage == [night_of(0).id]


def test_a_diverging_variant_is_exit_7_and_judged_all_the_same(tmp_path):
    """A diverged trial counts as the worst RMSE; diverging where the champion didn't is a regression."""
    text = TINY.replace("[train]", '[train]\noptimizer = "sgd"').replace("[0.01, 0.02]", "[0.01, 0.02, 1e30]")
    store, time = Store(str(tmp_path)), Moved()
    assert code_of(night_of(0, spec_of(text)), store, time) == exits.INCOMPLETE
    assert read_champion(store)[0].night == night_of(0, spec_of(text)).id
    with pytest.MonkeyPatch.context() as patch:
        real = training.models_of
        slipped = lambda models: replace(models, lr=[1e30 if lr == 0.01 else lr for lr in models.lr])  # noqa: E731
        patch.setattr(training, "models_of", lambda pack: slipped(real(pack)))
        record = run_night(context(night_of(1, spec_of(text)), store, time))
    assert (record.result, record.exit_code) == ("worse", exits.REGRESSED)
    assert "4 of 4 seeds diverged, before 0" in record.message
    assert record.gate["variants"] == {"same": 2, "worse": 1}
    assert "lr 0.02" in record.best["sums"].words


def test_a_rollback_while_a_night_is_judged_makes_it_be_judged_again(tmp_path):
    """It is judged against the champion that is there in the end."""
    store, time, lenient = Store(str(tmp_path)), Moved(), replace(OPTIONS, policy=Policy(alpha=0.4, early=2.0))
    for number, factor in ((0, 0.02), (1, 0.25)):
        with learning_rate(factor):
            assert run_night(context(night_of(number), store, time, lenient)).result in ("first", "better")
    real = nightly.decide

    def interrupted(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sumsquares.jobs.night.decision.promote", moved)
            return real(*arguments)

    def moved(*arguments):
        pytest.MonkeyPatch().setattr("sumsquares.jobs.night.decision.promote", promote)
        rollback(store, "now")
        return promote(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "decide", interrupted)
        with learning_rate(20.0):
            record = run_night(context(night_of(2), store, time, lenient))
    assert record.against == night_of(0).id
    assert read_champion(store)[0].lineage == [night_of(0).id, night_of(2).id]


def test_a_message_says_while_the_noise_of_fresh_rows_is_not_known(tmp_path):
    """That is for four nights after the first, and not if the rows are the same."""
    store, time = Store(str(tmp_path)), Moved()
    messages = [said(run_night(context(night_of(number), store, time))) for number in range(6)]
    assert ["until 5 fresh-data nights" in message for message in messages] == [False, True, True, True, True, False]
    run_night(context(night_of(6, fresh=False), store, time))
    rollback(store, "now", night_of(6, fresh=False).id)
    assert "until 5 fresh-data nights" not in said(run_night(context(night_of(8, fresh=False), store, time)))


def test_old_nights_are_deleted_and_the_champion_still_predicts(tmp_path):
    """All files of old nights are gone, except those of the champion."""
    store, time = Store(str(tmp_path)), Moved()
    options = replace(OPTIONS, retention=RetentionPolicy(3, 2))
    for number in range(8):
        run_night(context(night_of(number), store, time, options))
        time.pass_(DAY)
    assert [night[8:10] for night in list_nights(store)] == ["01", "06", "07", "08"]
    assert len({path.split("/")[1] for path in store.list("datasets")}) == 4
    assert len(rows_of(store)) == 4 * 8
    assert ask_run(store, "champion", [3, 17])
    assert status_facts(store, time.clock, 9)["missing"] == []
