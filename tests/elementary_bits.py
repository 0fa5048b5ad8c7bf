"""Digests of the elementary functions' bits on fixed arguments. A program too, for tests in processes of their own."""

import hashlib
import json

import numpy as np

from sumsquares.datasets import elementary

FUNCTIONS = ("exp", "log", "log2", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "sigmoid")
SPECIAL = [
    0.0,
    1.0,
    0.5,
    2.0,
    np.inf,
    5e-324,
    2.0**-1022,
    1.7976931348623157e308,
    np.pi,
    np.pi / 2,
    709.8,
    745.2,
    710.5,
]


def arguments():
    """Usual numbers, all that random bits can mean, large angles, and special ones."""
    random = np.random.Generator(np.random.Philox(1))
    usual = random.random(6000) * 40 - 20
    any_bits = random.integers(-(2**63), 2**63 - 1, 3000).view(np.float64)
    angles = (random.random(1000) - 0.5) * 2.0**22
    near_one = 1 + (random.random(1000) - 0.5) * 2.0**-6
    special = np.array(SPECIAL)
    return np.concatenate([usual, any_bits, angles, near_one, special, -special, [np.nan]])


def digests():
    """Returns the first digits of each function's digest. The bits of NaN, on which machines differ, don't count."""
    x_N = arguments()
    results = {name: getattr(elementary, name)(x_N) for name in FUNCTIONS}
    results["power"] = elementary.power(x_N, x_N[::-1])
    results["power_half"] = elementary.power(x_N, 0.5)
    results["power_five"] = elementary.power(x_N, -5)
    for one in results.values():
        one[np.isnan(one)] = 0
    return {name: hashlib.sha256(one.astype("<f8").tobytes()).hexdigest()[:16] for name, one in results.items()}


if __name__ == "__main__":
    print(json.dumps(digests()))  # noqa: T201 - it is what the test reads
