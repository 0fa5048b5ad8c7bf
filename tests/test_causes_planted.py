"""Planted faults are found and mended: a small part of what benchmarks/causes.py measures, with fixed seeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sumsquares.jobs.engines import lanes_engine

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "causes.py"
CASES = 6
PLANTED = ("no_activation", "lr_too_low", "saturated", "too_narrow", "memorised")


@pytest.fixture(scope="module", name="found")
def measured():
    """What the benchmark counts, by the planted cause."""
    if lanes_engine.available() is not None:
        pytest.skip("without the kernel it takes minutes")
    command = [sys.executable, BENCHMARK, "--cases", str(CASES), "--seed", "3", "--json", "--only", *PLANTED]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return {each["name"]: each for each in json.loads(answer.stdout)["found"]}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named_and_mended(found, name):
    """In nearly all cases: by its name, and by the change that the first cause names."""
    assert found[name]["cases"] == found[name]["controls"] == CASES
    assert found[name]["named"] >= CASES - 1
    assert found[name]["mended"] >= CASES - 1


def test_healthy_controls_are_not_blamed(found):
    """No control has the planted cause without being mended by its change, and most of all diagnoses are right."""
    assert sum(each["false"] for each in found.values()) == 0
    assert sum(each["right"] for each in found.values()) >= 0.85 * sum(each["diagnoses"] for each in found.values())


def test_each_first_diagnosis_is_proved_beside_a_control():
    """As many proofs as diagnoses with a change; the table has both columns, and a line of all."""
    if lanes_engine.available() is not None:
        pytest.skip("without the kernel it takes minutes")
    command = [sys.executable, BENCHMARK, "--cases", "2", "--prove", "--only", "no_activation"]
    text, answer = (
        subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout
        for more in ([], ["--json"])
    )
    (found,) = json.loads(answer)["found"]
    assert 0 < sum(found["proved"].values()) <= sum(found["told"].values()) == found["diagnoses"]
    assert found["others_better"] <= found["others"] <= found["diagnoses"]
    head, _, line, total, *_ = text.splitlines()
    assert "| proved | control |" in head
    assert f"{sum(found['proved'].values())}/{found['diagnoses']} = " in line
    assert total == line.replace("no_activation", "all")


def test_help_names_every_option():
    """It also says how to run the benchmark."""
    text = subprocess.run([sys.executable, BENCHMARK, "--help"], capture_output=True, text=True, check=True).stdout
    assert "python benchmarks/causes.py" in text
    assert all(option in text for option in ("--cases", "--seed", "--only", "--tuning", "--prove", "--seeds", "--json"))
