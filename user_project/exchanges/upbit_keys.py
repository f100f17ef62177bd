"""Does a key work, until when, what may it do, and is withdrawing closed to it?

Nothing is ever probed by trying it, except an order by Upbit's own order test, which
books nothing. The rights themselves are told only to keys that may manage pockets.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from upbit import Upbit

from common.money import VOLUME_STEP, ticks_of, truncate_volume
from user_project.exchanges import upbit_codec as codec
from user_project.exchanges.adapter import (
    FORBIDDEN_RIGHTS,
    ExchangeError,
    KeyRefused,
    KeyReport,
    Refused,
    Right,
)
from user_project.exchanges.upbit_errors import Call
from user_project.exchanges.upbit_quotes import UpbitQuotes
from user_project.exchanges.upbit_wire import UpbitWire
from user_project.trading.orders import OrderKind, OrderRequest, Side

T = TypeVar("T")

TEST_PREFIX: Final = "dtkey-"
"""Of the names of test orders: whether they are used up is unknown, so no order of
ours ever begins like this."""
TEST_MARKET: Final = "KRW-BTC"
TEST_TOTAL: Final = Decimal(6000)
OUT_OF_SCOPE: Final = "out_of_scope"
WRONG_ADDRESS: Final = frozenset({"no_authorization_ip", "no_authorization_i_p"})
RIGHTS: Final = {
    "view_account": Right.VIEW_BALANCES,
    "view_orders": Right.VIEW_ORDERS,
    "make_orders": Right.PLACE_ORDERS,
    "view_withdrawals": Right.VIEW_WITHDRAWALS,
    "withdraw": Right.WITHDRAW,
    "deposit": Right.DEPOSIT,
    "transfer": Right.TRANSFER,
}


@dataclass(frozen=True, slots=True)
class _Told:
    """What the exchange says of the key itself, to keys that may manage pockets."""

    rights: frozenset[Right]
    allowed_ips: tuple[str, ...]


def check_key(
    *, client: Upbit, wire: UpbitWire, quotes: UpbitQuotes, access_key: str
) -> KeyReport:
    """Report on a key; raise Unavailable or RateLimited when nobody could be asked."""
    try:
        sees_balances = _has(
            lambda: wire.read(client.accounts.with_raw_response.list, codec.listed)
        )
    except KeyRefused as error:
        return _refused(error, host=client.base_url.host, port=client.base_url.port)
    told = _told(client, wire, access_key)
    proven = {
        Right.VIEW_BALANCES: sees_balances,
        Right.VIEW_ORDERS: _unless_unheard(lambda: _sees_orders(client, wire)),
        Right.PLACE_ORDERS: _unless_unheard(lambda: _may_order(client, wire, quotes)),
        Right.VIEW_WITHDRAWALS: _unless_unheard(
            lambda: _sees_withdrawals(client, wire)
        ),
        **({right: right in told.rights for right in FORBIDDEN_RIGHTS} if told else {}),
    }
    sees_withdrawals = proven[Right.VIEW_WITHDRAWALS]
    return KeyReport(
        accepted=True,
        expires_at=_expiry(client, wire, access_key),
        withdraw_refused=None if sees_withdrawals is None else not sees_withdrawals,
        message="the key works",
        has=frozenset(right for right, there in proven.items() if there),
        lacks=frozenset(right for right, there in proven.items() if there is False),
        allowed_ips=told.allowed_ips if told else (),
    )


def _refused(error: KeyRefused, *, host: str, port: int | None) -> KeyReport:
    return KeyReport(
        accepted=False,
        expires_at=None,
        withdraw_refused=None,
        message=f"{error.name}: {error}",
        egress=_egress(host, port) if error.name in WRONG_ADDRESS else "",
    )


def _has(call: Callable[[], object]) -> bool:
    """Tell whether a call is within the key's rights; other trouble is raised."""
    try:
        call()
    except KeyRefused as error:
        if error.name != OUT_OF_SCOPE:
            raise
        return False
    return True


def _unless_unheard(ask: Callable[[], bool]) -> bool | None:
    """Ask, or return None when no usable answer came: that says nothing of the key."""
    try:
        return ask()
    except ExchangeError:
        return None


def _sees_orders(client: Upbit, wire: UpbitWire) -> bool:
    orders = client.orders.with_raw_response
    return _has(lambda: wire.read(lambda: orders.list_open(limit=1), codec.listed))


def _sees_withdrawals(client: Upbit, wire: UpbitWire) -> bool:
    withdraws = client.withdraws.with_raw_response
    return _has(
        lambda: wire.read(
            lambda: withdraws.retrieve_chance(currency="BTC", net_type="BTC"),
            lambda answer: answer,
        )
    )


def _may_order(client: Upbit, wire: UpbitWire, quotes: UpbitQuotes) -> bool:
    """Send Upbit's order test once; refused for money's sake is allowed all the same."""
    fields = codec.order_fields(_test_order(quotes))
    orders = client.orders.with_raw_response
    try:
        return _has(
            lambda: wire.send(
                lambda: orders.test_create(**fields),  # type: ignore[arg-type]
                lambda answer: answer,
                group="order-test",
                call=Call.ORDER,
            )
        )
    except Refused as error:
        if error.name == "market_offline":
            raise
        return True


def _test_order(quotes: UpbitQuotes) -> OrderRequest:
    """Return a small buy at half the price of a listed market."""
    listed = [name for name in quotes.markets() if name.startswith("KRW-")]
    market = TEST_MARKET if TEST_MARKET in listed else min(listed, default=TEST_MARKET)
    price = ticks_of(market=market).floor(price=quotes.price(market) / 2)
    return OrderRequest(
        identifier=TEST_PREFIX + uuid.uuid4().hex,
        market=market,
        side=Side.BID,
        kind=OrderKind.LIMIT,
        price=price,
        volume=truncate_volume(TEST_TOTAL / price) + VOLUME_STEP,
    )


def _told(client: Upbit, wire: UpbitWire, access_key: str) -> _Told | None:
    try:
        groups = wire.read(client.pockets.with_raw_response.list_api_keys, codec.listed)
    except ExchangeError:
        return None
    key = _ours((key for group in groups for key in group.keys), access_key)
    if key is None:
        return None
    names = key.permissions or ()
    return _Told(
        rights=frozenset(RIGHTS[name] for name in names if name in RIGHTS),
        allowed_ips=tuple(key.allowed_ips or ()),
    )


def _expiry(client: Upbit, wire: UpbitWire, access_key: str) -> datetime | None:
    try:
        keys = wire.read(client.api_keys.with_raw_response.list, codec.listed)
    except ExchangeError:
        return None
    key = _ours(keys, access_key)
    return codec.utc(key.expire_at) if key is not None and key.expire_at else None


def _ours(keys: Iterable[Any], access_key: str) -> Any:
    return next((key for key in keys if key.access_key == access_key), None)


def _egress(host: str, port: int | None) -> str:
    """Return the address from which this machine reaches *host*; nothing is sent."""
    try:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            probe.connect((host, port or 443))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
