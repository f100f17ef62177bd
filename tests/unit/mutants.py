"""Mutants of the trading core: a copy with one line changed, and its tests run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    *("common", "tests/__init__.py"),
    *("user_project/__init__.py", "user_project/trading"),
)
SECONDS = 300
BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""The core's tests use no plugin, and loading those there are takes 3 s of work a run."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong line; *module* is one of the trading core's."""

    name: str
    module: str
    right: str
    wrong: str


def copied(directory: Path, files: Sequence[str]) -> Path:
    """Copy the core and *files* of the unit tests; return where the tests are."""
    for name in NEEDED:
        source, copy = ROOT / name, directory / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    unit = directory / "tests" / "unit"
    unit.mkdir()
    for name in files:
        shutil.copy(ROOT / "tests" / "unit" / name, unit / name)
    return unit


def change(mutant: Mutant, unit: Path) -> None:
    """Make the one line wrong."""
    module = unit.parents[1] / "user_project" / "trading" / f"{mutant.module}.py"
    code = module.read_text()
    assert code.count(mutant.right) == 1, "the line to change is not there any more"
    module.write_text(code.replace(mutant.right, mutant.wrong))


def run_tests(
    unit: Path, tests: Sequence[str], *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the copy's tests until the first failure."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
            *("--import-mode=importlib", "-c", "/dev/null"),
            f"--rootdir={unit.parents[1]}",
            *options,
            *(str(unit / name) for name in tests),
        ],
        cwd=unit.parents[1],
        env={**os.environ, **BARE, "PYTHONPATH": str(unit.parents[1]), **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
