import hashlib
import io
import math
import random
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import by_column, commit, row_of, variant

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results import pack_files
from sumsquares.jobs.results.pack_files import (
    SCHEMA,
    DamagedResult,
    ForeignResult,
    decode_pack,
    decode_weights,
    encode_pack,
    encode_weights,
    pack_id_of,
    weights_digest,
)
from sumsquares.jobs.results.stored import OF_TRIAL, Results, commit_pack, read_losses, read_results, read_weights
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

PATH = "trials/ab.parquet"


def rows_of(seeds: range, **changes: Any) -> list[dict[str, Any]]:
    return [row_of(Trial(variant(), seed), **changes) for seed in seeds]


def tensors_of(models: int, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed).normal
    shapes = {"0.weight": (16, 2), "0.bias": (16,), "2.weight": (1, 16), "2.bias": (1,)}
    return {name: draw(size=(models, *shape)).astype(np.float32) for name, shape in shapes.items()}


def without_pack(results: Results) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = results.table.drop_columns(["pack"]).to_pylist()
    return rows


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["trial_id"])


@settings(max_examples=40, deadline=None)
@given(
    metrics=st.lists(
        st.lists(st.none() | st.floats(), min_size=len(METRIC_NAMES), max_size=len(METRIC_NAMES)),
        min_size=1,
        max_size=5,
    ),
    diverged=st.booleans(),
    weights=st.binary(max_size=50),
)
def test_a_pack_reads_back_as_it_was_with_null_for_what_is_not_finite(
    metrics: list[list[float | None]], diverged: bool, weights: bytes
) -> None:
    """Rows survive the round trip to the bit; a metric that isn't finite, or of a diverged trial, is null."""
    status = "diverged" if diverged else "ok"
    rows = [
        row_of(Trial(variant(), seed), status=status, **dict(zip(METRIC_NAMES, values, strict=True)))
        for seed, values in enumerate(metrics)
    ]
    table = decode_pack(encode_pack(by_column(rows), weights), PATH)
    assert table.schema.equals(SCHEMA)
    assert weights_digest(table) == hashlib.sha256(weights).hexdigest()
    for found, row in zip(table.to_pylist(), rows, strict=True):
        for name, value in row.items():
            lost = name in METRIC_NAMES and (diverged or value is None or not math.isfinite(value))
            assert found[name] is None if lost else struct_of(found[name]) == struct_of(value)


def struct_of(value: Any) -> Any:
    return struct.pack("d", value) if isinstance(value, float) else value


def test_the_same_rows_give_the_same_bytes() -> None:
    """Committing a pack again writes the same two files."""
    rows, tensors = rows_of(range(4)), tensors_of(4)
    ids = [row["trial_id"] for row in rows]
    weights = encode_weights(tensors, ids)
    assert weights == encode_weights(dict(reversed(tensors.items())), ids)
    assert encode_pack(by_column(rows), weights) == encode_pack(by_column(rows), weights)


def test_any_flipped_byte_of_a_pack_is_found() -> None:
    """Changing any single byte of the Parquet file raises DamagedResult or ForeignResult."""
    data = encode_pack(by_column(rows_of(range(3))), b"weights")
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
        with pytest.raises(DataError, match=PATH):
            decode_pack(changed, PATH)


def test_any_cut_or_lengthened_pack_is_found() -> None:
    """A file that is cut off, or has something appended or prepended, is rejected with a remedy."""
    data = encode_pack(by_column(rows_of(range(3))), b"weights")
    for size in range(0, len(data), 7):
        with pytest.raises(DamagedResult, match=f"{PATH}: damaged, .*trained again by the next run"):
            decode_pack(data[:size], PATH)
    for changed in (data + b"\0", data[1:], b"\0" + data, data + data[:100], data[:4000] + data):
        with pytest.raises(DamagedResult):
            decode_pack(changed, PATH)


def test_a_parquet_file_of_someone_else_is_foreign_and_not_damaged() -> None:
    """A file that we didn't write is foreign, so that it is never deleted."""
    sink = io.BytesIO()
    pq.write_table(SCHEMA.empty_table(), sink)
    with pytest.raises(ForeignResult, match=f"{PATH}: a Parquet file, but no result of ours"):
        decode_pack(sink.getvalue(), PATH)


