"""Old ids and an old store: what an earlier version wrote keeps its ids and can be read by every later one.

`old_store/` was written by the version before result files got format 2, at TRAINING_VERSION 3: `ids.json` has the ids
of the specs in `specs/`; `files` is a store with the runs old (an earlier run of that name beside it) and torch, and
two nights.
Nothing in it is ever written anew: a change that would need it breaks somebody's store.
"""

import hashlib
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from jobs.night.nights import Night
from jobs.results.pack_files import pack_id_of
from jobs.spec.job_spec import load_spec
from jobs.spec.variants import trials, variants

OLD = Path(__file__).parent / "old_store"
IDS = json.loads((OLD / "ids.json").read_text())


def ids_of(path):
    """All ids that follow from a spec; of long lists the first ones, the number, and the digest of all."""
    spec = load_spec(path)
    night = Night(date(2026, 11, 1), spec, fresh=True)
    lists = {
        "variants": [variant.id for variant in variants(spec)],
        "trials": [trial.id for trial in trials(spec)],
    }
    return {
        "spec": spec.digest,
        "datasets": {dataset.name: dataset.digest for dataset in spec.datasets},
        "night": night.id,
        "night_spec": night.trained.digest,
        "pack": pack_id_of(lists["trials"]),
        **{
            name: {
                "count": len(ids),
                "first": ids[:5],
                "sha256": hashlib.sha256("".join(ids).encode()).hexdigest(),
            }
            for name, ids in lists.items()
        },
    }


@pytest.fixture
def old_store(tmp_path):
    """A copy of the old store that a test may change."""
    return Path(shutil.copytree(OLD / "files", tmp_path / "old"))


def test_every_old_spec_is_listed():
    """The file of ids has each of the specs, and no other."""
    assert sorted(IDS) == sorted(path.name for path in (OLD / "specs").glob("*.toml"))


@pytest.mark.parametrize("name", IDS)
def test_ids_stay(name):
    """The ids of specs, datasets, variants, trials, packs and nights are those of the earlier version."""
    assert ids_of(OLD / "specs" / name) == IDS[name]
