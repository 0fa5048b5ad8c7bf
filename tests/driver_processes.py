"""The processes of a driver with a Ray of its own, as the operating system sees them."""

from __future__ import annotations

from pathlib import Path

from sumsquares.cluster.process_table import processes


def driver_of(launcher):
    """The process id of a launcher's driver, which is that of its session as well."""
    return next(each.pid for each in processes() if each.parent == launcher and each.session == each.pid)


def words_of(session):
    """The command lines of a session's processes."""
    lines = [Path(f"/proc/{each.pid}/cmdline").read_bytes() for each in processes() if each.session == session]
    return [word.decode() for line in lines for word in line.split(b"\0")]


def value_in(words, option):
    """The value of an option that they all agree on."""
    (value,) = {word.partition("=")[2] for word in words if word.startswith(f"{option}=")}
    return value


def ray_environment(session):
    """The environment of Ray's own processes; it has the token that only they know."""
    server = next(each.pid for each in processes() if each.session == session and each.name == "gcs_server")
    words = Path(f"/proc/{server}/environ").read_bytes().decode().split("\0")
    return dict(word.split("=", 1) for word in words if word.startswith("RAY_"))
