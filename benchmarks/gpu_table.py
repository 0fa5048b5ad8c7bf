"""Tables of what benchmarks/gpu.py measured, for terminals and pages, and how it compares with what was demanded."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

from tables import markdown, name_of

ROWS = 100
SIZE = 10_000, 5_000
DEMANDED = {(16, 16): (0.27, 6.0), (64, 64): (3.2, 2.4)}
"""Of so many models and steps: the kernel's seconds on an H200, of which it may miss 5 %, and the ratio to JAX."""
KERNEL, WHOLE = "cuda engine, kernel alone", "cuda engine, whole training"


def flops(network: list[int]) -> int:
    """Operations of a model's step, without the optimizer's: 6 per weight and row, 4 in the first layer."""
    weights = [below * above for below, above in pairwise((1, *network, 1))]
    return ROWS * (6 * sum(weights) - 2 * weights[0])


def nanoseconds(found: dict[str, Any], entry: dict[str, Any]) -> float:
    """Of a model and step, the median of the rounds."""
    return statistics.median(entry["seconds"]) / entry["steps"] / found["models"] * 1e9


def fastest_jax(found: dict[str, Any], network: list[int]) -> float | None:
    """The nanoseconds of JAX's fastest variant in float32."""
    mine = [entry for entry in timed(found, network) if entry["contender"] == "jax" and "float32" in entry["how"]]
    return min((nanoseconds(found, entry) for entry in mine), default=None)


def timed(found: dict[str, Any], network: list[int]) -> list[dict[str, Any]]:
    """The entries of a network that have times."""
    return [entry for entry in found["entries"] if entry["network"] == network and "seconds" in entry]


def networks(found: dict[str, Any]) -> list[list[int]]:
    """The networks, in the order in which they were measured."""
    return [list(key) for key in dict.fromkeys(tuple(entry["network"] or ()) for entry in found["entries"]) if key]


