"""A line of JSON for each measurement of benchmarks/gpu.py. It needs nothing beside Python."""

import json


def say(network, how, measured):
    """Prints what a function measured, or why there is nothing: what fails, as by lack of memory, leaves the others."""
    found = {"network": network, "how": how}
    try:
        found |= measured()
    except Exception as error:
        found["missing"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    print(json.dumps(found), flush=True)
