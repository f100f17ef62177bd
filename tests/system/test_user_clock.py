"""The machine's clock jumps while a round runs: nothing doubled, nothing lost, it goes on.

Workers and watcher are moved together; database and exchange keep the true time, as an
exchange does. The tests run in this order, in one world.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.supervisor import Program
from deploy.user_world import user_world
from tests.system.town import AUDIT, SKEW_FILE, Town, until

MARKET = "KRW-BTC"
HOUR = timedelta(hours=1)


class MovedTown(Town):
    """A town whose processes believe the file."""

    file: Path
    bot: str

    def move(self, by: timedelta) -> None:
        """Put the clock of all processes off, and wait until they have compared books."""
        self.file.write_text(str(by.total_seconds()), encoding="ascii")
        around = datetime.now(UTC) + by
        query = "SELECT reconciled_at FROM accounts_exchangeaccount"

        def compared() -> bool:
            ((at,),) = self.rows(query)
            return at is not None and abs(at - around) < HOUR

        until(self, compared, what=f"a comparison with the exchange, {by} off")


def _moved(program: Program) -> Program:
    """The same program through the module that moves its clock."""
    command = tuple(
        "tests.system.skewed" if word == "user_project.celery" else word
        for word in program.command
    )
    if "watch" in command:
        command = (sys.executable, "-m", "tests.system.skewed", "watch")
    return replace(program, command=command)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovedTown]:
    file = tmp_path_factory.mktemp("clock") / "skew"
    file.write_text("0", encoding="ascii")
    options = ("--markets", "3", "--seed", "3", "--rate-factor", "20")
    extra = {"DANTARO_RATE_FACTOR": "20", SKEW_FILE: str(file)}
    with user_world(accounts=1, market=options, extra=extra) as world:
        for node in ("bots0", "reconcile"):
            world.supervisor.start(_moved(world.processes.workers[node]))
        world.wait_for_workers("bots0", "reconcile")
        world.supervisor.start(_moved(world.processes.loops[0]))
        town = MovedTown(world)
        town.file = file
        town.bot = town.start_bot(MARKET)
        settled = lambda: town.is_settled(town.bot, bought=1)  # noqa: E731
        until(town, settled, what="the first stage")
        yield town


@pytest.mark.parametrize(
    ("by", "stage"), [(2 * HOUR, 2), (-2 * HOUR, 3), (timedelta(0), 4)]
)
def test_a_jump_of_the_clock(town: MovedTown, by: timedelta, stage: int) -> None:
    town.move(by)
    town.fall_to(town.bot, stage=stage)

    settled = lambda: town.is_settled(town.bot, bought=stage)  # noqa: E731
    until(town, settled, what=f"stage {stage}, with the clock {by} off")
    assert town.held(MARKET) == town.volume(town.bot)
    assert town.sent_twice() == {}


def test_in_the_end_all_books_agree(town: MovedTown) -> None:
    assert town.world.python("-c", AUDIT) == ""
    assert town.rows("SELECT state, tick_failures FROM bots_bot") == [("running", 0)]
    assert town.world.simulator("GET", "ledger")["invariants"]["hold"]
