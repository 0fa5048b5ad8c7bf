"""No one else on the machine or in its network can run code in a run's Ray: attacks while one trains.

The attacker knows the address and the ports. It comes over loopback, and from a network namespace that is created here
(with root and iproute2; otherwise those tests are skipped). test_containers attacks containers.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import attack
import pytest
from specs import LONGER, SMALL

ROOT = Path(__file__).parent.parent
ATTACK = [sys.executable, str(ROOT / "tests" / "attack.py"), "try"]
HERE = "127.0.0.1"
REFUSED: tuple[list[str], str] = ([], "")
KNOWN = "0" * 64
"""A token that the attacker knows: a wrong one, or the one in the victim's environment."""
LONG = LONGER.replace("epochs = 1500", "epochs = 50000")
"""Takes longer than any attack, and is stopped."""
ENOUGH = SMALL.replace("epochs = 8", "epochs = 300_000")
"""Half a minute on two cores with the faster engine; it outlasts the attack, during which one worker is stopped."""
LOADED_SECONDS = 3.0
"""CPU time after which a worker is training: loading takes 2 s, and a pack 4 more."""

pytestmark = [pytest.mark.attack, pytest.mark.ray]


def clean() -> dict[str, str]:
    """This environment without Ray's variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


class Victim:
    """`sumsquares` with two workers, in its own session, with a secret in its environment."""

    def __init__(self, folder, *command, spec, **environment):
        self.folder, self.secret = folder, secrets.token_hex(16)
        (folder / "spec.toml").write_text(spec)
        (folder / "home").mkdir()
        where = {"PYTHONPATH": str(ROOT), "HOME": str(folder / "home"), attack.SECRET_NAME: self.secret}
        arguments = [sys.executable, "-m", "sumsquares", *command, "--store", "store", "--workers", "2"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                arguments, cwd=folder, env=clean() | where | environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def family(self):
        """All its processes, found by descent or by the inherited secret."""
        marked = {each for each in attack.processes() if self.secret.encode() in environment_of(each)}
        return set().union(*(attack.family(each) for each in {self.process.pid, *marked}))

    def wait_for_training(self):
        end = time.monotonic() + 60
        while not self.trains():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.5)
        self.token = self._token()

    def trains(self):
        return bool(attack.named(self.family(), "ray::RayTrainWorker"))

    def hold(self):
        """Stops one of its two workers in the middle of a pack, so that it outlasts the attack."""
        end, busy = time.monotonic() + 60, []
        while not busy:
            assert time.monotonic() < end, self.log
            time.sleep(0.2)
            workers = attack.named(self.family(), "ray::RayTrainWorker")
            busy = [each for each in workers if attack.seconds_of(each) > LOADED_SECONDS]
        self._held = busy[0]
        os.kill(self._held, signal.SIGSTOP)

    def release(self):
        """Continues the stopped worker."""
        os.kill(self._held, signal.SIGCONT)

    def _token(self):
        """The token in its raylet's environment, which only its own user can read."""
        (raylet,) = attack.named(self.family(), "raylet")
        values = dict(each.split(b"=", 1) for each in environment_of(raylet).split(b"\0") if b"=" in each)
        return values.get(b"RAY_AUTH_TOKEN", b"").decode()

    def session(self):
        """The session folder of its Ray."""
        (raylet,) = attack.named(self.family(), "raylet")
        (found,) = [each for each in attack.command_of(raylet) if each.startswith("--session_dir=")]
        return Path(found.partition("=")[2])

    def end(self):
        """Ends all its processes."""
        family = self.family()
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            for each in family:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            self.process.wait()


def environment_of(process):
    with suppress(OSError):
        return Path(f"/proc/{process}/environ").read_bytes()
    return b""


