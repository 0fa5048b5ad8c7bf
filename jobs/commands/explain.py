"""What `sumsquares explain` does: tells why variants of a run end where they do, and proves it by training again."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.jobs import exits
from sumsquares.jobs.commands.asked import Asked, asked_run, known_best
from sumsquares.jobs.commands.printing import WIDTH
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.pipeline.failures import code_of
from sumsquares.jobs.pipeline.proving import Experiment, experiment, prove
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.pipeline.summarizing import summary_of_run
from sumsquares.jobs.results.chosen import Wanted, choose, counted_causes
from sumsquares.jobs.results.dataset_facts import facts_of as facts_of_rows
from sumsquares.jobs.results.described import splits_of
from sumsquares.jobs.results.explanation import Explainer, Explanation
from sumsquares.jobs.results.proof import Proof
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.show import matters, proof_text
from sumsquares.jobs.show.explanation import facts_of, lines_of
from sumsquares.jobs.show.format import counted, describe_task
from sumsquares.jobs.spec.errors import SpecError
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.targets import WrongTarget, refuse_targets
from sumsquares.jobs.storage.store import Store

Proofs = Mapping[str, Proof | str]
"""By variant: its proof, or why there is none."""


@dataclass(frozen=True)
class Proving:
    """What --prove asks for."""

    most: int
    """Of how many variants, the first ones, a cause is proved."""
    seeds: int
    """Fewest seeds of each proof."""
    seed: int
    """Draws the controls, together with the variant."""
    placement: Placement


def explain(run: str, wanted: Wanted, proving: Proving | None, shared: Shared) -> int:
    """Prints why variants of a run end where they do; with `proving`, trains their changes and prints the proofs."""
    store = Store(shared.store)
    with shared.progress().doing("reading and explaining results"):
        asked, explainer = _opened(store, run, wanted, shared)
    rows = choose(explainer.rows, explainer.best, wanted, only_first=proving is not None)
    try:
        with shared.progress().doing(f"explaining {counted(len(rows), 'variant')}"):
            told = [explainer.explain(row, *roles) for row, roles in rows]
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; {asked.retrain}") from error
    proofs, code = _proved(asked, explainer, told, proving, store, shared) if proving else ({}, exits.OK)
    facts = {"run": run, "spec": asked.spec.name, "datasets": _facts(explainer, told, proofs)}
    shared.print(facts, "\n".join(_text(asked, explainer, told, proofs)))
    return code


def _opened(store: Store, run: str, wanted: Wanted, shared: Shared) -> tuple[Asked, Explainer]:
    """Reads the run and its results, which must still be those that its summary calls the best."""
    asked = asked_run(store, run)
    asked.check_dataset(wanted.dataset)
    best, stored = known_best(store, asked), read_trials(store)
    shared.progress().warn_all(problem.message for problem in stored.problems)
    explainer = Explainer(store, asked.spec, summary_of_run(asked.spec, store, stored), stored)
    asked.check_known([each for each in best if each in explainer.trial_ids], explainer.found_ids)
    return asked, explainer


def _proved(
    asked: Asked, explainer: Explainer, told: Sequence[Explanation], proving: Proving, store: Store, shared: Shared
) -> tuple[Proofs, int]:
    """Proves the first cause with a change of each variant; returns the proofs and the exit code."""
    found: dict[str, Proof | str] = {}
    planned: list[Experiment] = []
    for place, each in enumerate(told):
        if place >= proving.most:
            found[each.row["variant_id"]] = f"not among the first {proving.most}: --max {len(told)} proves all of these"
        elif isinstance(answer := _planned(asked, explainer, each, proving, store), str):
            found[each.row["variant_id"]] = answer
        else:
            planned.append(answer)
    if not planned:
        return found, exits.OK
    progress = shared.progress()
    if asked.spec.is_earlier:
        progress.say("an earlier version trained this run: its variants are trained again, too")
    with Runtime(proving.placement, store, progress) as runtime:
        proofs, outcome = prove(asked.spec.name, asked.spec.engine, planned, runtime)
    code = code_of(outcome.failures, is_complete=not outcome.summary.counts.missing)
    return found | {each.variant_id: each for each in proofs}, code


def _planned(asked: Asked, explainer: Explainer, told: Explanation, proving: Proving, store: Store) -> Experiment | str:
    """Returns what must be trained for a variant's proof, or why there is nothing to train."""
    cause = next((each for each in told.causes if each.change), None)
    if cause is None:
        return "no cause names a change"
    variant_id = told.row["variant_id"]
    try:
        variant, seeds = explainer.variants[variant_id], explainer.seeds_of(variant_id)
        facts = cache(partial(facts_of_rows, store, keeps=False))
        refuse = partial(refuse_targets, facts_of=facts)
        return experiment(variant, cause, seeds, proving.seeds, asked.spec.engine, proving.seed, refuse)
    except SpecError as error:
        return f"the change {cause.change} makes no valid spec: {'; '.join(error.problems)}"
    except WrongTarget as error:
        return f"the change {cause.change} is not possible: {error}"


def _facts(explainer: Explainer, told: Sequence[Explanation], proofs: Proofs) -> dict[str, Any]:
    """What is told, for --json, by dataset."""
    found: dict[str, Any] = {}
    for each in told:
        name, proof = each.row["dataset"], proofs.get(each.row["variant_id"])
        if name not in found:
            rows = explainer.rows_of(name)
            task = describe_task(explainer.datasets[name])
            known = explainer.matters(name)
            found[name] = {
                "task": task,
                "variants": len(rows),
                "causes": counted_causes(rows),
                "importance": known and asdict(known),
                "explanations": [],
            }
        facts = proof.facts if isinstance(proof, Proof) else None
        unproved = proof if isinstance(proof, str) else None
        found[name]["explanations"].append({**facts_of(each), "proof": facts, "unproved": unproved})
    return found


def _text(asked: Asked, explainer: Explainer, told: Sequence[Explanation], proofs: Proofs) -> Iterator[str]:
    """What is told, for people."""
    for name in dict.fromkeys(each.row["dataset"] for each in told):
        rows = explainer.rows_of(name)
        causes = ", ".join(f"{cause} {count:,}" for cause, count in counted_causes(rows).items())
        title = f"{asked.opening}{name} ({describe_task(explainer.datasets[name])}), {counted(len(rows), 'variant')}"
        yield _wrapped(f"{title}{'; causes: ' if causes else ''}{causes}")
        if (known := explainer.matters(name)) is not None:
            yield from (_wrapped(f"  {line}") for line in matters.lines_of(known, splits_of(explainer.datasets[name])))
        for each in told:
            if each.row["dataset"] == name:
                proof = proofs.get(each.row["variant_id"])
                lines = [*lines_of(each), *_proof_lines(proof)]
                yield from (_wrapped(f"  {line}") for line in lines)


def _proof_lines(proof: Proof | str | None) -> Iterator[str]:
    if isinstance(proof, Proof):
        yield from proof_text.lines_of(proof)
    elif proof:
        yield f"  No proof: {proof}."


def _wrapped(line: str) -> str:
    """The line in the width of the tables, its continuation indented further."""
    indent = " " * (len(line) - len(line.lstrip()))
    text = line.strip()
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
