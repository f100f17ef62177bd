"""The plan's invariants notice when the plan is wrong: nine mistakes, each must fail.

A mutant is the planning code with one line changed, in a copy of the files it needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    *("common", "tests/__init__.py"),
    *("user_project/__init__.py", "user_project/trading"),
)
TEST = "test_plan_properties.py"
CASES = "700"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong line; *module* is one of the planning modules."""

    name: str
    module: str
    right: str
    wrong: str


MUTANTS = [
    Mutant(
        "take profit rounded down",
        "profit",
        "return rules.ceil_tick(target / (volume * (1 - rules.ask_fee)))",
        "return rules.floor_tick(target / (volume * (1 - rules.ask_fee)))",
    ),
    Mutant(
        "the fee of the sale forgotten",
        "profit",
        "target / (volume * (1 - rules.ask_fee))",
        "target / volume",
    ),
    Mutant(
        "the fee of the buys forgotten",
        "amounts",
        "spend = floor_won(total_budget / (1 + bid_fee))\n        for count in range(stages",
        "spend = floor_won(total_budget)\n        for count in range(stages",
    ),
    Mutant(
        "small stages raised to the minimum",
        "amounts",
        "            if min(amounts) >= min_lot:\n                return amounts\n    return ()\n\n\ndef calculate_table",
        "            return tuple(max(a, _ceil_won(min_lot)) for a in amounts)\n    return ()\n\n\ndef calculate_table",
    ),
    Mutant(
        "jitter without its seed",
        "prices",
        "digest = hmac.digest(seed, str(number).encode(), hashlib.sha256)",
        "digest = __import__('os').urandom(32)",
    ),
    Mutant(
        "prices rounded to won, not to ticks",
        "prices",
        "rules.floor_tick(_SNAP.plus(top * (-share * depth).exp()))",
        "_SNAP.plus(top * (-share * depth).exp()).quantize(Decimal(1))",
    ),
    Mutant(
        "the smallest gap dropped",
        "prices",
        "return upper - lower >= smallest_gap(price=upper, rules=rules)",
        "return upper > lower",
    ),
    Mutant(
        "amounts in reverse",
        "amounts",
        "    return _with_remainder(amounts, spend - sum(amounts))\n",
        "    return _with_remainder(amounts, spend - sum(amounts))[::-1]\n",
    ),
    Mutant(
        "take profit not on tick",
        "profit",
        "return rules.ceil_tick(target / (volume * (1 - rules.ask_fee)))",
        "return target / (volume * (1 - rules.ask_fee))",
    ),
]


def _copy(target: Path) -> None:
    for name in NEEDED:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, copy, ignore=ignored)
        else:
            shutil.copy(source, copy)
    (target / "tests/unit").mkdir()
    shutil.copy(ROOT / "tests/unit" / TEST, target / "tests/unit" / TEST)


def _is_noticed(place: Path) -> bool:
    """Run the invariants on a few hundred cases of the copy."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            f"tests/unit/{TEST}",
        ],
        cwd=place,
        env={**os.environ, "PLAN_EXAMPLES": CASES, "DANTARO_TEST_RESULT": "unused"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode in (0, 1), result.stdout + result.stderr
    return result.returncode == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_invariants_notice(mutant: Mutant, tmp_path: Path) -> None:
    _copy(tmp_path)
    module = tmp_path / "user_project/trading" / f"{mutant.module}.py"
    text = module.read_text()
    assert text.count(mutant.right) == 1, "the line to be changed has moved"
    module.write_text(text.replace(mutant.right, mutant.wrong))
    assert _is_noticed(tmp_path)
