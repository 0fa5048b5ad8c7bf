"""Which files a table has: one, a folder, a glob, an address; and how they are read."""

import bz2
import gzip
import io
import os
import pathlib

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sumsquares.datasets.tables.errors import TableError, TableMissing, TableUnreachable
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve, stamps

TEXT = "a,b,y\n" + "\n".join(f"{i},{i * i % 7},{i * i % 11 + 0.5}" for i in range(30)) + "\n"


def keys(file, **more):
    """The [[dataset]] of such a table."""
    return TableKeys(**{"name": "houses", "file": file, "target": "y", **more})


def parts(folder):
    """Three files of a table, and what isn't part of it; returns the whole."""
    header, *lines = TEXT.splitlines(keepends=True)
    for index in range(3):
        (folder / f"part-{index}.csv").write_text(header + "".join(lines[10 * index : 10 * index + 10]))
    for name in (".hidden.csv", "_SUCCESS.csv", "notes.md", "readme.txt"):
        (folder / name).write_text("nothing of a table")
    return folder / "part-0.csv"


@pytest.mark.parametrize("file", [".", "part-*.csv", "../data", "*.csv", "**/part-?.csv"])
def test_a_folder_and_a_glob_are_their_files_in_the_order_of_paths(file, tmp_path):
    """Hidden files and those with _ first are no part of it, nor are texts."""
    (tmp_path / "whole.csv").write_text(TEXT)
    (tmp_path / "data").mkdir()
    parts(tmp_path / "data")
    found = resolve(keys(file), str(tmp_path / "data"))
    assert found.content == resolve(keys("whole.csv"), str(tmp_path)).content
    names = [pathlib.Path(stamp.path).name for stamp in stamps(keys(file), str(tmp_path / "data"))]
    assert names == ["part-0.csv", "part-1.csv", "part-2.csv"]


def test_columns_may_have_another_order_in_another_file(tmp_path):
    """They are found by name."""
    (tmp_path / "whole.csv").write_text("a,b,y\n1,2,3\n4,5,7\n6,1,5\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.csv").write_text("a,b,y\n1,2,3\n4,5,7\n")
    (tmp_path / "data" / "2.csv").write_text("y,a,b\n5,6,1\n")
    one, other = (resolve(keys(file), str(tmp_path)) for file in ("whole.csv", "data"))
    assert one.content == other.content


def test_types_of_parquet_files_are_joined(tmp_path):
    """Integers in one and numbers in another are numbers."""
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32()), "y": [1.0, 2.5]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": pa.array([0.5, 4], pa.float32()), "y": [1, 2]}), tmp_path / "2.parquet")
    found = resolve(keys("*.parquet"), str(tmp_path))
    assert [each.type for each in found.input_columns] == ["double"]
    assert found.target_type == "double"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv.gz", gzip.compress(TEXT.encode())),
        ("t.csv.bz2", bz2.compress(TEXT.encode())),
        ("t.csv.zst", pa.compress(TEXT.encode(), "zstd", asbytes=True)),
        ("t.csv", b"\xef\xbb\xbf" + TEXT.encode()),
        ("t.csv", TEXT.replace("\n", "\r\n").encode()),
        ("t.csv", TEXT.replace("\n", "\r").encode()),
        ("t.csv", TEXT.replace("\n", "\n\n").encode()),
        ("t.csv", TEXT.rstrip().encode()),
        ("t.csv", ("\n\n" + TEXT).encode()),
        ("t.csv", TEXT.replace("a,b,y", " a ,b, y").replace(",", ", ").encode()),
        ("t.data", TEXT.encode()),
        ("T.CSV", TEXT.encode()),
    ],
)
def test_a_csv_file_may_be_written_in_many_ways(name, data, tmp_path):
    """Compressed, with a mark of its encoding, with any line ends, empty lines, and blanks after commas."""
    (tmp_path / "plain.csv").write_text(TEXT)
    (tmp_path / name).write_bytes(data)
    assert resolve(keys(name), str(tmp_path)).content == resolve(keys("plain.csv"), str(tmp_path)).content


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252", "utf-32"])
def test_a_csv_file_may_have_any_encoding_that_is_named(encoding, tmp_path):
    """Names and categories are those that were written."""
    (tmp_path / "t.csv").write_bytes("größe,Straße,y\n1,Aß,3\n2,ö,5\n7,ö,4\n".encode(encoding))
    found = resolve(keys("t.csv", encoding=encoding, categories="one_hot"), str(tmp_path))
    assert [each.name for each in found.input_columns] == ["größe", "Straße=Aß", "Straße=ö"]


def test_a_separator_and_a_decimal_comma(tmp_path):
    """As spreadsheets write them in much of Europe."""
    (tmp_path / "plain.csv").write_text(TEXT)
    (tmp_path / "t.csv").write_text(TEXT.replace(",", ";").replace(".", ","))
    found = resolve(keys("t.csv", separator=";", decimal=","), str(tmp_path))
    assert found.content == resolve(keys("plain.csv"), str(tmp_path)).content


def test_quoted_cells_may_have_line_ends_and_quotes(tmp_path):
    """They are one cell of one row."""
    (tmp_path / "t.csv").write_text('c,"a\nb",y\n"x\ny","1",2\n"say ""no"", ok",3,4\n"x\ny",5,5\n')
    found = resolve(keys("t.csv", categories="one_hot"), str(tmp_path))
    assert [each.name for each in found.input_columns] == ['c=say "no", ok', "c=x\ny", "a\nb"]
    assert found.rows == 3