def compared(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Compares the kernel alone with what was demanded of packs of this size; its seconds on an H200 alone."""
    results: list[dict[str, Any]] = []
    if (found["models"], found["steps"]) != SIZE:
        return results
    for network in networks(found):
        ours = [entry for entry in timed(found, network) if entry["how"] == KERNEL]
        if not ours or tuple(network) not in DEMANDED:
            continue
        seconds, ratio = DEMANDED[tuple(network)]
        taken, jax = nanoseconds(found, ours[0]), fastest_jax(found, network)
        whole = statistics.median(ours[0]["seconds"])
        if "H200" in str(found["about"].get("card")):
            results.append({"network": network, "what": "seconds", "found": whole, "most": round(1.05 * seconds, 4)})
        if jax is not None:
            results.append({"network": network, "what": "times as fast as JAX", "found": jax / taken, "least": ratio})
    return results


def text(found: dict[str, Any]) -> str:
    """Returns everything as text."""
    about = [
        f"{key}: {'; '.join(value) if isinstance(value, list) else value}" for key, value in found["about"].items()
    ]
    parts = ["\n".join(about), *(table(found, network) for network in networks(found))]
    missing = [f"{each['how']}: {each['missing']}" for each in found["entries"] if not each["network"]]
    parts += ["\n".join(missing)] if missing else []
    parts.append("\n".join(map(verdict, found["compared"])) or "Nothing here can be compared with what was demanded.")
    parts.append(
        f"{found['seconds']:.0f} seconds in all. The first call compiles or loads; torch's has its first 100 steps."
    )
    return "\n\n".join(parts) + "\n"


def table(found: dict[str, Any], network: list[int]) -> str:
    """Returns the rows of a network."""
    lines = [f"{found['models']:,} models of {name_of(network)}, {found['steps']:,} steps of {ROWS} rows"]
    head = ("", "ns/model/step", "whole, s", "TFLOP/s", "x JAX", "first call, s", "rounds, s")
    lines.append(f"{head[0]:40}" + "".join(f"{each:>15}" for each in head[1:]))
    jax = fastest_jax(found, network)
    lines += [row(found, entry, jax) for entry in found["entries"] if entry["network"] == network]
    return "\n".join(lines)


def row(found: dict[str, Any], entry: dict[str, Any], jax: float | None) -> str:
    """Returns one row."""
    name = label(entry)
    if "missing" in entry:
        return f"{name:40}  none: {entry['missing']}"
    if "errors" in entry:
        numbers = ", ".join(f"{error:.1e}" for error in entry["errors"])
        numpy = ", ".join(f"{error:.1e}" for error in entry["errors of numpy in float32"])
        bits = "the same bits" if entry["same bits"] else "OTHER BITS"
        return f"{name:40}  median, 90 %, largest error {numbers}; numpy's {numpy}; alone and in parts {bits}"
    rounds = " ".join(f"{each:.4g}" for each in entry["seconds"])
    facts = [f"{key}: {entry[key]}" for key in ("blocks per multiprocessor", "nvidia-smi") if entry.get(key)]
    return (
        f"{name:40}" + "".join(f"{cell:>15}" for cell in cells(found, entry, jax)) + f"   {'; '.join([rounds, *facts])}"
    )


def cells(found: dict[str, Any], entry: dict[str, Any], jax: float | None) -> list[str]:
    """Returns the figures of a row; a time that was computed from fewer steps has a ~."""
    taken = nanoseconds(found, entry)
    whole = taken * 1e-9 * found["models"] * found["steps"]
    return [
        f"{taken:.2f}",
        f"{'' if entry['steps'] == found['steps'] else '~'}{whole:.3f}",
        f"{flops(entry['network']) / taken / 1e3:.1f}",
        f"{jax / taken:.2f}" if jax else "",
        f"{entry['first']:.2f}",
    ]


def label(entry: dict[str, Any]) -> str:
    """Names a row: whose it is, and how it computes."""
    return f"{entry['contender'] if entry['contender'] == 'jax' else 'ours'}: {entry['how']}"


def verdict(result: dict[str, Any]) -> str:
    """Says whether a demand was met."""
    met = result["found"] <= result["most"] if "most" in result else result["found"] >= result["least"]
    limit = f"at most {result['most']}" if "most" in result else f"at least {result['least']}"
    name = name_of(result["network"])
    return f"{'MET' if met else 'MISSED'}: {name}, {result['what']} {result['found']:.3f}, demanded {limit}"


def page_table(found: dict[str, Any]) -> str:
    """Returns one Markdown table per network, with the errors of trained weights below it."""
    parts = [f"{about_line(found)}\n"]
    for network in networks(found):
        jax = fastest_jax(found, network)
        head = [name_of(network), "ns per model and step", "whole training, s", "TFLOP/s", "x JAX", "first call, s"]
        rows = [[label(entry), *cells(found, entry, jax)] for entry in timed(found, network)]
        parts += [markdown(head, rows), f"\n{errors_line(found, network)}\n"]
    return "\n".join(parts)


def readme_row(found: dict[str, Any]) -> tuple[str, str]:
    """Says what was trained, and how many times as fast as by JAX."""
    ratios = []
    for network in networks(found):
        (ours,) = (entry for entry in timed(found, network) if entry["how"] == WHOLE)
        jax = fastest_jax(found, network)
        assert jax is not None
        ratios.append(f"{jax / nanoseconds(found, ours):.1f} x")
    names = " and ".join(map(name_of, networks(found)))
    return (
        f"{found['models']:,} networks of {names} on one {found['about']['card']}, against JAX in float32 there",
        ", ".join(ratios),
    )


def about_line(found: dict[str, Any]) -> str:
    """Says what was measured on what."""
    about = found["about"]
    versions = f"CUDA {about['CUDA of the driver']}, JAX {about['jax']}, torch {about['torch']}"
    return f"On one {about['card']}, {found['models']:,} networks, {found['steps']:,} steps ({versions}):"


def errors_line(found: dict[str, Any], network: list[int]) -> str:
    """Says how far trained weights are from those in float64."""
    (entry,) = (each for each in found["entries"] if each["network"] == network and "errors" in each)
    ours, numpy = (
        ", ".join(f"{error:.1e}" for error in entry[key]) for key in ("errors", "errors of numpy in float32")
    )
    return f"Errors of our weights, of the way that they moved: median, 90 % and largest {ours}; numpy's {numpy}."
