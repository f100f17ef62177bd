"""What docs/simulator.md has to say, held to the code it speaks of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.simulator.exchange.assumptions import CHOICES
from deploy.simulator.faults.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
SWITCHES = dict(re.findall(r"^\| `(\w+)` \| (`[^|]+`) \|", TEXT, re.MULTILINE))


def test_every_assumption_is_explained_with_its_choices_in_their_order() -> None:
    explained = {
        name: tuple(re.findall(r"`(\w+)`", choices))
        for name, choices in SWITCHES.items()
    }

    assert explained == CHOICES


def test_every_option_is_explained_and_no_other_is_used() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "deploy.simulator", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", answer.stdout, re.MULTILINE))

    assert "--port" in options
    explained = re.findall(r"`(--[a-z-]+)[^`]*`", TEXT.partition("## All options")[2])
    assert set(explained) == options
    starts = re.findall(r"-m deploy\.simulator (.*(?:\\\n.*)*)", TEXT)
    assert len(starts) == 3
    assert {
        one for start in starts for one in re.findall(r"--[a-z-]+", start)
    } < options


def test_every_kind_of_fault_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", _section("faults")))

    assert set(KINDS) <= explained


def _section(title: str) -> str:
    return TEXT.partition(f": {title}\n")[2].partition("\n## ")[0]


def test_every_example_is_shown() -> None:
    examples = {path.name for path in (ROOT / "docs/examples").glob("*.py")}

    guides = [path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")]
    shown = set(re.findall(r"\(examples/([\w.]+)\)", "".join(guides)))

    assert shown == examples


@pytest.mark.parametrize("market", ["synthetic", "recorded"])
def test_the_simulator_needs_no_more_than_its_own_requirements(market: str) -> None:
    script = """
import json, sys
import deploy.simulator.__main__
if sys.argv[1] == "recorded":
    import deploy.simulator.market.replay
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    answer = subprocess.run(
        [sys.executable, "-c", script, market],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    locked = (ROOT / "requirements/simulator.txt").read_text(encoding="utf-8")
    allowed = set(re.findall(r"^([\w.-]+)==", locked, re.MULTILINE))
    found = packages_distributions()
    used = {
        dist.lower().replace("_", "-")
        for module in json.loads(answer.stdout)
        for dist in found.get(module, ())
    }
    assert {"aiohttp", "pyjwt", "numpy"} <= used
    assert used - allowed - OPTIONAL == set()


OPTIONAL = {"setuptools", "cffi", "cryptography"}
"""PyJWT takes up cryptography where it finds it; the simulator's signatures need none."""
