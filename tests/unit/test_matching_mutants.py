"""The engine's tests notice when the engine is wrong: each mutant must fail them.

A mutant is the engine with one line changed, in a copy of the files it needs.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.mutants import Mutant, change, copied, run_tests

TESTS = (
    "test_matching_book.py",
    "test_matching.py",
    "test_matching_properties.py",
)
SUPPORT = ("matching_desk.py", "matching_exchange.py")

MUTANTS = [
    Mutant(
        "no fee on trades",
        "matching",
        "fee=EXACT.multiply(funds, order.fee_rate)",
        "fee=ZERO",
    ),
    Mutant(
        "the buy locks no fee",
        "matching_orders",
        "return with_fee(self.unspent, self.fee_rate)",
        "return self.unspent",
    ),
    Mutant(
        "fees rounded to won",
        "matching",
        "fee=EXACT.multiply(funds, order.fee_rate)",
        "fee=EXACT.multiply(funds, order.fee_rate).quantize(Decimal(1))",
    ),
    Mutant(
        "one digit too many bought",
        "matching_orders",
        "return CUT.quantize(CUT.divide(funds, price), VOLUME_STEP)",
        "return CUT.quantize(CUT.divide(funds, price), VOLUME_STEP) + VOLUME_STEP",
    ),
    Mutant(
        "an identifier may come again",
        "matching",
        "if request.identifier in owner.identifiers:",
        "if request.identifier in ():",
    ),
    Mutant(
        "an ended order trades on",
        "matching",
        "if order.state is not State.WAIT:\n            raise OrderNotFound(uuid)",
        "pass",
    ),
    Mutant(
        "takers trade beyond their limit",
        "matching_book",
        "limit is None or sign * o.price <= sign * limit",
        "True",
    ),
    Mutant(
        "resting orders fill one price early",
        "matching_book",
        "if key > bound:",
        "if key > bound * (1 if side is Side.ASK else 1) + abs(bound) / 100:",
    ),
    Mutant(
        "resting orders fill at the market's price",
        "matching",
        "events += self._trade(uuid, own, size, at, is_maker=True)",
        "events += self._trade(uuid, price, size, at, is_maker=True)",
    ),
    Mutant(
        "volume at a touched price is used twice",
        "matching",
        "left = EXACT.subtract(left, size)",
        "left = left",
    ),
    Mutant(
        "own orders meet whatever was asked",
        "matching",
        "return same and taker.request.smp_type is not SmpType.NONE",
        "return False",
    ),
    Mutant(
        "prevention takes the maker for the taker",
        "matching",
        "return self._take_off(taker, None, price, at)",
        "return self._take_off(maker, None, price, at)",
    ),
    Mutant(
        "reduce leaves the maker alone",
        "matching",
        "*self._take_off(maker, overlap, price, at),",
        "",
    ),
    Mutant(
        "all or nothing becomes something",
        "matching",
        "return not self._can_fill(order, found)",
        "return False",
    ),
    Mutant(
        "post only takes",
        "matching",
        "return bool(found)",
        "return False",
    ),
    Mutant(
        "cancelling keeps the lock",
        "matching_wallets",
        "still = after.locked if after.state is State.WAIT else ZERO",
        "still = after.locked",
    ),
    Mutant(
        "an immediate order rests",
        "matching",
        "may_wait = order.request.time_in_force in (None, TimeInForce.POST_ONLY)",
        "may_wait = True",
    ),
    Mutant(
        "the younger order goes first",
        "matching_book",
        "key = (-limit if side is Side.BID else limit, turn, order.uuid)",
        "key = (-limit if side is Side.BID else limit, -turn, order.uuid)",
    ),
    Mutant(
        "a balance may become negative",
        "matching_wallets",
        "if balance < ZERO or bound < ZERO:",
        "if False:",
    ),
    Mutant(
        "the minimum is not checked",
        "matching_rules",
        "if rules.is_too_small(total):",
        "if False:",
    ),
]


def outcome_of(unit: Path) -> subprocess.CompletedProcess[str]:
    """Run the copy's tests; how much a shorter run reaches does not count."""
    return run_tests(unit, TESTS, "-k", "not the_steps", EXAMPLES="40")


def test_the_right_engine_passes_its_tests(tmp_path: Path) -> None:
    outcome = outcome_of(copied(tmp_path, (*TESTS, *SUPPORT)))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_engine_fails_its_tests(mutant: Mutant, tmp_path: Path) -> None:
    unit = copied(tmp_path, (*TESTS, *SUPPORT))
    change(mutant, unit)

    outcome = outcome_of(unit)

    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
