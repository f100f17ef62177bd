"""The short name of every field of a stream message, as formats SIMPLE and SIMPLE_LIST."""

from __future__ import annotations

from typing import Any, Final

from deploy.simulator.rest.order_views import Json

_COMMON: Final = {"type": "ty", "code": "cd", "timestamp": "tms", "stream_type": "st"}
_PRICES: Final = {
    "opening_price": "op",
    "high_price": "hp",
    "low_price": "lp",
    "trade_price": "tp",
}
_CHANGE: Final = {"prev_closing_price": "pcp", "change": "c", "change_price": "cp"}
_TICKER: Final = {
    **_COMMON,
    **_PRICES,
    **_CHANGE,
    "signed_change_price": "scp",
    "change_rate": "cr",
    "signed_change_rate": "scr",
    "ask_bid": "ab",
    "trade_volume": "tv",
    "acc_trade_volume": "atv",
    "acc_trade_volume_24h": "atv24h",
    "acc_trade_price": "atp",
    "acc_trade_price_24h": "atp24h",
    "trade_date": "tdt",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "acc_ask_volume": "aav",
    "acc_bid_volume": "abv",
    "highest_52_week_price": "h52wp",
    "highest_52_week_date": "h52wdt",
    "lowest_52_week_price": "l52wp",
    "lowest_52_week_date": "l52wdt",
    "market_state": "ms",
    "is_trading_suspended": "its",
    "delisting_date": "dd",
    "market_warning": "mw",
}
_TRADE: Final = {
    **_COMMON,
    **_CHANGE,
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "trade_date": "td",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "sequential_id": "sid",
    "best_ask_price": "bap",
    "best_ask_size": "bas",
    "best_bid_price": "bbp",
    "best_bid_size": "bbs",
}
_ORDERBOOK: Final = {
    **_COMMON,
    "total_ask_size": "tas",
    "total_bid_size": "tbs",
    "orderbook_units": "obu",
    "ask_price": "ap",
    "bid_price": "bp",
    "ask_size": "as",
    "bid_size": "bs",
    "level": "lv",
}
_CANDLE: Final = {
    **_COMMON,
    **_PRICES,
    "candle_date_time_utc": "cdttmu",
    "candle_date_time_kst": "cdttmk",
    "candle_acc_trade_volume": "catv",
    "candle_acc_trade_price": "catp",
}
_MY_ORDER: Final = {
    **_COMMON,
    "uuid": "uid",
    "ask_bid": "ab",
    "order_type": "ot",
    "state": "s",
    "trade_uuid": "tuid",
    "price": "p",
    "avg_price": "ap",
    "volume": "v",
    "remaining_volume": "rv",
    "executed_volume": "ev",
    "trades_count": "tc",
    "reserved_fee": "rsf",
    "remaining_fee": "rmf",
    "paid_fee": "pf",
    "locked": "l",
    "executed_funds": "ef",
    "time_in_force": "tif",
    "trade_fee": "tf",
    "is_maker": "im",
    "identifier": "id",
    "smp_type": "smpt",
    "prevented_volume": "pv",
    "prevented_locked": "pl",
    "trade_timestamp": "ttms",
    "order_timestamp": "otms",
}
_MY_ASSET: Final = {
    "type": "ty",
    "timestamp": "tms",
    "stream_type": "st",
    "asset_uuid": "astuid",
    "assets": "ast",
    "currency": "cu",
    "balance": "b",
    "locked": "l",
    "asset_timestamp": "asttms",
}
_LIST: Final = {
    "method": "mthd",
    "result": "rslt",
    "type": "ty",
    "codes": "cds",
    "level": "lv",
    "ticket": "tckt",
}
SHORT_NAMES: Final[dict[str, dict[str, str]]] = {
    "ticker": _TICKER,
    "trade": _TRADE,
    "orderbook": _ORDERBOOK,
    "candle": _CANDLE,
    "myOrder": _MY_ORDER,
    "myAsset": _MY_ASSET,
    "LIST_SUBSCRIPTIONS": _LIST,
}
"""Short names by kind of message, the names inside lists among them."""


def shortened(message: Json) -> Json:
    """Return *message* with short field names; one without a kind stays as it is."""
    kind = str(message.get("type", message.get("method"))).partition(".")[0]
    return _renamed(message, SHORT_NAMES.get(kind, {}))


def _renamed(message: Json, names: dict[str, str]) -> Json:
    return {names.get(key, key): _inner(value, names) for key, value in message.items()}


def _inner(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(v, names) if isinstance(v, dict) else v for v in value]
    return value