def test_a_newer_format_is_foreign_and_not_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a newer version are left alone, and the message names their format."""
    monkeypatch.setattr(pack_files, "FORMAT", 3)
    data = encode_pack(by_column(rows_of(range(3))), b"")
    monkeypatch.undo()
    with pytest.raises(ForeignResult, match="written in format 3, this version reads up to 2"):
        decode_pack(data, PATH)


def test_a_column_that_a_later_version_adds_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later versions add nullable columns to format 2: all others are read as they are."""
    rows = rows_of(range(3))
    expected = decode_pack(encode_pack(by_column(rows), b""), PATH)
    later = pa.schema([*SCHEMA, pa.field("a_later_one", pa.float64())])
    monkeypatch.setattr(pack_files, "SCHEMA", later)
    monkeypatch.setattr(pack_files, "_COLUMNS", {**pack_files._COLUMNS, "a_later_one": pa.float64()})
    monkeypatch.setattr(pack_files, "_NAMES", frozenset(later.names))
    data = encode_pack(by_column([{**row, "a_later_one": 0.5} for row in rows]), b"")
    monkeypatch.undo()
    assert decode_pack(data, PATH).equals(expected)


def test_a_required_column_that_is_not_there_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing column is null if it was added after format 1; a missing column of format 1 is an error."""
    for lacking, outcome in (("mae", "read"), ("split", "read"), ("rmse_train", "foreign")):
        less = pa.schema([field for field in SCHEMA if field.name != lacking])
        monkeypatch.setattr(pack_files, "SCHEMA", less)
        monkeypatch.setattr(pack_files, "_COLUMNS", {n: k for n, k in pack_files._COLUMNS.items() if n != lacking})
        monkeypatch.setattr(pack_files, "_NAMES", frozenset(less.names))
        monkeypatch.setattr(pack_files, "METRIC_NAMES", tuple(name for name in METRIC_NAMES if name != lacking))
        rows = [{name: value for name, value in row.items() if name != lacking} for row in rows_of(range(2))]
        data = encode_pack(by_column(rows), b"")
        monkeypatch.undo()
        if outcome == "read":
            assert decode_pack(data, PATH)[lacking].to_pylist() == [None, None]
        else:
            with pytest.raises(ForeignResult, match=PATH):
                decode_pack(data, PATH)


def test_weights_read_back_to_the_bit_with_their_trials_in_order() -> None:
    """Round trip of stacked tensors, whatever their order in memory."""
    tensors = tensors_of(5)
    tensors["0.weight"] = np.asfortranarray(tensors["0.weight"])
    ids = [f"{number:016x}" for number in (3, 1, 2, 5, 4)]
    data = encode_weights(tensors, ids)
    found, found_ids = decode_weights(data, hashlib.sha256(data).hexdigest(), "x")
    assert found_ids == ids
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)


def test_any_changed_byte_of_the_weights_is_found() -> None:
    """Weights that are not the ones the pack was committed with are never used."""
    data = encode_weights(tensors_of(2), ["a", "b"])
    digest = hashlib.sha256(data).hexdigest()
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(DamagedResult, match=r"x\.safetensors: damaged"):
            decode_weights(changed, digest, "x.safetensors")
    with pytest.raises(DamagedResult):
        decode_weights(data[:-1], digest, "x.safetensors")


def test_what_is_committed_is_what_is_read(tmp_path: Path) -> None:
    """Rows and weights of all packs come back, each trial once, in the order of their ids."""
    store = Store(str(tmp_path))
    assert read_results(store).table.num_rows == 0
    one = commit(store, rows_of(range(5)), tensors_of(5))
    other = commit(store, rows_of(range(5, 8)), tensors_of(3, seed=1))
    results = read_results(store)
    assert without_pack(results) == by_id(rows_of(range(8)))
    assert results.problems == ()
    assert set(results.table["pack"].to_pylist()) == {one, other}
    tensors, ids = read_weights(store, other)
    assert ids == [row["trial_id"] for row in rows_of(range(5, 8))]
    assert np.array_equal(tensors["2.weight"], tensors_of(3, seed=1)["2.weight"])


def test_loss_curves_are_read_beside_the_weights_and_never_among_them(tmp_path: Path) -> None:
    """They are rounded to float32, where they may be infinite; a pack of an earlier version has none."""
    store, rows = Store(str(tmp_path)), rows_of(range(3))
    ids = [row["trial_id"] for row in rows]
    losses = np.array([[0.1, 0.01], [1e300, np.inf], [np.nan, 1e-300]])
    commit_pack(store, pack_id_of(ids), by_column(rows), tensors_of(3), losses)
    tensors, _ = read_weights(store, pack_id_of(ids))
    assert tensors.keys() == tensors_of(3).keys()
    found = read_losses(store, pack_id_of(ids))
    assert found is not None
    assert found[0].dtype == np.float32
    np.testing.assert_array_equal(found[0], np.float32([[0.1, 0.01], [np.inf, np.inf], [np.nan, 0]]))
    assert found[1] == ids
    assert read_losses(store, commit(store, rows_of(range(3, 5)), tensors_of(2))) is None


def exchange(store: Store, one: str, other: str) -> None:
    """Swaps the contents of two files."""
    first, second = store.get(one), store.get(other)
    store.put(one, second)
    store.put(other, first)


@pytest.mark.parametrize("kinds", [("parquet",), ("parquet", "safetensors")])
def test_packs_that_were_exchanged_are_damaged_and_never_an_answer(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """Swapped packs are both found, with or without their weights: a pack's name is the digest of its trials."""
    store = Store(str(tmp_path))
    packs = [commit(store, rows_of(seeds), tensors_of(3)) for seeds in (range(3), range(3, 6))]
    third = commit(store, rows_of(range(6, 9)), tensors_of(3))
    for kind in kinds:
        exchange(store, *(f"trials/{pack}.{kind}" for pack in packs))
    results = read_results(store)
    assert [problem.kind for problem in results.problems] == ["damaged"] * 2
    assert all("trained again by the next run" in problem.message for problem in results.problems)
    assert set(results.table["pack"].to_pylist()) == {third}
    for pack in packs:
        with pytest.raises(DamagedResult, match="it holds the trials of pack"):
            read_weights(store, pack)


