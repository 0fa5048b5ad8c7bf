"""The command `sumsquares` on a machine with an emulated GPU: `python emulated_command.py run ...`.

The driver and NVRTC are those of emulated_gpu/, found by the environment as the real ones are. Besides, device files
are pretended, by which the command sees how many GPUs there are: as many as EMULATED_DEVICES says, or one.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def start(arguments: Sequence[object], **options: Any) -> subprocess.Popen[str]:
    """Starts the command with the output as text; `options` are those of Popen."""
    import emulated_gpu

    options["env"] = {**os.environ, **emulated_gpu.environment(), **options.get("env", {})}
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    with start(arguments, **options) as process:
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


if __name__ == "__main__":
    from sumsquares.__main__ import main
    from sumsquares.jobs.stages import placement

    placement.gpus_here = lambda: int(os.environ.get("EMULATED_DEVICES", "1"))
    sys.argv[0] = str(Path(sys.argv[0]).with_name("sumsquares"))
    main()
