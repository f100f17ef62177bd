"""Set up .venv from the locked requirements; only the standard library is needed.

Run as a script by the Makefile with the system's Python. Nothing happens when the
environment already fits the lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOT = ROOT / ".boot"
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements" / "dev.txt"
STAMP = VENV / "dantaro-stamp"
OLDEST = (3, 11)


class SetupFailed(Exception):
    """The environment cannot be made; the message says what to install or check."""


def main() -> int:
    """Make the environment fit the lock file and report what was done."""
    if sys.version_info < OLDEST:
        return _fail(
            f"Dantaro needs Python 3.11 or newer, this is {sys.version.split()[0]}."
            " Install one (Debian 12, Ubuntu 24.04: sudo apt install python3; others:"
            " sudo apt install python3.12) and run: make PYTHON=python3.12 setup"
        )
    if _fits():
        return 0
    BOOT.mkdir(exist_ok=True)
    with (BOOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once: the second one waits
        try:
            if not _fits():
                _install()
        except SetupFailed as failure:
            return _fail(str(failure))
    return 0


def _fail(message: str) -> int:
    print(f"setup: {message}", file=sys.stderr)
    return 2


def _fingerprint() -> str:
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return f"{lock} python {sys.version_info[0]}.{sys.version_info[1]}"


def _fits() -> bool:
    try:
        stamp = STAMP.read_text().strip()
    except OSError:
        return False
    return stamp == _fingerprint() and (VENV / "bin" / "python").exists()


def _install() -> None:
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)  # an interrupted run must not look finished
    try:
        _install_with_uv(_uv())
    except SetupFailed as failure:
        print(f"setup: uv did not work here ({failure}); using pip", file=sys.stderr)
        _install_with_pip()
    STAMP.write_text(_fingerprint() + "\n")
    print(f"setup: done in {time.monotonic() - started:.0f} s")


def _uv() -> str:
    own = BOOT / "bin" / "uv"
    if own.exists() and _works([str(own), "--version"]):
        return str(own)
    if importlib.util.find_spec("pip") is None:
        on_path = shutil.which("uv")
        if on_path is None:
            raise SetupFailed("no pip to fetch it with")
        return on_path
    print("setup: fetching the installer (uv) into .boot")
    # --target needs neither root nor a writable system Python.
    _run(
        *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"),
        *("--root-user-action=ignore", "--upgrade", "--target", str(BOOT), "uv"),
    )
    return str(own)


def _install_with_uv(uv: str) -> None:
    if not _venv_has_this_python():
        print("setup: making .venv")
        _run(uv, "venv", "-q", "--clear", "--python", sys.executable, str(VENV))
    print("setup: installing the locked packages")
    _run(
        *(uv, "pip", "sync", "-q", "--python", str(VENV / "bin" / "python")),
        *("--require-hashes", str(LOCK)),
    )


def _venv_has_this_python() -> bool:
    python = VENV / "bin" / "python"
    if not python.exists():
        return False
    command = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    answer: str = subprocess.run(command, capture_output=True, text=True).stdout
    return answer.split() == [str(number) for number in sys.version_info[:2]]


def _install_with_pip() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SetupFailed(
            "this Python can neither install packages nor make environments. Install"
            f" them first: sudo apt install python3-pip {name}"
            " (Fedora: sudo dnf install python3-pip)"
        )
    print("setup: making .venv")
    _run(sys.executable, "-m", "venv", "--clear", str(VENV))
    print("setup: installing the locked packages (takes a minute or two)")
    _run(
        *(str(VENV / "bin" / "python"), "-m", "pip", "install", "-q"),
        *("--disable-pip-version-check", "--require-hashes", "-r", str(LOCK)),
    )


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _run(*command: str) -> None:
    # uv reads the system's certificates only when asked to; cache and project may
    # lie on different file systems, where hard links do not work.
    env = {"UV_SYSTEM_CERTS": "1", "UV_LINK_MODE": "copy", **os.environ}
    result = subprocess.run(
        command, env=env, stdout=sys.stderr, stderr=subprocess.PIPE, text=True
    )
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-6:]
        raise SetupFailed(
            f"{Path(command[0]).name} ended with {result.returncode}: {' '.join(last)}."
            " Is the package registry reachable from here?"
        )


if __name__ == "__main__":
    sys.exit(main())
