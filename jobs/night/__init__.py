"""The night: the same job on a schedule, gated against the best night so far. Who starts it doesn't matter."""
