"""Small SVG pictures of what a network answers: the target, the network as it was asked, and the one that mends it.

With one input they are curves, and the training range is shaded. With several inputs they are points, the answer over
the target: those of a perfect network lie on the diagonal. Like charts.py, no library, and colours for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WIDTH, HEIGHT, LEFT, BOTTOM, EDGE = 280, 160, 42, 20, 8
"""Pixels: of the picture, and around its plot."""
STYLE = """
.back{fill:#fff}.range{fill:#eaeef2}text{font:10px system-ui,sans-serif;fill:#59636e}
path{fill:none;stroke-linejoin:round}.axis{stroke:#d1d9e0}.target{stroke:#afb8c1;stroke-width:5}
.asked{stroke:#bc4c00;stroke-width:2}.mended{stroke:#0969da;stroke-width:1.6}
text.lost{fill:#bc4c00;stroke:none}.dots{stroke-width:4.4;stroke-linecap:round;stroke-opacity:.8}
@media(prefers-color-scheme:dark){.back{fill:#0d1117}.range{fill:#21262d}text{fill:#9198a1}
text.lost{fill:#f0883e}.axis{stroke:#3d444d}.target{stroke:#57606a}.asked{stroke:#f0883e}.mended{stroke:#58a6ff}}
"""


@dataclass(frozen=True)
class Frame:
    """A plot's ranges, and where its points lie in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point's pixels; what lies outside of the plot ends at its edge, a little beyond what is shown."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = min(max((y - self.y[0]) / (self.y[1] - self.y[0]), -0.1), 1.1)
        return LEFT + across * (WIDTH - LEFT - EDGE), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - EDGE)


def curves(title: str, x: Floats, target: Floats, asked: Floats, mended: Floats, trained: tuple[float, float]) -> str:
    """Returns the picture of networks with one input, over x."""
    frame = Frame(_ends(x), _wider(_ends(target)))
    left, right = (frame.place(end, frame.y[0])[0] for end in trained)
    shaded = f'<rect class="range" x="{left:.1f}" width="{right - left:.1f}" y="{EDGE}" height="{_inner()}"/>'
    named = (("target", target), ("asked", asked), ("mended", mended))
    lines = [_curve(frame, kind, x, y) for kind, y in named]
    return _picture(title, frame, [shaded, *lines], (_ends(x), _ends(target)), "x")


def points(title: str, asked: tuple[Floats, Floats], mended: tuple[Floats, Floats]) -> str:
    """Returns the picture of networks with several inputs: pairs of targets and answers."""
    ends = _ends(np.concatenate([asked[0], mended[0]]))
    frame = Frame(_wider(ends), _wider(ends))
    drawn = [_curve(frame, "target", np.array(frame.x), np.array(frame.y))]
    for kind, (target_N, answer_N) in (("asked", asked), ("mended", mended)):
        shown = zip(target_N.tolist(), answer_N.tolist(), strict=True)
        places = dict.fromkeys(_rounded(frame.place(x, y)) for x, y in shown if math.isfinite(y))
        dots = "".join(f"M{across} {down}h0" for across, down in places)
        drawn.append(f'<path class="{kind} dots" d="{dots}"/>')
    if not np.isfinite(asked[1]).any():
        drawn.append(f'<text class="lost" x="{LEFT + 8}" y="{EDGE + 16}">as asked: diverged</text>')
    return _picture(title, frame, drawn, (ends, ends), "target")


def _ends(values: Floats) -> tuple[float, float]:
    return float(np.nanmin(values)), float(np.nanmax(values))


def _wider(ends: tuple[float, float]) -> tuple[float, float]:
    """A range with some room at both ends."""
    room = 0.06 * (ends[1] - ends[0]) or 1.0
    return ends[0] - room, ends[1] + room


def _curve(frame: Frame, kind: str, x: Floats, y: Floats) -> str:
    """A line through the points; it is broken where there is no value."""
    steps, is_on = [], False
    for each_x, each_y in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(each_y):
            across, down = _rounded(frame.place(each_x, each_y))
            steps.append(f"{'L' if is_on else 'M'}{across} {down}")
        is_on = math.isfinite(each_y)
    return f'<path class="{kind}" d="{"".join(steps)}"/>'


def _rounded(place: tuple[float, float]) -> tuple[str, str]:
    return f"{place[0]:.0f}", f"{place[1]:.1f}"


def _inner() -> int:
    return HEIGHT - BOTTOM - EDGE


def _picture(
    title: str, frame: Frame, drawn: Sequence[str], ends: tuple[tuple[float, float], tuple[float, float]], axis: str
) -> str:
    """The whole picture: what is drawn, cut off at the plot's edge, and the ends of the axes."""
    base, right = HEIGHT - BOTTOM, WIDTH - EDGE
    plot = f'x="{LEFT}" y="{EDGE}" width="{right - LEFT}" height="{_inner()}"'
    places = [frame.place(x, y) for x, y in zip(*ends, strict=True)]
    labels = [
        *(
            _text(across, base + 13, _short(x, ends[0]), anchor)
            for (across, _), x, anchor in zip(places, ends[0], ("start", "end"), strict=True)
        ),
        *(_text(LEFT - 5, down + 3, _short(y, ends[1]), "end") for (_, down), y in zip(places, ends[1], strict=True)),
        _text((LEFT + right) / 2, base + 13, axis, "middle"),
    ]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            f'<clipPath id="plot"><rect {plot}/></clipPath>',
            '<g clip-path="url(#plot)">',
            *drawn,
            "</g>",
            f'<path class="axis" d="M{LEFT} {EDGE}V{base}H{right}"/>',
            *labels,
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'


def _short(value: float, ends: tuple[float, float]) -> str:
    """Two or three digits: 6.4e9, 1,000, -0.8; 0 for what is nearly 0 on this axis."""
    if abs(value) < 0.002 * (ends[1] - ends[0]):
        return "0"
    if 100 <= abs(value) < 1e5:
        return f"{value:,.0f}"
    return f"{value:.2g}".replace("e+0", "e").replace("e+", "e")
