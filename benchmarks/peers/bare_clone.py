"""Lets benchmarks run in a clone where nothing is installed, and import from this folder: importing it is enough."""

import sys
from pathlib import Path

PEERS = Path(__file__).parent
sys.path[:0] = [str(path) for path in (PEERS.parent.parent, PEERS) if str(path) not in sys.path]
