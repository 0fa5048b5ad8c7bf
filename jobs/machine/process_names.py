"""What identifies a process beyond its PID, and whether one of this machine is gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def process_name(pid: int) -> str:
    """Returns what identifies a process of this machine, since PIDs are reused; empty if there is none, or no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = Path("/proc/self/ns/pid").readlink()
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{boot}/{space}/{fields[18]}" if state not in "ZX" else ""


def is_dead(host: str, pid: int, process: str) -> bool:
    """Whether a process is known to be gone, which only its own boot and PID namespace can tell."""
    if not is_of_this_system(host, process):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's process, whose start may be hidden
        return False
    return process_name(pid) != process


def lives(host: str, pid: int, process: str) -> bool:
    """Whether a process is known to be there, at work or stopped: its own boot and PID namespace tell."""
    return is_of_this_system(host, process) and process_name(pid) == process


def is_of_this_system(host: str, process: str) -> bool:
    """Whether a process of this name runs, or ran, under this boot and in this PID namespace."""
    own = process_name(os.getpid())
    return process.rpartition("/")[0] == own.rpartition("/")[0] != "" and host == socket.gethostname()
