"""The files of an earlier run that is kept, made anew from its spec and its trials. Nothing is written here."""

from __future__ import annotations

from sumsquares.jobs.pipeline.summarizing import files_of_run
from sumsquares.jobs.results.summary_file import SPEC
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.storage.store import Store


def kept_files(store: Store, folder: str, spec: JobSpec) -> dict[str, bytes]:
    """By path, the summary last; the environment and the times that it names are those of now.

    Raises:
        DataError: a model that the summary shows is damaged or gone.

    """
    made = {SPEC: seal_text(spec.source_text), **files_of_run(spec, store)}
    return {f"{folder}/{name}": data for name, data in made.items()}
