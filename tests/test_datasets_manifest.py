"""datasets/manifest.py: round trip, contradictions, damage."""

import functools
import json

import pytest

from sumsquares.datasets.errors import DamagedManifest
from sumsquares.datasets.manifest import build_manifest, from_json, to_json
from sumsquares.datasets.rows import BLOCK_ROWS
from sumsquares.datasets.sealed import _digest
from sumsquares.datasets.shards import SHARD_ROWS, encode_shard, shard_count
from sumsquares.datasets.spec import SPLITS, DatasetSpec, NamedDataset

SPEC = NamedDataset(name="sums", task="sum", largest=1000, rows=200_000, test_rows=100)


@functools.cache
def entries(shard_rows=BLOCK_ROWS):
    return tuple(
        encode_shard(SPEC, split, index, shard_rows)[1]
        for split in SPLITS
        for index in range(shard_count(SPEC, split, shard_rows))
    )


@functools.cache
def written():
    return to_json(build_manifest(SPEC, entries()))


def rewritten(change):
    """The manifest after `change` of its parsed JSON, with a digest that fits again."""
    body = json.loads(written())
    del body["sha256"]
    change(body)
    return (json.dumps({**body, "sha256": _digest(body)}, indent=1) + "\n").encode()


def test_a_manifest_comes_back_from_its_bytes():
    """from_json(to_json(m)) is m, for entries given in any order."""
    manifest = build_manifest(SPEC, reversed(entries()))
    assert from_json(to_json(manifest)) == manifest
    assert to_json(manifest) == written()


def test_a_manifest_says_all_that_is_needed_to_check_a_dataset():
    """It holds the spec without its name, the schema, and for each split its rows, content and shards in order."""
    manifest = json.loads(written())
    assert manifest["dataset"] == DatasetSpec(task="sum", largest=1000, rows=200_000, test_rows=100).model_dump()
    assert manifest["digest"] == SPEC.digest
    assert [column["type"] for column in manifest["columns"]] == ["int32", "int32", "int64"]
    assert [shard["rows"] for shard in manifest["splits"]["train"]["shards"]] == [65_536] * 3 + [3_392]


def test_the_content_of_a_split_does_not_depend_on_its_shards():
    """Two stores with other shard sizes agree on the content of every split."""
    few, many = build_manifest(SPEC, entries(SHARD_ROWS)), build_manifest(SPEC, entries())
    assert [few.splits[split].content for split in SPLITS] == [many.splits[split].content for split in SPLITS]
    assert len(few.splits["train"].shards) < len(many.splits["train"].shards)


def test_every_flipped_bit_is_found():
    """Wherever a bit flips, spaces and line ends included, the manifest is refused by the name of its file."""
    for at in range(0, len(written()), 3):
        flipped = bytearray(written())
        flipped[at] ^= 1 << at % 8
        with pytest.raises(DamagedManifest, match=r"^sums/manifest.json is damaged: .* generate"):
            from_json(bytes(flipped), "sums/manifest.json")


def test_every_truncation_and_extension_is_found():
    """Part of a manifest is invalid, and so is one with something after it."""
    for size in range(0, len(written()), 11):
        with pytest.raises(DamagedManifest):
            from_json(written()[:size])
    with pytest.raises(DamagedManifest, match="other bytes than were written"):
        from_json(written() + b"\n")


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b"NaN", b"[" * 100_000, b"\xff\xfe", b"1" * 5000])
def test_anything_else_is_refused(data):
    """Bytes that are no manifest at all raise the same error."""
    with pytest.raises(DamagedManifest):
        from_json(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body.update(format=2), "format: Input should be 1"),
        (lambda body: body.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda body: body.pop("columns"), "columns: Field required"),
        (lambda body: body["dataset"].update(seed=1), "digest: expected"),
        (lambda body: body["columns"].pop(), "columns: expected"),
        (lambda body: body["splits"].pop("test"), "splits: expected train, test, extrapolation, found"),
        (lambda body: body["splits"]["train"]["shards"].pop(), "expected 200000 rows"),
        (lambda body: body["splits"]["train"]["shards"].pop(0), "expected shard train/part-00000.parquet"),
        (lambda body: body["splits"]["train"].update(content="0" * 64), "its content digest is not that of its shards"),
        (lambda body: body["splits"]["test"]["shards"][0].update(path="../x"), "splits.test.shards.0.path: "),
        (lambda body: body["splits"]["test"]["shards"][0].update(rows="100"), "splits.test.shards.0.rows: "),
    ],
)
def test_contradictions_are_named_even_under_a_right_digest(change, message):
    """A manifest that some other program wrote is refused with the place of each error."""
    with pytest.raises(DamagedManifest, match=message):
        from_json(rewritten(change))


@pytest.mark.parametrize("chosen", [slice(1, None), slice(0, -1), slice(0, 0)])
def test_a_missing_shard_is_refused(chosen):
    """No manifest is made for part of a dataset."""
    with pytest.raises(ValueError, match="shard"):
        build_manifest(SPEC, entries()[chosen])


def test_a_doubled_shard_is_refused():
    """No manifest is made that names a shard twice."""
    with pytest.raises(ValueError, match=r"expected shard train/part-00001\.parquet, found train/part-00000\.parquet"):
        build_manifest(SPEC, [*entries(), entries()[0]])
