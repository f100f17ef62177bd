"""pyupbit's WebSocketManager turned to another address: prints what it receives.

A process of its own, because the manager forks: a child forked beside busy threads may
wait for ever for a lock that one of them held.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pyupbit
import websockets
from pyupbit import websocket_api

THERE = "wss://api.upbit.com"


class PricesHere(pyupbit.WebSocketManager):
    """The manager is a process of its own; the seam is turned round over there."""

    def __init__(self, url: str, kind: str, codes: list[str]) -> None:
        super().__init__(kind, codes)
        self.url = url.replace("http", "ws", 1)

    def run(self) -> None:
        def connect(address: str, **options: Any) -> Any:
            return websockets.connect(address.replace(THERE, self.url), **options)

        websocket_api.websockets = SimpleNamespace(
            connect=connect, ConnectionClosed=websockets.ConnectionClosed
        )
        super().run()


def main(url: str, kind: str, code: str) -> None:
    """Print the first two messages as JSON."""
    manager = PricesHere(url, kind, [code])
    try:
        sys.stdout.write(json.dumps([manager.get() for _ in range(2)]))
    finally:
        manager.terminate()
        manager.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
