"""Rules of the supervisor, shown on tiny child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.guard import marked_processes
from deploy.supervisor import Program, StartFailed, Supervisor

ROOT = Path(__file__).resolve().parents[2]


def eventually(check: Callable[[], object], *, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.02)
    return False


def python(name: str, code: str, **options: object) -> Program:
    command = (sys.executable, "-S", "-c", textwrap.dedent(code))
    return Program(name=name, command=command, env=dict(os.environ), **options)  # type: ignore[arg-type]


def waits(name: str, *, journal: Path, **options: object) -> Program:
    """A program that runs until SIGTERM and writes down when it was asked to end."""
    return python(
        name,
        f"""
        import signal, sys
        def end(*_):
            open({str(journal)!r}, "a").write("{name}\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        while True:
            signal.pause()
        """,
        **options,
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(log_directory=tmp_path / "logs", announce=said.append) as it:
        yield it


def logged(supervisor: Supervisor, name: str, text: str) -> Callable[[], bool]:
    return lambda: any(text in line for line in supervisor.tail(name))


class TestStart:
    def test_waits_until_the_program_is_ready(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        flag = tmp_path / "flag"
        program = python(
            "slow",
            f"""
            import time
            time.sleep(0.3)
            open({str(flag)!r}, "w").close()
            time.sleep(60)
            """,
        )

        supervisor.start(program, ready=flag.exists)

        assert flag.exists()

    def test_names_the_program_and_its_last_lines_when_it_keeps_ending(
        self, supervisor: Supervisor
    ) -> None:
        program = python("broken", "raise SystemExit('no configuration found')")

        with pytest.raises(StartFailed, match=r"(?s)broken ended .*no configuration"):
            supervisor.start(program, ready=lambda: False)

    def test_does_not_try_again_when_the_program_refuses_its_arguments(
        self, supervisor: Supervisor
    ) -> None:
        program = python(
            "strict", "print('port taken', flush=True); raise SystemExit(2)"
        )

        with pytest.raises(StartFailed, match=r"(?s)refused to start.*port taken"):
            supervisor.start(program, ready=lambda: False)

        assert supervisor.restarts("strict") == 0

    def test_gives_up_on_a_program_that_is_never_ready(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        program = waits("mute", journal=tmp_path / "journal")

        with pytest.raises(StartFailed, match="was not ready in time"):
            supervisor.start(program, ready=lambda: False, seconds=0.3)

    def test_refuses_a_second_program_of_the_same_name(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        program = waits("twin", journal=tmp_path / "journal")
        supervisor.start(program)

        with pytest.raises(ValueError, match="already running"):
            supervisor.start(program)


class TestRestart:
    def test_a_killed_program_runs_again_and_is_counted(
        self, supervisor: Supervisor, tmp_path: Path, said: list[str]
    ) -> None:
        supervisor.start(waits("worker", journal=tmp_path / "journal"))
        first = supervisor.pid("worker")

        supervisor.kill("worker")

        assert eventually(lambda: supervisor.pid("worker") not in (None, first))
        assert supervisor.restarts("worker") == 1
        assert said == ["worker ended unexpectedly (-9); starting it again."]

    def test_children_of_a_killed_program_are_gone_before_it_runs_again(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        pids = tmp_path / "pids"
        program = python(
            "parent",
            f"""
            import os, signal, time
            if os.fork():
                signal.pause()
            open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")
            time.sleep(60)
            """,
        )
        supervisor.start(program, ready=pids.exists)
        assert eventually(lambda: pids.read_text().endswith("\n"))
        orphan = int(pids.read_text().split()[0])

        supervisor.kill("parent")

        assert eventually(lambda: supervisor.restarts("parent") == 1)
        assert eventually(lambda: not alive(orphan), seconds=2)

    def test_a_crash_loop_is_reported_once_with_the_last_lines(
        self, supervisor: Supervisor, said: list[str]
    ) -> None:
        program = python(
            "looping", "print('out of luck', flush=True); raise SystemExit(1)"
        )

        supervisor.start(program)

        assert eventually(lambda: any("keeps ending" in line for line in said))
        assert "out of luck" in said[-1]

    def test_a_stopped_program_stays_stopped_and_may_be_started_again(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        program = waits("worker", journal=tmp_path / "journal")
        supervisor.start(program)
        assert eventually(logged(supervisor, "worker", "ready"))

        supervisor.stop("worker")

        assert supervisor.pid("worker") is None
        assert supervisor.running() == ()
        supervisor.start(program)
        assert supervisor.pid("worker") is not None


class TestStop:
    def test_programs_end_before_the_stores_they_use(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        with Supervisor(log_directory=tmp_path, announce=print) as supervisor:
            for name, is_store in (("store", True), ("web", False), ("beat", False)):
                program = waits(name, journal=journal, is_store=is_store)
                supervisor.start(program)
                assert eventually(logged(supervisor, name, "ready"))

        ended = journal.read_text().split()

        assert sorted(ended[:2]) == ["beat", "web"]
        assert ended[2:] == ["store"]

    def test_only_the_main_process_is_asked(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        program = python(
            "pool",
            f"""
            import os, signal, sys
            name = "child" if os.fork() == 0 else "main"
            def end(*_):
                open({str(journal)!r}, "a").write(name + "\\n")
                sys.exit(0)
            signal.signal(signal.SIGTERM, end)
            # One write: print makes several, and two processes would mix their words.
            os.write(1, (name + " ready\\n").encode())
            while True:
                signal.pause()
            """,
        )
        with Supervisor(log_directory=tmp_path, announce=print) as supervisor:
            supervisor.start(program)
            assert eventually(logged(supervisor, "pool", "main ready"))
            assert eventually(logged(supervisor, "pool", "child ready"))

        assert journal.read_text().split() == ["main"]
        assert marked_processes(supervisor.token) == []

    def test_a_deaf_program_is_killed_after_its_time(self, tmp_path: Path) -> None:
        program = python(
            "deaf",
            """
            import signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("ready", flush=True)
            time.sleep(60)
            """,
            stop_seconds=0.3,
        )
        with Supervisor(log_directory=tmp_path, announce=print) as supervisor:
            supervisor.start(program)
            assert eventually(logged(supervisor, "deaf", "ready"))

        assert marked_processes(supervisor.token) == []
        assert "killed" in (tmp_path / "deaf.log").read_text()


class TestLog:
    def test_every_line_carries_time_and_name(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        supervisor.start(
            python(
                "talker",
                "print('하나\\n둘', flush=True)\nimport signal; signal.pause()",
            )
        )
        assert eventually(logged(supervisor, "talker", "둘"))

        lines = (tmp_path / "logs" / "talker.log").read_text().splitlines()

        assert [line[8:] for line in lines[:2]] == [" talker | 하나", " talker | 둘"]


SUPERVISING = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from deploy.supervisor import Program, Supervisor

stubborn = '''
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
time.sleep(600)
'''
supervisor = Supervisor(log_directory=Path({logs!r}))
for name in ("one", "two"):
    command = (sys.executable, "-S", "-c", stubborn)
    supervisor.start(Program(name=name, command=command, env=dict(os.environ)))
print(supervisor.token, flush=True)
input()
"""


def test_nothing_stays_behind_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    code = SUPERVISING.format(root=str(ROOT), logs=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        token = process.stdout.readline().strip()
        # Two programs that ignore SIGTERM, each with a child in a session of its own.
        assert eventually(lambda: len(marked_processes(token)) == 4)

        process.send_signal(signal.SIGKILL)

    assert eventually(lambda: marked_processes(token) == [], seconds=10)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
