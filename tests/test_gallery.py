"""Public questions, asked by the specs of examples/questions: failure, cause and cure are those that the answers gave.

Only facts are taken over: function, range, network, training. What each must show is in benchmarks/questions.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from sumsquares.jobs.engines import lanes_engine
from sumsquares.jobs.results.case import LEAST_GAIN

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from gallery_table import NOT_ASKED  # noqa: E402 (after the path to it)
from questions import FOLDER, QUESTIONS, ask, is_restated  # noqa: E402

MOST_KILOBYTES = 6


@pytest.fixture(scope="module", params=[*QUESTIONS], name="asked")
def run(request, tmp_path_factory):
    """A question's spec, run."""
    if lanes_engine.available() is not None:
        pytest.skip("without the kernel it takes minutes")
    return ask(request.param, str(tmp_path_factory.mktemp(request.param)))


def test_the_true_cause_is_among_the_first_two(asked):
    """As the public answer gave it, in the run that has the cure too. Of those that are not known to be missed."""
    expected = QUESTIONS[asked.name]
    assert bool(set(asked.causes[:2]) & set(expected.causes)) == expected.is_named, asked.causes


def test_the_cure_cures(asked):
    """What is measured becomes smaller by more than a change must to be one; a claim that was wrong needs no cure."""
    if QUESTIONS[asked.name].causes != ("solved",):
        assert asked.gain >= LEAST_GAIN


def test_the_answer_names_the_network_as_it_was_asked_and_its_cause(asked):
    """The first sentence is about the first variant."""
    assert asked.sentences[0].startswith("The first network of the spec, ")


def test_every_spec_has_an_entry_and_every_entry_a_spec_and_a_picture():
    """No question is left out; pictures are small."""
    assert {path.stem for path in FOLDER.glob("*")} == set(QUESTIONS)
    assert not set(QUESTIONS) & set(NOT_ASKED)
    pictures = {path.stem: path for path in (ROOT / "docs/figures/gallery").glob("*.svg")}
    assert set(pictures) == set(QUESTIONS)
    assert max(path.stat().st_size for path in pictures.values()) <= MOST_KILOBYTES * 1024


def test_every_spec_opens_with_its_question_its_command_and_where_it_was_asked():
    """And says what of it is known, or how it is restated."""
    for name in QUESTIONS:
        question, _, command, _, asked, *lines = (FOLDER / f"{name}.toml").read_text().splitlines()
        assert re.fullmatch("# .*[?.]", question)
        assert command == f"#     sumsquares run examples/questions/{name}.toml"
        assert asked.startswith("# Asked: ")
        assert sum(line.startswith(("# As it was put", "# Restated: ")) for line in lines) == 1


def test_enough_questions_are_asked_as_they_were_put():
    """23 of 29."""
    assert sum(not is_restated(name) for name in QUESTIONS) >= 23
