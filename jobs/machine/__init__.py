"""The machine that a run is on: its free memory, and its software versions."""
