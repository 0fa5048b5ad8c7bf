"""Fits the polynomials of the lanes engine in 60 digits: `python tests/lanes_polynomials.py` prints polynomials.h.

Chebyshev fits (mpmath's chebyfit), within a few per cent of the best polynomials. The degrees keep the error of a fit
below 1/30 unit in the last place of its result. Run it again after a change, into jobs/engines/lanes/polynomials.h.
"""

from __future__ import annotations

import textwrap

import mpmath
from mpmath import mp, mpf

mp.dps = 60
HALF_LN2 = mpmath.log(2) / 2 * (1 + mpf(2) ** -10)


def expm1_part(r: mpf) -> mpf:
    """(e^r - 1 - r) / r^2; its series near 0, where the formula cancels."""
    if abs(r) > mpf(10) ** -6:
        return (mpmath.expm1(r) - r) / r**2
    return mpmath.fsum(r**k / mpmath.factorial(k + 2) for k in range(12))


def erf_part(t: mpf) -> mpf:
    """erf(x) / x - 1 for t = x^2."""
    x = mpmath.sqrt(t)
    return (mpmath.erf(x) / x if x else 2 / mpmath.sqrt(mp.pi)) - 1


def erfcx(u: mpf, low: int, high: int) -> mpf:
    """e^(x^2) erfc(x), where u in -1..1 is x in low..high."""
    x = mpf(low + high) / 2 + u * mpf(high - low) / 2
    return mpmath.exp(x * x) * mpmath.erfc(x)


FITS = {
    "EXPM1": ((expm1_part, (-HALF_LN2, HALF_LN2)), (6, 11)),
    "ERF": ((erf_part, (0, 1)), (7, 13)),
    "ERFCX": (None, (12, 28)),
}
"""Name: what is fitted on which interval, and the number of coefficients for float and for double."""
ERFCX_ENDS = {"float": (1, 4), "double": (1, 6)}


def coefficients(name: str, kind: str) -> list[mpf]:
    """Highest power first."""
    fitted, counts = FITS[name]
    if fitted is None:
        low, high = ERFCX_ENDS[kind]
        fitted = (lambda u: erfcx(u, low, high), (-1, 1))
    function, interval = fitted
    return list(mpmath.chebyfit(function, interval, counts[kind == "double"]))


def header() -> str:
    """The whole of polynomials.h."""
    lines = [
        "// Coefficients of the polynomials in functions.h, highest power first.",
        "// Made by tests/lanes_polynomials.py, which says what each one is; a test compares.",
        "#pragma once",
        "",
        "namespace lanes {",
        "",
        "template <class T>",
        "struct Polynomials;",
    ]
    for kind, suffix, digits in (("float", "f", 10), ("double", "", 19)):
        lines += ["", "template <>", f"struct Polynomials<{kind}> {{"]
        for name in FITS:
            values = (mpmath.nstr(value, digits, min_fixed=0, max_fixed=0) for value in coefficients(name, kind))
            body = textwrap.fill(
                ", ".join(value + suffix for value in values) + "};",
                116,
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            )
            lines += [f"  static constexpr {kind} {name}[] = {{", body]
        lines += ["};"]
    return "\n".join([*lines, "", "}  // namespace lanes", ""])


if __name__ == "__main__":
    print(header(), end="")  # noqa: T201  # what this script is for
