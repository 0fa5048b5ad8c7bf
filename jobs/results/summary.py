"""Summary: the results of a run, one row per variant over its splits and seeds, and the best of each dataset.

Pure: expected trials and stored rows in, tables and JSON out; no files. A store holds the results of many specs, so
rows of other trials are ignored. No trial is dropped: total = ok + diverged + missing, overall and for each dataset.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.facts import EXACT_TARGET, Facts, measure_facts
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.about import about_of
from sumsquares.jobs.results.case import Cause
from sumsquares.jobs.results.grouped import Grouped, Indices, Reals
from sumsquares.jobs.results.importance import Importance
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.parts import Key, Parts, key_of
from sumsquares.jobs.results.scale import DIVERGED_FACTOR, limit_of
from sumsquares.jobs.results.stored import OF_TRIAL
from sumsquares.jobs.results.trial_columns import columns_of
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES, METRICS
from sumsquares.jobs.spec.variants import Trial

FORMAT = 2
"""Since 2 the file in the store has a seal, and lists the other files of its run: jobs/stages/run_files.py."""
_NAMED = 1_000  # missing trials named in the JSON; all are counted

_STATISTICS: dict[str, Callable[[Grouped], Reals]] = {
    "mean": lambda seeds: seeds.mean,
    "median": lambda seeds: seeds.median,
    "std": lambda seeds: seeds.std,
    "ci95_low": lambda seeds: np.maximum(0, seeds.mean - seeds.ci95_half),  # no error is below 0
    "ci95_high": lambda seeds: seeds.mean + seeds.ci95_half,
    "lowest": lambda seeds: seeds.min,
    "highest": lambda seeds: seeds.max,
}
_TABLE = pa.schema(
    [
        *list(SCHEMA)[SCHEMA.get_field_index("variant_id") : SCHEMA.get_field_index("seed")],
        pa.field("n", pa.int64(), nullable=False),
        pa.field("n_diverged", pa.int64(), nullable=False),
        pa.field("n_exact", pa.int64()),
        *(
            pa.field(f"{metric.name}_{statistic}", pa.float64())
            for metric in METRICS
            for statistic in metric.statistics
        ),
        SCHEMA.field("parameters"),
        SCHEMA.field("train_seconds"),
    ]
)
_EXPLANATION = pa.schema(
    {
        "floor": pa.float64(),  # the smallest RMSE that the architecture can reach on the test rows
        "floor_range": pa.float64(),  # and on all numbers of the range
        "floor_kind": pa.string(),
        "exact_everywhere": pa.float64(),  # the best trial's share of right answers on every number of the range
        "cause": pa.string(),
        "causes": pa.string(),
        "remedy": pa.string(),
    }
)
"""Columns that explained.py fills; null until then."""
_LATER = pa.schema(
    {
        "n_splits": pa.int64(),  # splits of the dataset over which the statistics run: 1 but for some tables
        "r2_mean": pa.float64(),
    }
)
"""Columns that were added later, at the end."""
COLUMNS = (*_TABLE.names, *_EXPLANATION.names, *_LATER.names)
"""Those of summary.parquet."""
_OWN = pa.schema([field for field in _TABLE if field.name in SCHEMA.names and field.name != "train_seconds"])
_OF_BEST = tuple(name for name in OF_TRIAL if name != "status")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many trials were expected, and how they ended."""

    total: int
    ok: int
    diverged: int
    missing: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of a run; see `summarize`."""

    table: pa.Table
    """One row per variant in the order of the spec. `n` counts its trials that are ok: the ones aggregated.

    A table's variant has trials on each of `n_splits` splits, and its statistics are over all of them: `rmse_mean` is
    the mean of all trials, so a split that lacks some counts for less.
    `n_exact` counts those of them that have every test answer right after rounding; null where targets aren't integers.
    The confidence interval is Student's, of the mean over seeds, cut off at 0. With several splits it is that of the
    splits' means, around the mean of those, as the trials of one split share its rows. A statistic that has too few
    trials, or splits, is null. `train_seconds` sums over all trials, diverged ones included.
    """
    trials: pa.Table
    """The stored rows of the expected trials, in the order of the spec, by the names of this spec.

    `status` is diverged also where the RMSE is above DIVERGED_FACTOR times the largest absolute target of the test
    rows; metrics are null then.
    """
    counts: Counts
    """Of all trials."""
    missing: tuple[str, ...]
    """Ids of the expected trials that have no result, in the order of the spec."""
    datasets: dict[str, dict[str, Any]]
    """By the name in the spec: the dataset's fields, digest, number of variants and Counts; under `facts` its Facts,
    of a table over its splits: see about.py."""
    best: dict[str, dict[str, Any] | None]
    """By dataset: the table's row of the variant with the lowest median RMSE, and under `trial` its best trial. With
    several splits it is the lowest mean, which is what tables of one's own are compared by.

    Ties go to the fewer parameters, then to the lower id. None where no trial is ok.
    """
    best_trial: dict[str, dict[str, Any] | None]
    """By dataset: the row of the trial with the lowest RMSE, which may be of another variant. Ties go as for `best`.
    With several splits, whose test rows differ, it says little."""
    engines: dict[str, int]
    """Trials by the engine that trained them."""
    devices: dict[str, int]
    """Trials by the device that trained them."""
    causes: Mapping[str, tuple[Cause, ...]] = field(default_factory=dict)
    """By variant id, why it ends where it does: the cause whose remedy gains most first; empty until explained."""
    by_pack: int = 0
    """Trials that torch has trained on a GPU: their last digits depend on the trials of their pack."""
    importance: Mapping[str, Importance] = field(default_factory=dict)
    """By dataset, how much each axis of the grid matters; empty until explained."""
    below_floor: tuple[str, ...] = ()
    """Ids of trials whose RMSE is below the floor of their architecture: an error in this program."""

    @property
    def mixed(self) -> bool:
        """Whether several engines or devices trained these trials: their numbers may differ in the last digits."""
        return len(self.engines) > 1 or len(self.devices) > 1

    def to_parquet(self) -> bytes:
        """Returns summary.parquet."""
        return _parquet(self.table)

    def trials_to_parquet(self) -> bytes:
        """Returns trials.parquet."""
        return _parquet(self.trials)

    def to_json(self, run: str, spec_digest: str, environment: Mapping[str, Any], timing: Mapping[str, Any]) -> bytes:
        """Returns summary.json: strict JSON, so a NaN in environment or timing is a ValueError."""
        content = {
            "format": FORMAT,
            "run": run,
            "spec_digest": spec_digest,
            "trials": {**asdict(self.counts), "missing_ids": self.missing[:_NAMED]},
            "datasets": self.datasets,
            "best": self.best,
            "best_trial": self.best_trial,
            "importance": {name: asdict(matters) for name, matters in self.importance.items()},
            "below_floor": self.below_floor[:_NAMED],
            "mixed": self.mixed,
            "engines": self.engines,
            "devices": self.devices,
            "last_digits_depend_on_pack": self.by_pack,
            "environment": dict(environment),
            "timing": dict(timing),
        }
        return (json.dumps(content, allow_nan=False, indent=1) + "\n").encode()


def _generated(dataset: Named) -> Facts:
    assert not isinstance(dataset, TableSplit), "the rows of a table are in a store"
    return measure_facts(dataset)


def summarize(expected: Sequence[Trial], results: pa.Table, facts_of: Callable[[Named], Facts] = _generated) -> Summary:
    """Aggregates the rows (jobs.results.pack_files.SCHEMA, each trial once, any order) of the expected trials."""
    # Each expected trial (T) is looked up among the stored rows (R); whatever else is stored is left out.
    parts = Parts.of(expected)
    facts = {key: facts_of(dataset) for key, dataset in parts.datasets.items()}
    ids = pa.array([trial.id for trial in expected], pa.string())
    row_T = pc.index_in(ids, value_set=results["trial_id"]).fill_null(-1).to_numpy()
    found = row_T >= 0
    part_R = parts.part_T[found]
    variant_R = parts.variant_P[part_R]
    # What a row means depends on this spec's dataset: its name, and from which RMSE on a trial counts as diverged.
    firsts = [parts.variants[place] for place in parts.first_P]
    own = pa.table(columns_of(firsts), schema=_OWN)
    limits = {key: limit_of(each.largest_target) for key, each in facts.items()}
    integers = {key for key, dataset in parts.datasets.items() if dataset.has_integer_target}
    key_P = [key_of(variant.dataset) for variant in parts.variants]
    limit_P = np.array([limits[key] for key in key_P])
    is_integer_P = np.array([key in integers for key in key_P], bool)
    rows = _within(results.take(pa.array(row_T[found])), limit_P[part_R])
    rows = _without_exactness(rows, (~is_integer_P | (limit_P > DIVERGED_FACTOR * EXACT_TARGET))[part_R])
    table = _table(own, rows, parts, part_R, is_integer_P[parts.first_P])
    trials = _trials(own, rows, variant_R)
    status_T = np.full(len(expected), "missing", dtype=object)
    status_T[found] = rows["status"].to_numpy()
    datasets = _datasets(parts, status_T, facts)
    return Summary(
        table=table,
        trials=trials,
        counts=_count(status_T),
        missing=tuple(ids.filter(pa.array(~found)).to_pylist()),
        datasets=datasets,
        best=_best(datasets, table, rows, variant_R),
        best_trial=_best_trials(datasets, trials),
        engines=_tally(rows["engine"]),
        devices=_tally(rows["device"]),
        by_pack=_by_pack(rows),
    )


def _by_pack(rows: pa.Table) -> int:
    """Counts the trials of torch on GPUs; earlier versions called it just torch."""
    is_torch = pc.starts_with(rows["engine"], "torch")
    return int(pc.sum(pc.and_(is_torch, pc.not_equal(rows["device"], "cpu"))).as_py() or 0)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _within(rows: pa.Table, limit_R: Reals) -> pa.Table:
    """Returns the rows, those with an RMSE above its limit as diverged."""
    beyond = pc.fill_null(pc.greater(rows["rmse"], pa.array(limit_R, pa.float64())), False)
    if not pc.any(beyond).as_py():
        return rows
    for name in ("status", *METRIC_NAMES):
        instead = pa.scalar("diverged" if name == "status" else None, rows.schema.field(name).type)
        column = pc.if_else(beyond, instead, rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows


def _without_exactness(rows: pa.Table, beyond_R: NDArray[np.bool_]) -> pa.Table:
    """Returns the rows without metrics of rounded answers: of targets that aren't integers that float64 holds."""
    if not beyond_R.any():
        return rows
    for name in (metric.name for metric in METRICS if metric.needs_exactness):
        column = pc.if_else(pa.array(beyond_R), pa.scalar(None, pa.float64()), rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows


def _trials(own: pa.Table, rows: pa.Table, variant_R: Indices) -> pa.Table:
    """Returns the rows with all columns of SCHEMA, those of the variant by the names of this spec."""
    of_variant = own.take(pa.array(variant_R))
    columns = {name: of_variant[name] if name in own.column_names else rows[name] for name in SCHEMA.names}
    return pa.table(columns, schema=SCHEMA)


def _table(own: pa.Table, rows: pa.Table, parts: Parts, part_R: Indices, is_integer_V: NDArray[np.bool_]) -> pa.Table:
    """Returns one row per variant: `own` has their columns, `rows` the results, `part_R` each one's part.

    `is_integer_V` says of each whether its targets are integers.
    """
    count, variant_R = len(own), parts.variant_P[part_R]
    diverged_R = rows["status"].to_numpy() == "diverged"
    exact_V = np.bincount(variant_R[rows["exact_fraction"].to_numpy() == 1], minlength=count)
    columns = {
        "n": np.bincount(variant_R[~diverged_R], minlength=count),
        "n_diverged": np.bincount(variant_R[diverged_R], minlength=count),
        "n_exact": pa.array(exact_V, mask=~is_integer_V),
        **{name: _nullable(values) for name, values in _statistics(rows, parts, part_R).items()},
        "train_seconds": np.bincount(variant_R, weights=rows["train_seconds"].to_numpy(), minlength=count),
        **{name: own[name] for name in _OWN.names},
    }
    results = pa.table(columns).select(_TABLE.names).cast(_TABLE)
    for column in _EXPLANATION:
        results = results.append_column(column, pa.nulls(count, column.type))
    r2_V = Grouped.of(rows["r2"].to_numpy(), variant_R, count).mean
    for column, values in zip(_LATER, (pa.array(parts.splits_V), _nullable(r2_V)), strict=True):
        results = results.append_column(column, values)
    return results


def _statistics(rows: pa.Table, parts: Parts, part_R: Indices) -> dict[str, Reals]:
    """Returns the statistics of all metrics by column, each of all variants, over their trials."""
    found = {}
    variant_R, count = parts.variant_P[part_R], len(parts.first_P)
    for metric in METRICS:
        trials = Grouped.of(rows[metric.name].to_numpy(), variant_R, count)
        for name in metric.statistics:
            best = "highest" if metric.higher_is_better else "lowest"
            with np.errstate(invalid="ignore"):  # infinity minus infinity, of numbers whose squares overflow
                values = _STATISTICS[best if name == "best" else name](trials)
                if name.startswith("ci95") and (parts.splits_V > 1).any():
                    means = Grouped.of(rows[metric.name].to_numpy(), part_R, len(parts.variants)).mean
                    over_splits = _STATISTICS[name](Grouped.of(means, parts.variant_P, count))
                    values = np.where(parts.splits_V > 1, over_splits, values)
            found[f"{metric.name}_{name}"] = values
    return found


def _nullable(values: Reals) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _count(status_T: NDArray[np.object_]) -> Counts:
    found = Counter(status_T.tolist())
    return Counts(len(status_T), found["ok"], found["diverged"], found["missing"])


def _tally(column: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted(Counter(column.to_pylist()).items()))


def _datasets(parts: Parts, status_T: NDArray[np.object_], facts: Mapping[Key, Facts]) -> dict[str, dict[str, Any]]:
    """Returns what is known of each dataset, by name, in the order of the spec."""
    found = {}
    name_P = np.array([variant.dataset.name for variant in parts.variants], dtype=object)
    for dataset in {each.name: each.whole for each in parts.datasets.values()}.values():
        of_dataset_P = name_P == dataset.name
        own = [each for (name, _), each in facts.items() if name == dataset.name]
        about = about_of(dataset, own)
        found[dataset.name] = {
            **{name: value for name, value in about.items() if name != "facts"},
            "variants": len(set(parts.variant_P[of_dataset_P].tolist())),
            "trials": asdict(_count(status_T[of_dataset_P[parts.part_T]])),
            "facts": about["facts"],
        }
    return found


def _best_trials(datasets: Iterable[str], trials: pa.Table) -> dict[str, dict[str, Any] | None]:
    """Returns the row of the best trial of each dataset, or None."""
    keys = ("rmse", "parameters", "variant_id", "seed")
    ranked = trials.filter(pc.is_valid(trials["rmse"])).sort_by([(key, "ascending") for key in keys])
    first = {name: ranked.filter(pc.equal(ranked["dataset"], name)).slice(0, 1).to_pylist() for name in datasets}
    return {name: rows[0] if rows else None for name, rows in first.items()}


def _best(
    datasets: Iterable[str], table: pa.Table, rows: pa.Table, variant_R: Indices
) -> dict[str, dict[str, Any] | None]:
    """Returns the winning row of the table for each dataset, with the winning trial of its variant."""
    best: dict[str, dict[str, Any] | None] = dict.fromkeys(datasets)
    keys = ("by", "parameters", "variant_id")
    middle = pc.if_else(pc.greater(table["n_splits"], 1), table["rmse_mean"], table["rmse_median"])
    ranked = table.append_column("position", pa.array(range(len(table)), pa.int64())).append_column("by", middle)
    ranked = ranked.filter(pc.is_valid(middle)).sort_by([(key, "ascending") for key in keys]).drop_columns("by")
    for name in best:
        candidates = ranked.filter(pc.equal(ranked["dataset"], name))
        if len(candidates):
            [winner] = candidates.slice(0, 1).to_pylist()
            trials = rows.filter(pa.array(variant_R == winner.pop("position")))
            best[name] = {**winner, "trial": _best_trial(trials)}
    return best


def _best_trial(rows: pa.Table) -> dict[str, Any]:
    known = rows.filter(pc.is_valid(rows["rmse"])).select(_OF_BEST)
    winner: dict[str, Any] = known.sort_by([("rmse", "ascending"), ("seed", "ascending")]).to_pylist()[0]
    return winner
