"""Pictures of reports in headless Chromium, to be looked at: light, dark, on a phone, and as printed.

    python benchmarks/screenshots.py /tmp/pictures              # all; two minutes on 2 cores
    python benchmarks/screenshots.py /tmp/pictures question     # one report

Each report is that of a real run in a new store: examples, a table, runs that ended in odd ways, and one of 10,000
variants. Playwright drives the Chromium of the system. Nothing is compared: pictures differ by fonts and by machine.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
_DATASET = '[[dataset]]\nname = "squares"\ntask = "square"\nlargest = 100\nrows = 200\n'
_TWO = '[[dataset]]\nname = "waves"\nformula = "sin(x1) * x2"\nlow = -3.0\nhigh = 3.0\nrows = 1000\n'
_GRID = '[[grid]]\nhidden = [[8]]\nactivation = ["tanh", "relu"]\n'
_RATES = [round(0.0001 * (step + 1), 6) for step in range(100)]
SPECS = {
    "two": f'{_TWO}{_GRID}readout = ["trained", "solved"]\nepochs = 100\nseeds = 3\n',
    "diverged": f'{_DATASET}{_GRID}optimizer = ["sgd"]\nlr = [1e6, 1e8]\nepochs = 5\n',
    "one": f"{_DATASET}[[grid]]\nhidden = [[8]]\nepochs = 50\n",
    "missing": f"{_DATASET}{_GRID}lr = [0.001, 0.01]\nepochs = 50\nseeds = 2\n",
    "large": f"{_DATASET}[[grid]]\nhidden = [[4]]\nlr = {_RATES}\nweight_decay = {_RATES}\nepochs = 2\n",
}
"""By the name of a run: its spec, without the name."""
EXAMPLES = ("question", "exact")
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def main() -> None:
    """Makes the reports that are named, and pictures of them."""
    names = [*EXAMPLES, "houses", *SPECS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder for the pictures")
    parser.add_argument("names", nargs="*", default=names, help=f"some of {', '.join(names)}")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in options.names:
            report = reported(name, Path(folder))
            shutil.copy(report, options.output / f"{name}.html")
            print(f"{name}: {report.stat().st_size:,} bytes")
            pictured(browser, report, options.output)
        browser.close()


def reported(name: str, folder: Path) -> Path:
    """Returns the report of a new run."""
    if name in EXAMPLES:
        sumsquares("run", ROOT / f"examples/{name}.toml", folder)
    elif name == "houses":
        sumsquares("fit", ROOT / "examples/houses.csv", folder, "--target", "price")
    else:
        spec = folder / f"{name}.toml"
        spec.write_text(f'name = "{name}"\n{SPECS[name]}')
        sumsquares("run", spec, folder)
        if name == "missing":  # more seeds than were trained
            spec.write_text(spec.read_text().replace("seeds = 2", "seeds = 3"))
            sumsquares("summarize", spec, folder)
    return folder / f"store/runs/{name}/report.html"


def sumsquares(command: str, what: Path, folder: Path, *options: str) -> None:
    """Runs a command; that trials diverged or are missing is no failure here."""
    words = [sys.executable, "-m", "sumsquares", command, str(what), "--store", str(folder / "store"), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 7):
        sys.exit(done.stderr)


def pictured(browser: Browser, report: Path, output: Path) -> None:
    """Takes the pictures of a report."""
    name = report.parent.name
    for look, settings in LOOKS.items():
        context = browser.new_context(**settings)
        page = context.new_page()
        page.goto(report.as_uri())
        page.screenshot(path=output / f"{name}-{look}.png", full_page=True)
        if look == "light":
            page.pdf(path=output / f"{name}.pdf", format="A4", margin=dict.fromkeys(("top", "bottom"), "15mm"))
        context.close()


if __name__ == "__main__":
    main()
