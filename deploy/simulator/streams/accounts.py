"""The private streams: each event of the exchange goes to those whose account it is."""

from __future__ import annotations

from deploy.simulator.exchange.venue_events import VenueEvent
from deploy.simulator.house import House
from deploy.simulator.streams.connection import Connection
from deploy.simulator.streams.frames import Message
from deploy.simulator.streams.hub import Hub
from deploy.simulator.streams.private import Holdings, holdings, my_asset, my_order
from user_project.trading.matching_events import Deposited
from user_project.trading.matching_orders import Order


class AccountStreams:
    """Turns the exchange's events into messages, in the order in which they happen."""

    def __init__(self, *, house: House, hub: Hub) -> None:
        self._house = house
        self._hub = hub
        self._told: dict[str, Holdings] = {}
        """What the subscribers of a pocket's wallets know of them."""
        self._unsent: set[Connection] = set()
        house.venue.listen(self._on_event)
        # The journal keeps first: nobody hears of what a kill could still undo.
        house.venue.keep(lambda _: self._send())

    def begin(self, connection: Connection) -> None:
        """Tell changes of wallets from now on; there is no snapshot."""
        if connection.pocket is not None and connection.pocket not in self._told:
            self._told[connection.pocket] = self._holdings(connection.pocket)

    def _holdings(self, pocket: str) -> Holdings:
        return holdings(self._house.venue.engine.wallets(account=pocket))

    def _on_event(self, event: VenueEvent, order: Order | None) -> None:
        if order is not None:
            pocket = order.account
        elif isinstance(event, Deposited):
            pocket = event.account
        else:
            return
        listening = self._hub.private(pocket=pocket)
        if not listening:
            self._told.pop(pocket, None)
            return
        now_ms = self._house.now_ms()
        if order is not None:
            self._tell_order(listening, event, order, now_ms)
        self._tell_wallets(listening, pocket, now_ms)
        self._unsent.update(listening)

    def _send(self) -> None:
        for connection in self._unsent:
            connection.flush()
        self._unsent.clear()

    def _tell_order(
        self, listening: list[Connection], event: VenueEvent, order: Order, now_ms: int
    ) -> None:
        data = my_order(event=event, order=order, now_ms=now_ms)
        if data is None:
            return
        message = Message(data)
        for connection in listening:
            if connection.wants("myOrder", code=order.request.market):
                connection.send(message)

    def _tell_wallets(
        self, listening: list[Connection], pocket: str, now_ms: int
    ) -> None:
        before = self._told.get(pocket)
        if before is None:
            return
        after = self._told[pocket] = self._holdings(pocket)
        data = my_asset(pocket=pocket, before=before, after=after, now_ms=now_ms)
        if data is None:
            return
        message = Message(data)
        for connection in listening:
            if connection.wants("myAsset"):
                connection.send(message)