@pytest.mark.parametrize("file", ["memory://houses/data", "memory://houses/data/part-*.csv", "data"])
def test_a_table_in_an_object_store_is_the_same_table(file, tmp_path):
    """A relative path starts where the spec lies, which may be in an object store too."""
    parts(tmp_path)
    store = fsspec.filesystem("memory")
    store.store.clear()
    for path in tmp_path.iterdir():
        store.pipe_file(f"houses/data/{path.name}", path.read_bytes())
    folder = "memory://houses" if file == "data" else str(tmp_path)
    found = resolve(keys(file), folder)
    assert found.content == resolve(keys("."), str(tmp_path)).content
    (stamp, *others) = stamps(keys(file), folder)
    assert (stamp.path, stamp.size, len(others)) == (
        "memory://houses/data/part-0.csv",
        (tmp_path / "part-0.csv").stat().st_size,
        2,
    )


def test_what_is_not_in_an_object_store_is_missing():
    """That is no failure of the store."""
    fsspec.filesystem("memory").store.clear()
    with pytest.raises(TableMissing, match=r"memory://houses/gone.csv"):
        resolve(keys("memory://houses/gone.csv"), ".")


def test_an_object_store_that_fails_is_told_with_its_error(monkeypatch):
    """It is exit code 4: neither the spec nor the file is wrong."""
    store = fsspec.filesystem("memory")
    monkeypatch.setattr(type(store), "info", lambda *args, **more: (_ for _ in ()).throw(PermissionError("denied")))
    with pytest.raises(TableUnreachable, match="PermissionError: denied") as raised:
        resolve(keys("memory://houses/t.csv"), ".")
    assert raised.value.exit_code == 4


class Failing(io.BytesIO):
    """A file of 40 bytes whose connection is lost."""

    def __init__(self):
        super().__init__(bytes(40))

    def read(self, *args):
        raise ConnectionResetError("gone")


@pytest.mark.parametrize("file", ["t.parquet", "t.csv"])
def test_an_object_store_that_fails_while_it_is_read_is_told_too(file, monkeypatch):
    """The file isn't called damaged."""
    store = fsspec.filesystem("memory")
    store.pipe_file("houses/" + file, b"PAR1" * 10)
    monkeypatch.setattr(type(store), "open", lambda *args, **more: Failing())
    with pytest.raises(TableUnreachable, match="ConnectionResetError: gone"):
        resolve(keys("memory://houses/" + file), ".")


def test_parquet_in_an_object_store(tmp_path):
    """Its footer is read first."""
    pq.write_table(pa.table({"a": [1.0, 2, 3], "y": [1, 4, 9]}), tmp_path / "t.parquet")
    fsspec.filesystem("memory").pipe_file("houses/t.parquet", (tmp_path / "t.parquet").read_bytes())
    one = resolve(keys("memory://houses/t.parquet"), ".")
    assert one.content == resolve(keys("t.parquet"), str(tmp_path)).content


def test_a_table_in_s3_is_read_by_its_address(s3_root, s3_server, tmp_path):
    """A file, a folder and a glob; what isn't there is missing."""
    bucket = s3_root.removeprefix("s3://").partition("/")[0]
    pq.write_table(pa.table({"a": [1.0, 2, 3], "y": [1, 4, 9]}), tmp_path / "t.parquet")
    s3_server.send("PUT", f"{bucket}/some/prefix/t.parquet", (tmp_path / "t.parquet").read_bytes())
    local = resolve(keys("t.parquet"), str(tmp_path))
    assert resolve(keys(f"{s3_root}/t.parquet"), ".").content == local.content
    assert resolve(keys("prefix"), f"s3://{bucket}/some").content == local.content
    (stamp,) = stamps(keys(f"{s3_root}/*.parquet"), ".")
    assert stamp.path == f"{s3_root}/t.parquet"
    assert stamp.changed
    with pytest.raises(TableMissing):
        resolve(keys(f"{s3_root}/gone.parquet"), ".")


def test_stamps_tell_a_changed_file(tmp_path):
    """Its size or its time is another."""
    (tmp_path / "t.csv").write_text(TEXT)
    (before,) = stamps(keys("t.csv"), str(tmp_path))
    assert stamps(keys("t.csv"), str(tmp_path)) == (before,)
    assert before.path == str(tmp_path / "t.csv")
    os.utime(tmp_path / "t.csv", ns=(1, 2))
    (later,) = stamps(keys("t.csv"), str(tmp_path))
    assert (later.size, later.changed) == (before.size, "2")
    (tmp_path / "t.csv").unlink()
    with pytest.raises(TableMissing):
        stamps(keys("t.csv"), str(tmp_path))


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    """With the remedy."""
    (tmp_path / "t.csv").write_text(TEXT)
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "open", lambda *args, **more: (_ for _ in ()).throw(denied))
    with pytest.raises(TableError, match=r"no permission to read .*chmod"):
        resolve(keys("t.csv"), str(tmp_path))


def test_a_link_to_a_file_is_followed(tmp_path):
    """Datasets lie on other disks."""
    (tmp_path / "t.csv").write_text(TEXT)
    (tmp_path / "link.csv").symlink_to("t.csv")
    assert resolve(keys("link.csv"), str(tmp_path)).rows == 30


def test_a_file_with_other_columns_is_told_with_them_in_its_order(tmp_path):
    """Whatever the seed of hashes, and with what to do."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.csv").write_text("z,a,q,y\n1,2,3,4\n")
    (tmp_path / "parts" / "b.csv").write_text("w,y,x\n1,2,3\n")
    with pytest.raises(TableError) as caught:
        resolve(keys("parts"), str(tmp_path))
    (problem,) = caught.value.problems
    assert problem.startswith(
        'b.csv: it has no columns "z", "a", "q" and it has the columns "w", "x", which a.csv has not'
    )
    assert problem.endswith("correct it, or write a glob that leaves it out")
