"""Takes a chart out of a run's report and makes one SVG file of it, with its legend: the picture in the README."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

PAGE = Path(__file__).parent.parent / "jobs/show/page"
LINE, LEFT, GAP = 22, 8, 24
"""Height of a line of the legend, left margin, and distance between panels."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def picture(report: str, dataset: str, chart: str) -> str:
    """Returns the chart of a dataset with all its panels side by side, in light and dark."""
    found = re.search(rf'<figure [^>]*aria-labelledby="{dataset}\.{chart}\.title".*?</figure>', report, re.DOTALL)
    assert found, f"the report has no chart {chart} of {dataset}"
    figure = ET.fromstring(re.sub(r"<details.*?</details>", "", found[0], flags=re.DOTALL))  # noqa: S314  our own page
    panels = [svg for svg in figure.iter("svg") if svg.get("class") == "plot"]
    keys = list(figure.iter("li"))
    sizes = [[float(number) for number in panel.attrib["viewBox"].split()[2:]] for panel in panels]
    width = sum(size[0] for size in sizes) + GAP * (len(sizes) - 1) + 2 * LEFT
    lines = -(-len(keys) // 2)
    top = lines * LINE + 12
    height = top + max(size[1] for size in sizes)
    box = {"width": f"{width:g}", "height": f"{height:g}", "viewBox": f"0 0 {width:g} {height:g}", "role": "img"}
    whole = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **box, "font-family": FONT})
    title = ET.SubElement(whole, "title")
    title.text = " ".join(desc.text or "" for panel in panels for desc in panel.iter("desc"))
    ET.SubElement(whole, "style").text = _style()
    ET.SubElement(whole, "rect", {"class": "paper", "width": "100%", "height": "100%"})
    for place, key in enumerate(keys):
        column, line = divmod(place, lines)
        x, y = LEFT + column * width / 2, 6 + line * LINE
        mark = key.find("svg")
        assert mark is not None
        group = ET.SubElement(whole, "g", {"transform": f"translate({x:g} {y:g})", "class": "key"})
        group.extend(mark)
        words = ET.SubElement(group, "text", {"x": "42", "y": "12", "class": "words"})
        words.text = "".join(key.itertext()).strip()
    x = LEFT
    for panel, size in zip(panels, sizes, strict=True):
        panel.attrib = {
            "class": "plot",
            "x": f"{x:g}",
            "y": f"{top:g}",
            "width": f"{size[0]:g}",
            "height": f"{size[1]:g}",
            "viewBox": panel.attrib["viewBox"],
        }
        for desc in panel.findall("desc"):
            panel.remove(desc)
        whole.append(panel)
        x += size[0] + GAP
    return ET.tostring(whole, encoding="unicode") + "\n"


def _style() -> str:
    """The page's colours and the look of charts; those of other elements do no harm."""
    page, charts = ((PAGE / name).read_text() for name in ("style.css", "charts.css"))
    colours = page[: page.index("* {")]
    own = (
        ".paper { fill: var(--card); } .plot { max-width: none; }\n"
        ".words { font-size: 13px; fill: var(--text); } .key path { fill: none; }"
    )
    sheet = f"{colours}\n{charts}\n{own}"
    return re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL).strip()
