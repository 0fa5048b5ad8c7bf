"""The champion's file: who may move it, and how it is moved back."""

from __future__ import annotations

import pytest
from night_world import TINY, made_up

from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.night.champion import PATH, Move, accept, promote, read_champion, rollback
from sumsquares.jobs.night.nights import run_files
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store

OTHER = "2026-12-01-0123456789ab"
DAYS = [f"2026-11-0{day}" for day in range(1, 6)]


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def promoted(store, days):
    """Promotes nights one after the other; returns their ids."""
    against = None
    ids = []
    for token, day in enumerate(days, 1):
        ids.append(made_up(store, day, "better"))
        assert promote(store, ids[-1], "tiny", token, "now", against)
        against = ids[-1]
    return ids


def test_a_promotion_moves_the_champion_and_keeps_every_move(store):
    """The first promotion starts from no champion."""
    assert read_champion(store) == (None, "")
    ids = promoted(store, DAYS[:3])
    champion, _ = read_champion(store)
    assert (champion.night, champion.token) == (ids[-1], 3)
    assert [move.night for move in champion.moves] == champion.lineage == ids


def test_a_night_that_was_judged_against_another_champion_is_not_promoted(store):
    """It must be judged again. Repeating a promotion adds no move."""
    ids = promoted(store, DAYS[:2])
    assert not promote(store, "late", "tiny", 3, "now", ids[0])
    assert not promote(store, "late", "tiny", 3, "now", None)
    assert promote(store, ids[1], "tiny", 3, "now", ids[0])
    assert len(read_champion(store)[0].moves) == 2


def test_a_smaller_token_can_not_move_it(store):
    """A smaller token means that another process held the lock in the meantime."""
    ids = promoted(store, DAYS[:2])
    with pytest.raises(BusyError, match="lost its lock"):
        promote(store, "late", "tiny", 1, "now", ids[1])


def test_one_of_two_simultaneous_promotions_succeeds(store, monkeypatch):
    """The slower one learns that it wasn't promoted."""
    ids = promoted(store, DAYS[:1])
    replace = store.replace

    def interrupted(path, data, version):
        monkeypatch.setattr(store, "replace", replace)
        assert promote(store, OTHER, "tiny", 2, "now", ids[0])
        return replace(path, data, version)

    monkeypatch.setattr(store, "replace", interrupted)
    assert not promote(store, "mine", "tiny", 2, "now", ids[0])
    assert read_champion(store)[0].night == OTHER


def test_rollback_goes_back_one_champion_at_a_time(store):
    """Nights that were rolled back are known as such. Before the first champion there is none."""
    ids = promoted(store, DAYS[:3])
    assert rollback(store, "now").night == ids[1]
    assert rollback(store, "now").night == ids[0]
    assert read_champion(store)[0].rolled_back == set(ids[1:])
    with pytest.raises(UsageError, match="no earlier champion"):
        rollback(store, "now")
    new = made_up(store, DAYS[4], "better")
    assert promote(store, new, "tiny", 9, "now", ids[0])
    assert read_champion(store)[0].lineage == [ids[0], new]
    assert rollback(store, "now").night == ids[0]
    assert len(read_champion(store)[0].moves) == 7


def test_rollback_to_a_named_night_accepts_only_good_ones(store):
    """A regressed or unknown night is rejected with a list of the good ones, and nothing moves."""
    ids = promoted(store, DAYS[:2])
    same, worse = made_up(store, DAYS[2], "same"), made_up(store, DAYS[3], "worse")
    before = store.get(PATH)
    for wrong in (worse, "2026-01-01-0123456789ab"):
        with pytest.raises(UsageError, match=f"not a good night.*{ids[0]}, {ids[1]}, {same}"):
            rollback(store, "now", wrong)
    assert store.get(PATH) == before
    assert rollback(store, "now", same).night == same


def test_a_night_can_be_accepted_whatever_the_gate_said_and_be_rolled_back_to_later(store):
    """The move has its own kind. An accepted night may return after a rollback; other regressed nights may not."""
    ids = promoted(store, DAYS[:2])
    worse, other = made_up(store, DAYS[2], "worse"), made_up(store, DAYS[3], "apart")
    champion, moved = accept(store, worse, "now")
    assert (champion.night, champion.moves[-1], moved) == (worse, Move("accepted", worse, "now"), True)
    assert accept(store, worse, "later") == (champion, False)
    assert rollback(store, "now").night == ids[1]
    with pytest.raises(UsageError, match=f"'{other}' is not a good night.*{worse}"):
        rollback(store, "now", other)
    assert rollback(store, "now", worse).night == worse


def test_what_can_not_be_accepted_is_refused_with_the_reason_and_nothing_moves(store):
    """That is a night that is unknown, unfinished, failed, or lacks its run's files."""
    promoted(store, DAYS[:1])
    before = store.get(PATH)
    failed, gone, open_ = made_up(store, DAYS[1], "failed"), made_up(store, DAYS[2]), made_up(store, DAYS[3])
    for path in run_files(store, gone):
        store.delete(path)
    store.delete(f"nightly/{open_}/night.json")
    for night, said in (
        ("2026-01-01-0123456789ab", "not a finished night"),
        (open_, "not a finished night.*continues when it is started again"),
        (failed, "can't be promoted: failed"),
        (gone, f"runs/night-{gone} is gone"),
    ):
        with pytest.raises(UsageError, match=said):
            accept(store, night, "now")
    assert store.get(PATH) == before


def test_a_date_in_place_of_a_night_is_answered_with_the_nights_of_that_date(store):
    """Both of them, and no others."""
    edited = TINY.replace("epochs = 4", "epochs = 5")
    ids = [made_up(store, DAYS[0]), made_up(store, DAYS[0], text=edited)]
    other = made_up(store, DAYS[1])
    with pytest.raises(UsageError, match="of that date there are") as refused:
        accept(store, DAYS[0], "now")
    assert all(night in str(refused.value) for night in ids)
    assert other not in str(refused.value)


def test_a_champion_that_moves_while_another_is_accepted_is_busy(store, monkeypatch):
    """The file is moved by compare and swap. The first champion of a store is created, not replaced."""
    night = made_up(store, DAYS[0], "worse")
    assert accept(store, night, "now")[0].token == 1
    monkeypatch.setattr(store, "replace", lambda *_: False)
    with pytest.raises(BusyError, match="was moved at this moment"):
        accept(store, made_up(store, DAYS[1]), "now")
    assert read_champion(store)[0].night == night


def test_a_damaged_champion_is_named_and_a_rollback_to_a_night_repairs_it(store):
    """The new file's token is at least that of the night."""
    ids = promoted(store, DAYS[:2])
    store.put(PATH, store.get(PATH).replace(b"tiny", b"tinx"))
    for use in (lambda: read_champion(store), lambda: rollback(store, "now")):
        with pytest.raises(DamagedRecord, match=f"nightly rollback --to {ids[1]}"):
            use()
    assert rollback(store, "now", ids[0]).night == ids[0]
    assert read_champion(store)[0].spec == "tiny"


@pytest.mark.parametrize("name", ["", "../x", "foo", "2026-13-45-0123456789ab"])
def test_an_invalid_night_id_is_rejected_with_a_message_about_nights(store, name):
    """The message is about nights, not about paths, which nobody gave."""
    promoted(store, DAYS[:1])
    with pytest.raises(UsageError, match=f"'{name}' is not a finished night"):
        accept(store, name, "now")
    with pytest.raises(UsageError, match=f"'{name}' is not a good night"):
        rollback(store, "now", name)