def content_of(path):
    """Returns a file's content; empty if it was renamed since it was listed."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def attacked(victim, *attackers):
    """Runs attackers (host, token, prefix) at once; returns their successes and what their tasks and jobs wrote."""
    ports = [str(port) for port in attack.ports_of(victim.family())]
    assert len(ports) > 5, victim.log
    markers = [victim.folder / f"marker-{secrets.token_hex(4)}" for _ in attackers]
    started = [attacker(*each, str(marker), *ports) for each, marker in zip(attackers, markers, strict=True)]
    reports = [each.communicate(timeout=60)[0] for each in started]
    assert victim.trains(), f"it ended before the attack did: {victim.log}"
    assert all("all ways tried" in report for report in reports), reports
    return [
        (
            [line for line in report.splitlines() if line.startswith("IN: ")],
            marker.read_text() if marker.exists() else "",
        )
        for report, marker in zip(reports, markers, strict=True)
    ]


def attacker(host, token, prefix, *arguments):
    # Without this variable Ray's client replaces 127.0.0.1 with the network address.
    mode = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} if host == HERE else {}
    mode |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
    command = [*prefix, *ATTACK, host, *arguments]
    return subprocess.Popen(command, env=clean() | mode, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def victim(request, tmp_path_factory):
    """A run, or a night with an environment that would weaken it, while it trains."""
    folder = tmp_path_factory.mktemp(request.param)
    found = Victim(folder, "run", "spec.toml", spec=LONG) if request.param == "run" else weakened_night(folder)
    try:
        found.wait_for_training()
        if request.param == "nightly":
            found.hold()
        yield found
    finally:
        found.end()


def weakened_night(folder):
    """A night whose hook records its environment."""
    (folder / "known").write_text(KNOWN)
    code = "import json, os; print(json.dumps(dict(os.environ)), file=open('hook.json', 'w'))"
    hook = shlex.join([sys.executable, "-c", code])
    weak = {
        "RAY_AUTH_MODE": "disabled",
        "RAY_AUTH_TOKEN": KNOWN,
        "RAY_AUTH_TOKEN_PATH": str(folder / "known"),
        "RAY_ADDRESS": "127.0.0.1:6379",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    }
    return Victim(folder, "nightly", "spec.toml", "--date", "2026-01-05", "--hook", hook, spec=ENOUGH, **weak)


run_and_night = pytest.mark.parametrize("victim", ["run", "nightly"], indirect=True, scope="module")
the_run = pytest.mark.parametrize("victim", ["run"], indirect=True, scope="module")
the_night = pytest.mark.parametrize("victim", ["nightly"], indirect=True, scope="module")


def sh(*command):
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def elsewhere():
    """An address of this machine and the command prefix of another network; or the reason why there is none."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        yield "a network namespace needs root and iproute2"
        return
    name = f"ss{secrets.token_hex(4)}"
    number = secrets.randbelow(64 * 256)
    net = f"100.{64 + number // 256}.{number % 256}"  # shared address space (RFC 6598), which no home network uses
    inside = ("ip", "netns", "exec", name)
    steps = [
        ("ip", "netns", "add", name),
        ("ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name),
        ("ip", "address", "add", f"{net}.1/30", "dev", f"{name}a"),
        ("ip", "link", "set", f"{name}a", "up"),
        (*inside, "ip", "address", "add", f"{net}.2/30", "dev", f"{name}b"),
        (*inside, "ip", "link", "set", f"{name}b", "up"),
        (*inside, "ip", "link", "set", "lo", "up"),
        (*inside, "ip", "route", "add", "default", "via", f"{net}.1"),
    ]
    try:
        failed = next((f"{shlex.join(step)}: {said}" for step in steps for done, said in [sh(*step)] if not done), None)
        yield f"no network namespace can be made here: {failed}" if failed else (f"{net}.1", inside)
    finally:
        sh("ip", "link", "delete", f"{name}a")
        sh("ip", "netns", "delete", name)


@pytest.fixture(scope="module")
def outcomes(victim, elsewhere):
    """Results of attacks from this machine and from another network, without a token and with a wrong one."""
    here, there = [(HERE, token, ()) for token in (None, KNOWN)], []
    if isinstance(elsewhere, tuple):
        there = [(elsewhere[0], token, elsewhere[1]) for token in (None, KNOWN)]
    found = attacked(victim, *here, *there)
    return {"here": found[:2], "there": found[2:]}


def network(elsewhere):
    """Returns the other network, or skips the test."""
    if isinstance(elsewhere, str):
        pytest.skip(elsewhere)
    return elsewhere


@run_and_night
def test_an_attacker_without_the_token_is_rejected_on_this_machine(outcomes):
    """With every attack and at every port; no task runs, and the secret is not read."""
    assert outcomes["here"] == [REFUSED, REFUSED]


@run_and_night
def test_an_attacker_without_the_token_is_rejected_from_the_network(outcomes, elsewhere):
    """The same from another network."""
    network(elsewhere)
    assert outcomes["there"] == [REFUSED, REFUSED]


@run_and_night
def test_nothing_listens_beyond_loopback(victim, elsewhere):
    """No port of a run is open to another network."""
    host, inside = network(elsewhere)
    code = (
        "import socket, sys; print([p for p in sys.argv[2:] if not socket.socket().connect_ex((sys.argv[1], int(p)))])"
    )
    ports = [str(port) for port in attack.ports_of(victim.family())]
    assert len(ports) > 5
    assert sh(*inside, sys.executable, "-c", code, host, *ports) == (True, "[]\n")


@run_and_night
def test_another_user_cannot_access_the_files_of_its_ray(victim):
    """In a folder that all may write, its sockets could be replaced, and the modules that its workers import."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    script = 'for each in . logs sockets; do if [ -r "$1/$each" ] || [ -w "$1/$each" ]; then echo "$each"; fi; done'
    command = ["/bin/sh", "-c", script, "sh", str(victim.session())]
    ended = subprocess.run(
        command, user=65534, group=65534, extra_groups=[], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@run_and_night
def test_the_token_is_only_in_the_environment_of_its_processes(victim):
    """In no command line, no file of its Ray or of the run, and not in the user's home."""
    token = victim.token
    assert len(token) >= 32
    assert token != KNOWN
    assert not [each for each in victim.family() if any(token in word for word in attack.command_of(each))]
    session = victim.session()
    files = [path for root in (session, victim.folder) for path in root.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if token.encode() in content_of(path)]


@the_run
def test_the_same_attack_with_the_token_gets_in(victim):
    """Which proves the attack: its task runs in the victim's environment."""
    ((got_in, left),) = attacked(victim, (HERE, victim.token, ()))
    assert victim.secret in left, got_in
    assert any("keys" in line for line in got_in)


@the_night
def test_a_hook_does_not_inherit_the_token(victim):
    """It has exactly the user's own values; and the attacked night ends successfully."""
    victim.release()
    assert victim.process.wait(timeout=60) == 0, victim.log
    received = json.loads((victim.folder / "hook.json").read_text())
    assert victim.token not in json.dumps(received)
    given = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": KNOWN, "RAY_AUTH_TOKEN_PATH": str(victim.folder / "known")}
    assert {name: value for name, value in received.items() if name.startswith("RAY_AUTH_")} == given


def test_no_variable_of_ray_redirects_a_local_run_or_keeps_it_from_starting(tmp_path):
    """It uses its own Ray and ends with exit code 0."""
    words = {
        "RAY_ADDRESS": "127.0.0.1:6379",
        "RAY_OVERRIDE_RESOURCES": '{"CPU": 0}',
        "RAY_TRAIN_V2_ENABLED": "0",
        "RAY_TMPDIR": str(tmp_path / "missing"),
    }
    victim = Victim(tmp_path, "run", "spec.toml", spec=SMALL, **words)
    try:
        assert victim.process.wait(timeout=60) == 0, victim.log
    finally:
        victim.end()
