"""Does a key work, until when, and is withdrawing closed to it?

Nothing is ever probed by trying it: only by what the key may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from upbit import Upbit

from user_project.exchanges import upbit_codec as codec
from user_project.exchanges.adapter import (
    ExchangeError,
    KeyRefused,
    KeyReport,
)
from user_project.exchanges.upbit_wire import UpbitWire

OUT_OF_SCOPE = "out_of_scope"


def check_key(*, client: Upbit, wire: UpbitWire, access_key: str) -> KeyReport:
    """Report on a key; raise Unavailable or RateLimited when nobody could be asked."""
    try:
        wire.read(client.accounts.with_raw_response.list, codec.listed)
    except KeyRefused as error:
        return KeyReport(
            accepted=False,
            expires_at=None,
            withdraw_refused=None,
            message=f"{error.name}: {error}",
        )
    expires_at = _expiry(client, wire, access_key)
    withdraw_refused = _withdraw_refused(client, wire)
    return KeyReport(
        accepted=True,
        expires_at=expires_at,
        withdraw_refused=withdraw_refused,
        message=_message(withdraw_refused),
    )


def _expiry(client: Upbit, wire: UpbitWire, access_key: str) -> datetime | None:
    try:
        keys = wire.read(client.api_keys.with_raw_response.list, codec.listed)
    except ExchangeError:
        return None
    return _expiry_of(keys, access_key)


def _expiry_of(keys: Sequence[Any], access_key: str) -> datetime | None:
    for key in keys:
        if key.access_key == access_key and key.expire_at:
            return codec.utc(key.expire_at)
    return None


def _withdraw_refused(client: Upbit, wire: UpbitWire) -> bool | None:
    try:
        wire.read(
            lambda: client.withdraws.with_raw_response.retrieve_chance(
                currency="BTC", net_type="BTC"
            ),
            lambda answer: answer,
        )
    except KeyRefused as error:
        return True if error.name == OUT_OF_SCOPE else None
    except ExchangeError:
        return None
    return False


def _message(withdraw_refused: bool | None) -> str:
    if withdraw_refused is False:
        return "the key may read withdrawals; make one without withdrawal rights"
    return "the key works"
