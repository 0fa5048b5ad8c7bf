"""The verdict in the title and the heading of the report, and the commands that it names."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path

import pytest
from command_line import cli  # noqa: F401  a fixture
from made_reports import made, page_of
from specs import SMALL

from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.show.answer import Mine
from sumsquares.jobs.show.format import number
from sumsquares.jobs.show.headline import headline, outcome

LOST = {"status": "diverged", **dict.fromkeys(METRIC_NAMES)}


def mine(summary):
    """The first network of each dataset."""
    rows = summary.table.to_pylist()
    return {name: Mine.of(summary, [row for row in rows if row["dataset"] == name]) for name in summary.datasets}


def test_the_headline_has_the_rmse_of_the_first_network_on_each_dataset():
    """As numbers are written elsewhere."""
    _, summary = made(SMALL)
    first = mine(summary)
    sums, squares = (number(middle(first[name].row)) for name in ("sums", "squares"))
    assert headline(first) == f"The first network has an RMSE of {sums} on sums and {squares} on squares"


def test_datasets_that_ended_alike_are_told_together():
    """Here it diverged on one, and has no result on the other."""
    _, summary = made(SMALL, lambda _index, trial: LOST if trial.variant.dataset.name == "sums" else None)
    assert headline(mine(summary)) == "The first network diverged on sums; it has no result yet on squares"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 20])
def test_many_datasets_are_counted_and_not_named(count):
    """The heading stays short, and holds for the lowest and the highest RMSE."""
    names = [f"d{place}" for place in range(count)]
    rmse = {name: 2.0 + place for place, name in enumerate(names)}
    exact, far = (outcome(dict.fromkeys(names, verdict), rmse) for verdict in ("exact", "not exact"))
    if count <= 3:
        assert re.findall(r"\bd\d+", exact) == re.findall(r"\bd\d+", far) == names
    else:
        assert exact == f"The best variant is exact on {count} datasets."
        assert far == f"The best variant has RMSEs of 2 to {count + 1} on {count} datasets."


def test_title_and_heading_are_the_headline():
    """The title names the run too."""
    page, summary = page_of(SMALL)
    told = html.escape(headline(mine(summary)), quote=False)
    assert f"<title>{told} (small)</title>" in page.source
    assert f"<h1>{told}.</h1>" in page.source


def test_the_commands_of_the_report_work_as_they_stand(cli):  # noqa: F811
    """Each of them, in any folder that has the spec."""
    Path("small.toml").write_text(SMALL)
    assert cli("run", "small.toml", "--store", "my store", "--workers", "0").code == 0
    page = Path("my store/runs/small/report.html").read_text()
    found = re.findall(r"<dd><code>(sumsquares .*?)</code></dd>", page)
    commands = [shlex.split(html.unescape(each)) for each in found]
    assert [command[:2] for command in commands] == [
        ["sumsquares", name] for name in ("run", "predict", "explain", "explain", "verify")
    ]
    for command in commands:
        more = ("--seeds", "5", "--max", "1") if "--prove" in command else ()
        ended = cli(*command[1:], *more)
        assert ended.code == 0, (command, ended.err)
