"""An outage of one server that always comes to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.stack import Stack


@contextmanager
def outage(stack: Stack, *, side: str) -> Iterator[None]:
    """Stop one server for the time of the block.

    It returns even where the block fails: the tests that come after share the stack,
    and one failure must not look like twenty.
    """
    stack.stop_side(side)
    try:
        yield
    finally:
        stack.start_side(side)
