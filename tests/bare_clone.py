"""Lets scripts of this folder run in a clone where nothing is installed: importing it is enough."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
