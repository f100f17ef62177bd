"""Rules of the environment's set-up; nothing is really installed here."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import boot

Runs = list[tuple[str, ...]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a lock file."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text("django==5.2 --hash=sha256:00\n")
    monkeypatch.setattr(boot, "BOOT", tmp_path / ".boot")
    monkeypatch.setattr(boot, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(boot, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(boot, "LOCK", tmp_path / "requirements" / "dev.txt")
    return tmp_path


@pytest.fixture
def runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The commands that would have run, all of them with success."""
    commands: Runs = []

    def run(*command: str) -> None:
        commands.append(command)
        python = project / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(boot, "_run", run)
    monkeypatch.setattr(boot, "_venv_has_this_python", lambda: False)
    return commands


def failing(message: str) -> Callable[..., None]:
    def run(*command: str) -> None:
        raise boot.SetupFailed(message)

    return run


def test_a_second_setup_with_the_same_lock_does_nothing(runs: Runs) -> None:
    assert boot.main() == 0
    first = len(runs)

    assert boot.main() == 0

    assert first > 0
    assert len(runs) == first


def test_a_changed_lock_is_installed_again(project: Path, runs: Runs) -> None:
    boot.main()
    first = len(runs)

    boot.LOCK.write_text("django==5.2.1 --hash=sha256:01\n")
    boot.main()

    assert len(runs) > first


def test_only_hashed_packages_are_installed(runs: Runs) -> None:
    boot.main()

    assert "--require-hashes" in runs[-1]
    assert str(boot.LOCK) in runs[-1]


def test_an_interrupted_setup_does_not_look_finished(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.main()
    boot.LOCK.write_text("django==5.2.1 --hash=sha256:01\n")
    monkeypatch.setattr(boot, "_run", failing("the network went away"))

    assert boot.main() == 2

    assert not boot.STAMP.exists()


def test_pip_takes_over_where_uv_does_not_work(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(uv: str) -> None:
        raise boot.SetupFailed("invalid peer certificate")

    monkeypatch.setattr(boot, "_install_with_uv", broken)

    assert boot.main() == 0

    assert runs[-1][1:4] == ("-m", "pip", "install")


def test_a_python_without_pip_names_the_packages_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)

    assert boot.main() == 2

    assert "sudo apt install python3-pip python3." in capsys.readouterr().err


def test_an_old_python_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boot, "OLDEST", (4, 0))

    assert boot.main() == 2

    assert "make PYTHON=" in capsys.readouterr().err


def test_help_explains_every_target() -> None:
    result = subprocess.run(
        ["make", "-s", "-C", str(boot.ROOT)], capture_output=True, text=True
    )

    told = {line.split()[1] for line in result.stdout.splitlines()}
    assert {"setup", "demo", "up", "stop", "test", "check", "help"} <= told
