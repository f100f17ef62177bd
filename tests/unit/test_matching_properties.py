"""Whatever is ordered and wherever the price goes, no won and no coin is lost."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.matching_exchange import SEEN, Exchange

STEPS = 10_000
USUAL = 300
EXAMPLES = int(os.environ.get("EXAMPLES", USUAL))
PHASES = tuple(Phase) if EXAMPLES >= USUAL else (Phase.generate,)
"""A short run is only to say whether something is wrong."""
REACHED = [
    *("maker", "taker", "partial fill", "dust left", "trade at the band edge"),
    *("match between accounts or own orders", "self-match", "prevented"),
    *("smp cancel_maker", "smp cancel_taker", "smp reduce"),
    *("limit done", "limit cancel", "price done", "price cancel", "market done"),
    *("market cancel", "best done", "best cancel", "ioc done", "ioc cancel"),
    *("fok done", "fok cancel", "post_only done", "post_only cancel"),
    *("insufficient_funds_bid", "insufficient_funds_ask", "duplicated_identifier"),
    *("under_min_total_bid", "under_min_total_ask"),
    *("overdraft refused", "paid in or out"),
]


@pytest.fixture(scope="module")
def run() -> None:
    """Let the machine run; the same steps each time, unless EXAMPLES asks for more."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Exchange,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=60,
            deadline=None,
            derandomize=EXAMPLES <= USUAL,
            phases=PHASES,
        ),
    )


@pytest.mark.usefixtures("run")
def test_the_exchange_keeps_its_promises() -> None:
    """The machine's invariants are the assertions; one that breaks ends its run."""
    assert SEEN["steps"] > 0


@pytest.mark.usefixtures("run")
def test_the_steps_are_ten_thousand_at_least() -> None:
    assert SEEN["steps"] >= STEPS


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("what", REACHED)
def test_the_steps_really_reach(what: str) -> None:
    assert SEEN[what] >= 5
