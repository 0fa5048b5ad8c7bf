"""One run, one set of files: whoever finishes runs of one name at once, the files in its folder are of one of them."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from specs import SMALL

from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.stages.run_files import begin_run, kept_folder, publish_run, stored_spec
from sumsquares.jobs.storage.store import Store

SPECS = [parse_spec(SMALL.replace("epochs = 8", f"epochs = {8 + n}").encode(), "small.toml") for n in range(3)]


def files_of(spec, word):
    """The files of a run; each identifies its run."""
    body = json.dumps({"spec_digest": spec.digest, "word": word}).encode()
    return {"summary.parquet": body, "report.html": body, "summary.json": body}


def owners(store, folder):
    """Returns the digest of the folder's spec, and the runs that the other files identify."""
    spec = parse_spec(store.get(f"{folder}/job.toml"), "job.toml")
    contents = {store.get(f"{folder}/{name}") for name in ("summary.parquet", "report.html", "summary.json")}
    return spec.digest, contents


@pytest.fixture(params=["folder", "s3"])
def root(request, tmp_path):
    """A store of each kind."""
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue("s3_root")


def test_runs_of_one_name_that_end_at_once_leave_one_of_them_and_the_others_aside(root):
    """Each folder's files are of one spec and one writer; no spec that was published is lost."""
    rounds = 12 if "://" not in root else 1
    for number in range(rounds):
        start = threading.Barrier(6)

        def publish(job, number=number, start=start):
            store, spec = Store(root), SPECS[job % 3]
            start.wait()
            publish_run(store, spec, files_of(spec, f"{number}-{job}"))

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(publish, range(6)))
        store = Store(root)
        kept = {path.rpartition("/")[0] for path in store.list("runs/small") if path.endswith("job.toml")}
        found = [owners(store, folder) for folder in kept]
        for digest, contents in found:
            (one,) = contents
            assert json.loads(one)["spec_digest"] == digest
        assert {digest for digest, _ in found} == {spec.digest for spec in SPECS}


def test_a_publication_that_was_killed_is_completed_by_the_next(tmp_path, monkeypatch):
    """At each of its operations, the earlier run is complete, in its place or aside, or the new one is."""
    old, new = SPECS[:2]

    class Killed(BaseException):
        pass

    for killed_at in range(1, 40):
        store = Store(str(tmp_path / str(killed_at)))
        publish_run(store, old, files_of(old, "old"))
        left = [killed_at]

        def counted(real, left=left):
            def method(self, *arguments):
                left[0] -= 1
                if not left[0]:
                    raise Killed
                return real(self, *arguments)

            return method

        with monkeypatch.context() as patch:
            for name in ("put", "delete", "get", "sizes"):
                patch.setattr(Store, name, counted(getattr(Store, name)))
            try:
                publish_run(store, new, files_of(new, "new"))
            except Killed:
                pass
            else:
                break
        whole = [folder for folder in ("runs/small", kept_folder(old)) if is_whole(store, folder)]
        assert whole
        publish_run(store, new, files_of(new, "new"))
        assert owners(store, "runs/small") == (new.digest, {files_of(new, "new")["summary.json"]})
        assert owners(store, kept_folder(old)) == (
            old.digest,
            {files_of(old, "old")["summary.json"]},
        )
    assert killed_at > 12


def test_a_damaged_spec_takes_its_summary_with_it_before_another_is_written(tmp_path, monkeypatch):
    """Killed right after the new spec was written, the run has no summary rather than another's."""
    store = Store(str(tmp_path))
    publish_run(store, SPECS[0], files_of(SPECS[0], "old"))
    store.put("runs/small/job.toml", b"damaged")
    real = Store.put

    def killed(self, path, data):
        if not path.endswith("job.toml"):
            raise KeyboardInterrupt
        real(self, path, data)

    monkeypatch.setattr(Store, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        publish_run(store, SPECS[1], files_of(SPECS[1], "new"))
    assert not store.exists("runs/small/summary.json")


def is_whole(store, folder):
    """Whether all files exist and are of the same run."""
    try:
        digest, contents = owners(store, folder)
    except FileNotFoundError:
        return False
    return len(contents) == 1 and json.loads(*contents)["spec_digest"] == digest


def test_a_run_that_begins_says_what_it_is_only_where_no_other_run_is(tmp_path):
    """An earlier run's spec is not replaced before its results are."""
    store = Store(str(tmp_path))
    begin_run(store, SPECS[0])
    begin_run(store, SPECS[1])
    assert stored_spec(store, "small").digest == SPECS[0].digest


def test_a_turn_that_a_dead_process_holds_is_taken_over(s3_root, monkeypatch):
    """On S3 after a while; until then no waiting process continues."""
    monkeypatch.setattr("sumsquares.jobs.storage.bucket.TURN", 0.5)
    dead = Store(s3_root).turn("runs/x/summary.json")
    dead.__enter__()
    with Store(s3_root).turn("runs/x/summary.json"):
        pass
    dead.__exit__(None, None, None)  # alive after all, it gives up nothing that is another's
    with Store(s3_root).turn("runs/x/summary.json"):
        pass
    assert Store(s3_root).list() == []


def test_a_foreign_file_stays_in_the_folder_of_a_run(tmp_path):
    """A file whose name isn't ours is neither moved aside with the earlier run nor deleted."""
    store = Store(str(tmp_path))
    publish_run(store, SPECS[0], files_of(SPECS[0], "first"))
    store.put("runs/small/notes.txt", b"mine")
    aside = publish_run(store, SPECS[1], files_of(SPECS[1], "second"))
    assert store.get("runs/small/notes.txt") == b"mine"
    assert [path for path in store.list("runs") if path.endswith("notes.txt")] == ["runs/small/notes.txt"]
    assert store.exists(f"{aside}/job.toml")