def test_weights_of_other_trials_than_the_rows_are_damaged(tmp_path: Path) -> None:
    """They are damaged even if their hash is the one that the rows name."""
    store, rows = Store(str(tmp_path)), rows_of(range(3))
    weights = encode_weights(tensors_of(3), [row["trial_id"] for row in rows_of(range(1, 4))])
    pack = commit(store, rows, tensors_of(3))
    store.put_all(
        {f"trials/{pack}.safetensors": weights, f"trials/{pack}.parquet": encode_pack(by_column(rows), weights)}
    )
    with pytest.raises(DamagedResult, match=r"its trials are not those of its \.parquet file"):
        read_weights(store, pack)


def test_a_pack_whose_commit_breaks_off_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights alone count as nothing and are no problem; a second attempt completes the pack."""
    store, replace = Store(str(tmp_path)), Path.replace

    def only_weights(path: Path, target: Path) -> Path:
        if target.suffix == ".parquet":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", only_weights)
    with pytest.raises(KeyboardInterrupt):
        commit(store, rows_of(range(5)), tensors_of(5))
    monkeypatch.undo()
    assert [Path(path).suffix for path in store.list()] == [".safetensors"]
    assert (read_results(store).table.num_rows, read_results(store).problems) == (0, ())
    commit(store, rows_of(range(5)), tensors_of(5))
    assert read_results(store).table.num_rows == 5


def test_results_do_not_depend_on_which_pack_holds_which_trial(tmp_path: Path) -> None:
    """Any split of the trials into packs, with some of them twice, reads as the same rows."""
    rows, draw = rows_of(range(30)), random.Random(7)  # noqa: S311  no secret
    for split in range(5):
        store = Store(str(tmp_path / str(split)))
        draw.shuffle(rows)
        cut = draw.randint(1, 29)
        for part in (rows[:cut], rows[cut - 1 :]):
            commit(store, part, tensors_of(len(part)))
        results = read_results(store)
        assert (without_pack(results), results.problems) == (by_id(rows), ())


def test_a_trial_twice_with_other_numbers_is_named_and_counts_once(tmp_path: Path) -> None:
    """Time, engine and device may differ between two results of one trial; its numbers may not."""
    store = Store(str(tmp_path))
    rows = rows_of(range(3))
    same = [{**row, "train_seconds": 9.0, "engine": "lanes", "device": "cuda", "dataset": "x"} for row in rows]
    whole, pair = commit(store, rows, tensors_of(3)), commit(store, same[:2], tensors_of(2))
    assert read_results(store).problems == ()
    commit(store, [{**same[0], "rmse": 0.5}, same[1]], tensors_of(2))
    results = read_results(store)
    kept, other = sorted([whole, pair])
    [problem] = results.problems
    assert (problem.kind, problem.path) == ("doubled", f"trials/{other}.parquet")
    for word in (rows[0]["trial_id"], "rmse", "0.5", kept, "lanes", "cuda"):
        assert word in problem.message
    numbers = {row["trial_id"]: row["rmse"] for row in results.table.to_pylist()}
    assert numbers[rows[0]["trial_id"]] == (0.5 if kept == pair else rows[0]["rmse"])
    assert len(numbers) == 3


def test_fewer_columns_are_the_same_rows_and_problems(tmp_path: Path) -> None:
    """This also holds with a trial twice, a pack without its weights and a damaged pack."""
    store = Store(str(tmp_path))
    lost = commit(store, rows_of(range(3)), tensors_of(3))
    commit(store, [{**row, "rmse": 0.5} for row in rows_of(range(2, 6))], tensors_of(4))
    cut = commit(store, rows_of(range(6, 9)), tensors_of(3))
    store.delete(f"trials/{lost}.safetensors")
    store.put(f"trials/{cut}.parquet", b"")
    everything, some = read_results(store), read_results(store, OF_TRIAL)
    assert some.table.equals(everything.table.select([*OF_TRIAL, "pack"]))
    assert {problem.kind for problem in some.problems} == {"weights", "doubled", "damaged"}
    assert some.problems == everything.problems


def test_whatever_is_wrong_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    """Damaged, foreign and incomplete files are each reported, and everything else is read."""
    store = Store(str(tmp_path))
    packs = [commit(store, rows_of(range(seed, seed + 3)), tensors_of(3)) for seed in (0, 3, 6, 9)]
    cut, lost = f"trials/{packs[1]}.parquet", f"trials/{packs[2]}"
    store.put(cut, store.get(cut)[:-9])
    store.put("trials/notes.txt", b"mine")
    store.put("trials/sub/aa.parquet", b"")
    sink = io.BytesIO()
    pq.write_table(SCHEMA.empty_table(), sink)
    store.put("trials/ee.parquet", sink.getvalue())
    store.put("trials/ee.safetensors", b"")
    store.delete(f"{lost}.safetensors")
    results = read_results(store)
    found = {(problem.path, problem.kind) for problem in results.problems}
    assert found == {
        (cut, "damaged"),
        ("trials/notes.txt", "foreign"),
        ("trials/sub/aa.parquet", "foreign"),
        ("trials/ee.parquet", "foreign"),
        (f"{lost}.parquet", "weights"),
    }
    assert all(problem.path in problem.message for problem in results.problems)
    assert without_pack(results) == by_id(rows_of(range(3)) + rows_of(range(6, 12)))


def test_results_in_a_bucket_read_as_those_in_a_folder(tmp_path: Path, s3_root: str) -> None:
    """The same packs, committed to a folder and to an object store, are the same results."""
    stores = Store(str(tmp_path)), Store(s3_root)
    for store in stores:
        for pack in range(20):
            commit(store, rows_of(range(pack, pack + 2)), tensors_of(2))
    local, remote = (read_results(store) for store in stores)
    assert local.table.equals(remote.table)
    assert (local.problems, remote.problems) == ((), ())


def test_500_packs_are_read_in_a_few_seconds(tmp_path: Path) -> None:
    """Finding results takes little time compared with training them (measured: 1.3 ms a pack of 50)."""
    folder = tmp_path / "trials"
    folder.mkdir()
    every = rows_of(range(515))
    for pack in range(500):
        rows = every[pack : pack + 16]
        path = folder / pack_id_of(row["trial_id"] for row in rows)
        path.with_suffix(".parquet").write_bytes(encode_pack(by_column(rows), b""))
        path.with_suffix(".safetensors").touch()
    start = time.perf_counter()
    results = read_results(Store(str(tmp_path)))
    assert time.perf_counter() - start < 10
    assert (results.table.num_rows, results.problems) == (515, ())
