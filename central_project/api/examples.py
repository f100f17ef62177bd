"""Example bodies of the API's description; a test holds them against the contract."""

from __future__ import annotations

from typing import Any, Final

ENVELOPE: Final[dict[str, Any]] = {
    "schema_version": 1,
    "run_id": "20261123T090000Z-1",
    "data_as_of": "2026-11-23T09:00:04Z",
    "generated_at": "2026-11-23T09:00:31Z",
    "valid_until": "2026-11-23T09:15:04Z",
    "next_run_at": "2026-11-23T09:05:27Z",
    "stale": False,
}
_RANKED: Final[dict[str, Any]] = {
    "recommendations": [
        {
            "rank": 1,
            "symbol": "KRW-XRP",
            "korean_name": "리플",
            "english_name": "XRP",
            "price": "3521",
            "score": "78.4",
            "scores": {
                "technical": "81.2",
                "volume": "90.5",
                "volatility": "66",
                "risk": "74.1",
            },
            "reasons": [
                {"code": "RSI_LOW", "ko": "RSI 27: 과매도", "en": "RSI 27: oversold"}
            ],
            "metrics": {"rsi": "27.1", "signed_change_rate": "-0.0184"},
            "warnings": [],
        }
    ],
    "universe_size": 214,
    "excluded_count": 97,
    "score_version": "v1",
}
_LEVELS: Final[dict[str, Any]] = {
    "symbol": "KRW-XRP",
    "price": "3521",
    "levels": {
        "aggressive": {
            "horizon_days": 7,
            "price": "3388",
            "raw": "3389.4",
            "method": "median(low,quantile,bollinger)",
            "candidates": 3,
            "touches": 2,
            "touch_probability": "0.41",
            "degraded": False,
            "reason": None,
        },
        "moderate": {
            "horizon_days": 30,
            "price": "3104",
            "raw": "3104.9",
            "method": "median(low,quantile,bollinger,profile)",
            "candidates": 4,
            "touches": 3,
            "touch_probability": "0.12",
            "degraded": False,
            "reason": None,
        },
        "conservative": {
            "horizon_days": 90,
            "price": None,
            "degraded": True,
            "reason": "short_history",
        },
    },
}
_STATUS: Final[dict[str, Any]] = {
    "phase": "normal",
    "breadth": "0.56",
    "btc_trend": "0.0124",
    "volatility": "0.0381",
    "coins_analysed": 214,
    "coins_failed": 1,
    "pipeline": "ok",
    "exchange": "ok",
}
_CANDLE: Final[dict[str, Any]] = {
    "started_at": "2026-11-23T08:00:00Z",
    "open": "3510",
    "high": "3532",
    "low": "3506",
    "close": "3524",
    "volume": "1201344.50219833",
    "quote_volume": "4229876541.22817",
    "kind": "closed",
}
_CANDLES: Final[dict[str, Any]] = {
    "symbol": "KRW-XRP",
    "unit": 60,
    "candles": [
        _CANDLE,
        _CANDLE
        | {
            "started_at": "2026-11-23T09:00:00Z",
            "open": "3524",
            "close": "3521",
            "kind": "provisional",
        },
    ],
}

