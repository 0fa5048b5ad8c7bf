"""The training version: it is raised whenever the numbers that training gives a trial change, if only the last digit.

It is part of the ids of variants and trials, so results of two versions never stand for each other. Results of earlier
versions are read and compared, but this version can't train them again to the same numbers.
"""

TRAINING_VERSION = 4
"""The version of all new results. 4 sums in another order than 3."""
UNRECORDED = 3
"""The version of results whose summary.json, state.json and night.json don't name one."""
VERSIONS = tuple(range(TRAINING_VERSION, UNRECORDED - 1, -1))
"""Versions whose results are read, the newest first."""
EARLIER = VERSIONS[1:]
