"""The environment of the peers that benchmarks measure: apart from what is shipped."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.stack_options import ROOT, RUN

LOCK: Final = ROOT / "requirements" / "bench.txt"
DIRECTORY: Final = RUN / "bench-env"


class PeersUnavailable(RuntimeError):
    """The peers cannot be installed; the message says what to check."""


def bench_bin() -> Path:
    """Return the directory of the peers' programs, installed first if need be.

    Raises PeersUnavailable.
    """
    programs = DIRECTORY / "bin"
    stamp = DIRECTORY / "stamp"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return programs
    print("bench: installing the peers into .run/bench-env", file=sys.stderr)
    stamp.unlink(missing_ok=True)
    python = programs / "python"
    own = ROOT / ".boot" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv:
        _run(uv, "venv", "-q", "--clear", "--python", sys.executable, str(DIRECTORY))
        install = [uv, "pip", "install", "-q", "--python", str(python)]
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(DIRECTORY))
        install = [str(python), "-m", "pip", "install", "-q"]
    _run(*install, "--require-hashes", "-r", str(LOCK))
    stamp.write_text(wanted)
    return programs


def _run(*command: str) -> None:
    env = {"UV_SYSTEM_CERTS": "1", "UV_LINK_MODE": "copy", **os.environ}
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    if result.returncode != 0:
        last = " ".join(result.stderr.strip().splitlines()[-6:])
        raise PeersUnavailable(
            f"{Path(command[0]).name} ended with {result.returncode}: {last}."
            " Is the package registry reachable from here?"
        )
