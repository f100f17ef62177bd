"""Upbit's public words: endpoint paths, states, error names, limits. Constants only."""

from __future__ import annotations

from typing import Final

HOST_SUFFIX: Final = "upbit.com"
"""Every real Upbit host ends with this; paper accounts refuse it, live ones need it."""

CANDLE_PAGE: Final = 200
CLOSED_ORDERS_WINDOW_DAYS: Final = 7
IDENTIFIER_MAX_LENGTH: Final = 64

LIMITS_PER_SECOND: Final = {
    "market": 10,
    "candle": 10,
    "trade": 10,
    "ticker": 10,
    "orderbook": 10,
    "default": 30,
    "order": 12,
    "order-test": 8,
}
"""Calls per second of each rate group: quotation per IP, exchange per pocket."""

DEFINITE_REFUSALS: Final = frozenset(
    {
        "insufficient_funds_bid",
        "insufficient_funds_ask",
        "under_min_total_bid",
        "under_min_total_ask",
        "invalid_price_bid",
        "invalid_price_ask",
        "over_krw_funds_bid",
        "over_krw_funds_ask",
        "create_bid_error",
        "create_ask_error",
        "invalid_parameter",
        "validation_error",
        "bad_request",
        "invalid_time_in_force",
        "invalid_post_only",
        "QUERY_PARAMETER_NOT_SUPPORTED",
        "notfoundmarket",
        "market_offline",
    }
)
"""Error names after which no order exists for certain (market_offline: for now)."""

KEY_REFUSALS: Final = frozenset(
    {
        "invalid_query_payload",
        "jwt_verification",
        "expired_access_key",
        "invalid_access_key",
        "no_authorization_ip",
        "no_authorization_i_p",
        "no_authorization_token",
        "out_of_scope",
    }
)
"""Error names after which a person has to repair the key; nothing was processed."""
