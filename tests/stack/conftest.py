"""A whole stack of real processes, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.stack import Stack
from deploy.stack_options import StackOptions
from tests.stack.tides import FROM, SPEED, write_tides

SECOND_BEAT = "central-beat-2"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run both servers, all workers and the simulator on a market of tides.

    Central has two beats, as after a careless deployment: nothing may come of it.
    """
    directory = tmp_path_factory.mktemp("stack")
    options = StackOptions.lively(
        directory=directory,
        mode="test",
        validity_seconds=90,
        replay=write_tides(file=tmp_path_factory.mktemp("market") / "tides.parquet"),
        replay_from=f"{FROM:%Y-%m-%d}",
        speed=SPEED,
    )
    with Stack(options) as running:
        running.up()
        beat = running._programs["central-beat"]
        running.supervisor.start(replace(beat, name=SECOND_BEAT))
        yield running
