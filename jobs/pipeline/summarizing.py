"""The summarize stage: aggregates the stored results of a spec and publishes the run's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache, partial

from sumsquares.cluster.work import Failure
from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DataError
from sumsquares.jobs.machine.environment import environment
from sumsquares.jobs.pipeline.choosing import choice_of, id_of
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.baselines import Baseline
from sumsquares.jobs.results.beside import with_baselines
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.evidence import with_evidence
from sumsquares.jobs.results.explained import explain
from sumsquares.jobs.results.figures.data import Figures
from sumsquares.jobs.results.figures.figures import figures_of
from sumsquares.jobs.results.pack_files import DamagedResult
from sumsquares.jobs.results.stored import Results, read_trials
from sumsquares.jobs.results.stored_baselines import baselines_of
from sumsquares.jobs.results.summary import Summary, summarize
from sumsquares.jobs.results.summary_file import SUMMARY, seal_summary
from sumsquares.jobs.results.validated import Choice
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.report import report
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import is_of_another, publish_run
from sumsquares.jobs.storage.plain import readable
from sumsquares.jobs.storage.store import Store


def summarize_run(
    spec: JobSpec,
    runtime: Runtime,
    read: Callable[[Store], Results] = read_trials,
    failures: Sequence[Failure] = (),
    writes: bool = True,
    is_derived: bool = False,
    has_baselines: bool = True,
) -> RunOutcome:
    """Aggregates what the store has of a spec; with `writes`, publishes the run's summary and report.

    For `is_derived` and `has_baselines` see run_spec.
    """
    store, progress, timing = runtime.store, runtime.progress, runtime.timing

    def on_lost(pack: str, error: Exception) -> None:
        """Deletes damaged weights, so that the next run trains them again; the best variant then has no samples.

        Those of an earlier training version stay, since no run trains them again; what is not ours stays too.
        """
        if not isinstance(error, DamagedResult | FileNotFoundError):
            progress.warn(str(error))
            return
        if spec.is_earlier:
            progress.warn(f"{error}. An earlier version trained them: a run trains new ones beside them")
            return
        progress.warn(f"{error}; {'deleted, ' if writes else ''}run again to retrain its pack")
        if writes:
            store.delete(f"trials/{pack}.safetensors")

    with timing.stage("summarize"):
        with progress.doing("reading results"):
            stored, expected = read(store), trials(spec)
        progress.warn_all(problem.message for problem in stored.problems)
        lost = _once(on_lost)
        with progress.doing(f"summarising {counted(len(expected), 'trial')}"):
            summary = _summary(expected, store, stored, lost, has_baselines=has_baselines)
            choice, warn = choice_of(spec, store, summary, stored), lambda error: progress.warn(str(error))
            figures = figures_of(summary, expected, stored.table, store, lost, warn, id_of(choice))
            summary = _with_samples(summary, figures)
    with progress.doing("writing the report"):
        finished = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        files = _files(spec, summary, figures, choice, store, timing.seconds, finished)
        is_published = writes and _publish(spec, runtime, summary, files, is_derived)
    return RunOutcome(summary, files[SUMMARY], is_published, failures, dict(timing.seconds))


def files_of_run(spec: JobSpec, store: Store) -> dict[str, bytes]:
    """The files beside a run's spec by name, the summary last; nothing is written.

    Raises:
        DataError: weights or rows that the figures are made with are damaged or gone.

    """

    def on_rows(error: Exception) -> None:
        raise DataError(str(error)) from error

    def on_lost(_pack: str, error: Exception) -> None:
        on_rows(error)

    stored, expected = read_trials(store), trials(spec)
    summary = _summary(expected, store, stored, on_lost, keeps=False)
    choice = choice_of(spec, store, summary, stored)
    figures = figures_of(summary, expected, stored.table, store, on_lost, on_rows, id_of(choice))
    return _files(spec, _with_samples(summary, figures), figures, choice, store, {})


def summary_of_run(spec: JobSpec, store: Store, stored: Results) -> Summary:
    """The results of a spec among the stored ones, without samples; nothing is written."""
    return _summary(trials(spec), store, stored, lambda *_: None, keeps=False)


def _publish(spec: JobSpec, runtime: Runtime, summary: Summary, files: Mapping[str, bytes], is_derived: bool) -> bool:
    """Puts the run's files in the place of an earlier run's, unless that would replace results by none."""
    store, progress = runtime.store, runtime.progress
    if summary.counts.missing == summary.counts.total and is_of_another(store, spec):
        progress.warn("nothing was trained: the earlier run of this name stays in its place")
        return False
    if (aside := publish_run(store, spec, files)) is not None:
        why = "trained by another version" if spec.digest[:12] in aside else "of another spec"
        tell = progress.say if is_derived else progress.warn
        tell(f"the earlier run of this name, {why}, is kept in {store.root}/{aside}")
    return True


def _summary(
    expected: Sequence[Trial],
    store: Store,
    stored: Results,
    on_lost: Callable[[str, Exception], None],
    keeps: bool = True,
    has_baselines: bool = True,
) -> Summary:
    """The results of the expected trials; `on_lost` gets packs with lost weights.

    With `keeps`, facts and baselines that are measured here are stored.
    """
    known = cache(partial(facts_of, store, keeps=keeps))
    results = with_evidence(store, expected, stored.table, known)
    summary = explain(summarize(expected, results, known), expected, results, store, known, on_lost)
    of = partial(baselines_of, store, keeps=keeps) if has_baselines else _no_baselines
    return with_baselines(summary, expected, of)


def _once(on_lost: Callable[[str, Exception], None]) -> Callable[[str, Exception], None]:
    """Returns a function that calls `on_lost` for the first error of each pack."""
    told: set[str] = set()

    def lost(pack: str, error: Exception) -> None:
        if pack not in told:
            told.add(pack)
            on_lost(pack, error)

    return lost


def _no_baselines(_dataset: Dataset) -> tuple[Baseline, ...]:
    return ()


def _files(
    spec: JobSpec,
    summary: Summary,
    figures: Mapping[str, Figures],
    choice: Choice | None,
    store: Store,
    seconds: Mapping[str, float],
    finished: str = "",
) -> dict[str, bytes]:
    facts = environment()
    files = {
        "summary.parquet": summary.to_parquet(),
        "trials.parquet": summary.trials_to_parquet(),
        "report.html": report(spec, summary, facts, figures, choice, readable(store.root)).encode(),
    }
    files[SUMMARY] = seal_summary(spec, files, summary.to_json(spec.name, spec.digest, facts, seconds), finished)
    return files


def _with_samples(summary: Summary, figures: Mapping[str, Figures]) -> Summary:
    """The summary with the predictions of the best variant's best trial for the first test rows, of each dataset."""
    best = {}
    for name, found in summary.best.items():
        drawn = figures[name].samples
        lines = next((lines for chosen, lines in drawn if "best" in chosen.roles), ())
        best[name] = found and {**found, "samples": [asdict(line) | {"error": line.error} for line in lines]}
    return replace(summary, best=best)
