"""The machine a run is on: its memory, and the versions of what is installed."""
