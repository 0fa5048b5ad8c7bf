"""The files of an earlier run that is kept, made anew from its spec and its trials. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.results.summary_file import SPEC
from jobs.run import summarize_run
from jobs.show.progress import Progress
from jobs.spec.job_spec import JobSpec
from jobs.spec.seal_line import seal_text
from jobs.storage.store import Store
from jobs.timing import Timing


def kept_files(store: Store, folder: str, spec: JobSpec) -> dict[str, bytes]:
    """By path, the summary last; the environment and the times that it names are those of now."""
    made = {SPEC: seal_text(spec.source_text)}

    def keep(_store: Store, _spec: JobSpec, files: Mapping[str, bytes]) -> None:
        made.update(files)

    summarize_run(spec, store, Timing(), Progress(quiet=True), publish=keep)
    return {f"{folder}/{name}": data for name, data in made.items()}
