"""A WebSocket server in this process: keeps what clients send, says what tests want."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.unit.line_stub import eventually


@dataclass
class Visit:
    """One connection of a client."""

    connection: ServerConnection
    path: str
    headers: dict[str, str]
    said: list[Any] = field(default_factory=list)
    """Messages the client sent, JSON where it is some."""

    def tell(self, message: Any) -> None:
        """Send JSON in a binary frame, as Upbit does."""
        self.connection.send(json.dumps(message).encode())

    def tell_text(self, message: Any) -> None:
        """Send JSON in a text frame."""
        self.connection.send(json.dumps(message))


class StubSockets:
    """Answers PING with UP; refuses handshakes with ``refuse_with`` while it is set."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.refuse_with: HTTPStatus | None = None
        self.url = ""
        self._arrived: queue.Queue[Visit] = queue.Queue()

    def next_visit(self) -> Visit:
        """Wait for the next client and what it subscribes to."""
        visit = self._arrived.get(timeout=10)
        eventually(lambda: visit.said)
        return visit

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake, or let it pass."""
        if self.refuse_with is None:
            return None
        return connection.respond(self.refuse_with, "no")

    def receive(self, connection: ServerConnection) -> None:
        """Serve one client until it leaves."""
        request = connection.request
        assert request is not None
        visit = Visit(connection, request.path, dict(request.headers.raw_items()))
        self.visits.append(visit)
        self._arrived.put(visit)
        try:
            for message in connection:
                if message == "PING":
                    visit.tell({"status": "UP"})
                else:
                    visit.said.append(json.loads(message))
        except ConnectionClosed:
            return


@contextmanager
def stub_sockets() -> Iterator[StubSockets]:
    """Run the server on a free port."""
    stub = StubSockets()
    quiet = logging.getLogger("stub sockets")
    quiet.setLevel(logging.CRITICAL)  # a server may log what a client must not
    with serve(
        stub.receive, "127.0.0.1", 0, process_request=stub.check, logger=quiet
    ) as server:
        port = server.socket.getsockname()[1]
        stub.url = f"http://127.0.0.1:{port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield stub
        finally:
            for visit in stub.visits:
                visit.connection.close()
            server.shutdown()
            thread.join(10)
