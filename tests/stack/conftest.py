"""A whole stack of real processes, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.stack import Stack
from deploy.stack_options import StackOptions

SECOND_BEAT = "central-beat-2"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run both servers, all workers and the simulator on a lively market.

    Central has two beats, as after a careless deployment: nothing may come of it.
    """
    options = StackOptions.lively(
        directory=tmp_path_factory.mktemp("stack"), mode="test", validity_seconds=90
    )
    with Stack(options) as running:
        running.up()
        beat = running._programs["central-beat"]
        running.supervisor.start(replace(beat, name=SECOND_BEAT))
        yield running
