"""Starting, stopping and surviving of the launcher, with real services."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.guard import marked_processes
from deploy.ports import is_free
from deploy.runs import stop_running

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
from deploy.launcher import run_stack, wait_for_stop
from deploy.stack import Stack
from deploy.stack_options import StackOptions

def work(stack):
    print("serving", stack.supervisor.token, flush=True)
    wait_for_stop()
    return 0

options = StackOptions(directory=Path(sys.argv[1]), mode="test")
sys.exit(run_stack(options, work=work, start=Stack.start_services))
"""


def eventually(check: Callable[[], object], *, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.05)
    return False


class Launcher:
    """A launcher in a process of its own that runs both sides' services."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(directory), "deploy"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.token = ""

    def wait_until_serving(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("serving "):
                self.token = line.split()[1]
                return
        raise AssertionError(f"it ended: {self.finish()}")

    def finish(self) -> tuple[int, str]:
        """Wait for its end; return exit code and what it complained about."""
        try:
            _, complaint = self.process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, complaint

    def ports(self) -> list[int]:
        secrets = json.loads((self.directory / "secrets.json").read_text())
        return [
            port
            for name, port in secrets["ports"].items()
            if "POSTGRES" in name or "REDIS" in name
        ]


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    it = Launcher(tmp_path / "stack")
    it.wait_until_serving()
    yield it
    if it.process.poll() is None:
        it.process.terminate()
        it.finish()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_everything_ends_cleanly_when_asked(
    launcher: Launcher, number: signal.Signals
) -> None:
    launcher.process.send_signal(number)

    assert launcher.finish() == (0, "")
    assert marked_processes(launcher.token) == []
    assert all(is_free(port) for port in launcher.ports())


def test_nothing_is_left_when_the_launcher_is_killed_and_it_starts_again(
    launcher: Launcher,
) -> None:
    assert not any(is_free(port) for port in launcher.ports())
    before = launcher.ports()

    launcher.process.kill()
    launcher.finish()

    assert eventually(lambda: all(map(is_free, before)), seconds=6)
    assert eventually(lambda: marked_processes(launcher.token) == [], seconds=6)
    again = Launcher(launcher.directory)
    again.wait_until_serving()
    assert again.ports() == before
    again.process.terminate()
    assert again.finish() == (0, "")


def test_a_second_launcher_for_the_same_state_is_refused(launcher: Launcher) -> None:
    second = Launcher(launcher.directory)

    code, complaint = second.finish()

    assert code == 2
    assert f"in use by process {launcher.process.pid}" in complaint
    assert "make stop" in complaint
    assert launcher.process.poll() is None


def test_it_can_be_stopped_from_another_terminal(launcher: Launcher) -> None:
    assert stop_running(launcher.directory, seconds=30)

    assert launcher.finish() == (0, "")
    assert not stop_running(launcher.directory)


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        launcher = Launcher(tmp_path / "stack", CENTRAL_PORT=str(port))

        code, complaint = launcher.finish()

    assert code == 2
    assert f"Port {port} (CENTRAL_PORT) is already in use" in complaint
    assert not (tmp_path / "stack" / "logs").exists()


def test_a_missing_server_program_is_named_and_everything_else_stops(
    tmp_path: Path,
) -> None:
    launcher = Launcher(tmp_path / "stack", DANTARO_PG_BIN=str(tmp_path))

    code, complaint = launcher.finish()

    assert code == 2
    assert "DANTARO_PG_BIN" in complaint
    assert all(is_free(port) for port in launcher.ports())


def test_secrets_are_readable_by_their_owner_only(launcher: Launcher) -> None:
    files = [
        path
        for path in launcher.directory.glob("*")
        if path.name == "secrets.json" or path.suffix == ".env"
    ]

    assert sorted(path.name for path in files) == [
        "central.env",
        "secrets.json",
        "user.env",
    ]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_no_password_is_an_argument_of_a_process(launcher: Launcher) -> None:
    secrets = json.loads((launcher.directory / "secrets.json").read_text())
    passwords = [secrets["central_store_password"], secrets["user_store_password"]]

    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]

    assert len(commands) > 5
    assert not any(p.encode() in command for p in passwords for command in commands)