RECOMMENDATIONS: Final = ENVELOPE | _RANKED
SUPPORT_LEVELS: Final = ENVELOPE | _LEVELS
MARKET_STATUS: Final = ENVELOPE | _STATUS
CANDLES: Final = ENVELOPE | _CANDLES
BUNDLE_REQUEST: Final = {
    "recommendations": {"limit": 10},
    "support_levels": ["KRW-XRP", "KRW-NOPE"],
    "market_status": True,
    "known_run_id": "20261123T085500Z-1",
}
BUNDLE: Final = (
    ENVELOPE
    | {"unchanged": False}
    | _RANKED
    | {
        "support_levels": {"KRW-XRP": _LEVELS},
        "market_status": _STATUS,
        "errors": {
            "support_levels.KRW-NOPE": {
                "code": "UNKNOWN_SYMBOL",
                "message": "KRW-NOPE is not a KRW market that is traded now; check the"
                " symbol.",
            }
        },
    }
)
BUNDLE_UNCHANGED: Final = ENVELOPE | {"unchanged": True}

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "PARAMETER_UNKNOWN": (
        400,
        "limt: this parameter is unknown; remove it. This address knows as_of, limit.",
    ),
    "LIMIT_OUT_OF_RANGE": (400, "Limit must be a whole number from 1 to 50."),
    "SYMBOL_MALFORMED": (400, "Symbols are upper case: KRW-BTC."),
    "AS_OF_INVALID": (
        400,
        "As_of must be a run_id or a time with its offset, like 2026-11-23T09:00:00Z.",
    ),
    "BUNDLE_INVALID": (
        400,
        "support_levels: at most 60 symbols; split the request.",
    ),
    "JSON_MALFORMED": (
        400,
        "The body is not valid JSON; check commas, quotes and brackets.",
    ),
    "API_KEY_MISSING": (
        401,
        "Send the header `Authorization: Bearer <API key>`; the operator of the central"
        " server issues keys.",
    ),
    "API_KEY_IN_ADDRESS": (
        401,
        "Send the key in the header `Authorization: Bearer <API key>`, never in the"
        " address: addresses are written into logs. If this key was real, ask the"
        " operator of the central server to revoke it and issue a new one.",
    ),
    "API_KEY_INVALID": (
        401,
        "The API key is not valid. Check that it was copied whole; ask the operator of"
        " the central server for a new one.",
    ),
    "API_KEY_EXPIRED": (
        401,
        "The API key has expired. Ask the operator of the central server for a new one.",
    ),
    "API_KEY_REVOKED": (
        401,
        "The API key was revoked. Ask the operator of the central server for a new one.",
    ),
    "UNKNOWN_SYMBOL": (
        404,
        "KRW-NOPE is not a KRW market that is traded now; check the symbol.",
    ),
    "NOT_ANALYSED": (
        404,
        "KRW-NEW could not be analysed in this run (usually too little history); try"
        " again after the next run.",
    ),
    "RUN_NOT_KEPT": (
        404,
        "That run is not kept, or is still to come. Ask for a time from"
        " 2026-11-16T09:00:31Z, when the oldest kept run was published, to now.",
    ),
    "NOT_ACCEPTABLE": (
        406,
        "Answers are application/json (or text/html in a browser); correct Accept.",
    ),
    "BODY_TOO_LARGE": (413, "Send at most 64 KiB."),
    "JSON_EXPECTED": (
        415,
        "Send JSON with the header `Content-Type: application/json`.",
    ),
    "RATE_LIMITED": (429, "Too many requests. Try again in 12 seconds."),
    "NOT_PUBLISHED": (
        503,
        "No analysis has been published yet. Try again after Retry-After seconds;"
        " operators see its progress in the admin.",
    ),
    "DATABASE_UNAVAILABLE": (
        503,
        "The database is away for a moment. Try again after Retry-After seconds.",
    ),
}
"""Every code an integrator meets: its status and a ``detail`` as it is sent."""

REPORT_CARD: Final[dict[str, Any]] = {
    "schema_version": 1,
    "served": None,
    "walk_forward": {
        "schema_version": 1,
        "section": "walk_forward",
        "since": "2026-08-25T00:00:00Z",
        "until": "2026-11-23T00:00:00Z",
        "dates": 91,
        "step_days": 1,
        "markets": 214,
        "score_version": "v1",
        "finding": "no_evidence",
        "summary": {"ko": "우위의 증거가 없습니다.", "en": "No evidence of an edge."},
        "questions": [
            {
                "code": "ranking",
                "finding": "no_evidence",
                "question": {
                    "ko": "점수가 높은 코인이 이후 더 올랐나?",
                    "en": "Did coins with a higher score rise more?",
                },
                "answer": {"ko": "우위의 증거 없음", "en": "no evidence of an edge"},
            }
        ],
        "bar": {
            "headline_tests": 18,
            "headline_z": "3.64",
            "part_tests": 80,
            "part_z": "4",
            "rule": {"ko": "본페로니 기준", "en": "Bonferroni"},
        },
        "ranking": None,
        "starts": None,
        "levels": {
            "aggressive": {
                "touch": None,
                "bounce": {
                    "touches": 1575,
                    "placebo_touches": 6515,
                    "rate": {
                        "value": "0.435873",
                        "low": "0.28",
                        "high": "0.59",
                        "t": "9.1",
                        "n": 5,
                    },
                    "placebo": {
                        "value": "0.481658",
                        "low": "0.34",
                        "high": "0.62",
                        "t": "9.6",
                        "n": 5,
                    },
                    "difference": {
                        "value": "-0.045785",
                        "low": "-0.111203",
                        "high": "0.019634",
                        "t": "-1.95",
                        "n": 5,
                        "z": "-1.52",
                        "finding": "no_evidence",
                    },
                },
            }
        },
        "notes": [],
        "computed_at": "2026-11-23T19:20:41Z",
    },
    "reasons": {
        "served": {
            "ko": "아직 계산하지 않았습니다. 하루에 한 번 계산합니다.",
            "en": "Not computed yet; it is computed once a day, when there is enough history.",
        }
    },
}
