"""The plan's invariants notice when the plan is wrong: nine mistakes, each must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.mutants import Mutant, change, copied, run_tests

TESTS = ("test_plan_properties.py",)
CASES = "700"

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


def test_the_right_plan_passes(tmp_path: Path) -> None:
    outcome = run_tests(copied(tmp_path, TESTS), TESTS, PLAN_EXAMPLES=CASES)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_invariants_notice(mutant: Mutant, tmp_path: Path) -> None:
    unit = copied(tmp_path, TESTS)
    change(mutant, unit)

    outcome = run_tests(unit, TESTS, PLAN_EXAMPLES=CASES)

    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
