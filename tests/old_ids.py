"""The ids of the specs in `old_store/specs`, and the command that commits those of the present training version.

    python tests/old_ids.py

It is run once for each training version. What `old_store/ids.json` has of earlier versions stays: results under those
ids are in the stores of users.
"""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.results.pack_files import pack_id_of
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.spec.training_version import TRAINING_VERSION
from sumsquares.jobs.spec.variants import trials, variants

OLD = Path(__file__).parent / "old_store"
SPECS = sorted((OLD / "specs").glob("*.toml"))


def stored_ids() -> dict[str, dict[str, Any]]:
    """Returns the committed ids: by training version, and by the file name of the spec."""
    found: dict[str, dict[str, Any]] = json.loads((OLD / "ids.json").read_text())
    return found


def ids_of(path: Path, training_version: int) -> dict[str, Any]:
    """All ids that follow from a spec; of long lists the first ones, the count, and the digest of all."""
    spec = load_spec(path).trained_by(training_version)
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


def main() -> None:
    """Writes the ids of the present training version beside those of earlier ones."""
    ids = stored_ids() | {str(TRAINING_VERSION): {path.name: ids_of(path, TRAINING_VERSION) for path in SPECS}}
    (OLD / "ids.json").write_text(json.dumps(ids, indent=1) + "\n")


if __name__ == "__main__":
    main()
