"""A whole stack of real processes, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.stack import Stack
from deploy.stack_options import StackOptions


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run both servers, all workers and the simulator on a lively market."""
    options = StackOptions.lively(
        directory=tmp_path_factory.mktemp("stack"), mode="test"
    )
    with Stack(options) as running:
        running.up()
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of the stack come last: nobody else has to share the machine with it."""
    items.sort(key=lambda item: "stack" in getattr(item, "fixturenames", ()))
