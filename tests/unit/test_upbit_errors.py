"""What each of Upbit's failures means for an order, a cancel and a read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple

import httpx
import pytest
import upbit

from common.upbit import DEFINITE_REFUSALS, KEY_REFUSALS
from tests.unit.upbit_stub import NO_REDIS, refusal
from user_project.exchanges import upbit_errors
from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeError,
    KeyRefused,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
)
from user_project.exchanges.limiter import RateLimiter
from user_project.exchanges.upbit_errors import Call, classify, stated_seconds
from user_project.exchanges.upbit_wire import UpbitWire, open_client


class Meaning(NamedTuple):
    """One failure in each of the four places it can happen."""

    order: type[ExchangeError]
    cancel: type[ExchangeError]
    read: type[ExchangeError]
    market: type[ExchangeError]


NO = Meaning(Refused, Refused, Unavailable, Unavailable)
KEY = Meaning(KeyRefused, KeyRefused, KeyRefused, KeyRefused)
OPEN = Meaning(Ambiguous, Ambiguous, Unavailable, Unavailable)
TABLE = {
    (400, "insufficient_funds_bid"): NO,
    (400, "insufficient_funds_ask"): NO,
    (400, "under_min_total_bid"): NO,
    (400, "under_min_total_ask"): NO,
    (400, "invalid_price_bid"): NO,
    (400, "invalid_price_ask"): NO,
    (400, "over_krw_funds_bid"): NO,
    (400, "over_krw_funds_ask"): NO,
    (400, "create_bid_error"): NO,
    (400, "create_ask_error"): NO,
    (400, "invalid_parameter"): NO,
    (400, "validation_error"): NO,
    (400, "bad_request"): NO,
    (400, "invalid_time_in_force"): NO,
    (400, "invalid_post_only"): NO,
    (400, "QUERY_PARAMETER_NOT_SUPPORTED"): NO,
    (400, "notfoundmarket"): Meaning(Refused, Refused, Unavailable, Refused),
    (404, "notfoundmarket"): Meaning(Refused, Refused, Unavailable, Refused),
    (403, "market_offline"): NO,
    # Used before says only that: the first one may stand on the book.
    (400, "duplicated_identifier"): OPEN,
    (401, "invalid_query_payload"): KEY,
    (401, "jwt_verification"): KEY,
    (401, "expired_access_key"): KEY,
    (401, "invalid_access_key"): KEY,
    (401, "no_authorization_ip"): KEY,
    (401, "no_authorization_i_p"): KEY,
    (401, "no_authorization_token"): KEY,
    (401, "out_of_scope"): KEY,
    (403, "out_of_scope"): KEY,
    # Whoever delivers a request twice makes the exchange refuse the second copy so.
    (401, "nonce_used"): OPEN,
    (404, "order_not_found"): Meaning(Ambiguous, NotFound, NotFound, Unavailable),
    # A 404 of somebody in between does not say that an order does not exist.
    (404, ""): OPEN,
    (404, "404"): Meaning(Ambiguous, Ambiguous, Unavailable, Refused),
    (400, "400"): OPEN,
    (400, "thirdparty_agreement_required"): OPEN,
    (400, "brand_new_rule"): OPEN,
    (401, "brand_new_rule"): OPEN,
    (403, ""): OPEN,
    (408, ""): OPEN,
    (409, "internal_server_error"): OPEN,
    (409, "insufficient_funds_bid"): OPEN,
    (422, "validation_error"): OPEN,
    (500, "internal_server_error"): OPEN,
    (500, "insufficient_funds_bid"): OPEN,
    (500, "order_not_found"): OPEN,
    (502, ""): OPEN,
    (503, "market_offline"): OPEN,
    (429, "too_many_requests"): Meaning(*(RateLimited,) * 4),
    (418, "blocked"): Meaning(*(RateLimited,) * 4),
}


def caught(response: httpx.Response) -> Exception:
    """Return what the SDK raises for an answer."""
    client = open_client(
        base_url="http://upbit.test",
        access_key="a",
        secret_key="s" * 40,
        transport=httpx.MockTransport(lambda _: response),
    )
    with pytest.raises(upbit.APIStatusError) as raised:
        client.accounts.list()
    return raised.value


@pytest.mark.parametrize("call", Call, ids=lambda call: call.value)
@pytest.mark.parametrize(
    ("status", "name"), TABLE, ids=[f"{status} {name}" for status, name in TABLE]
)
def test_a_failure_means_what_it_leaves_open(
    status: int, name: str, call: Call
) -> None:
    answer = refusal(name, status=status) if name else httpx.Response(status)

    error = classify(caught(answer), call=call)

    assert type(error) is getattr(TABLE[status, name], call.value)
    assert error.name in (name, "notfoundmarket")


def test_the_table_covers_every_name_we_know() -> None:
    assert {name for _, name in TABLE} >= DEFINITE_REFUSALS | KEY_REFUSALS


@pytest.mark.parametrize(
    "error",
    [TimeoutError("slow"), ValueError("odd"), httpx.ReadError("reset"), KeyError("x")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_is_no_answer_leaves_everything_open(error: Exception) -> None:
    assert type(classify(error, call=Call.ORDER)) is Ambiguous
    assert type(classify(error, call=Call.CANCEL)) is Ambiguous
    assert type(classify(error, call=Call.READ)) is Unavailable


def bodies(name: str, message: str) -> dict[str, dict[str, Any]]:
    """Return the shapes in which an answer may give its reason."""
    nested = {"error": {"name": name, "message": message}}
    return {
        "nested": {"json": nested},
        "escaped": {"content": json.dumps(nested), "headers": _JSON},
        "flat": {"json": {"name": name, "message": message}},
        "text": {"text": message},
    }


_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("shape", ["nested", "escaped", "flat", "text"])
@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("300초 후 다시 시도해주세요.", 300),
        ("blocked for 5 minutes", 300),
        ("Blocked. Retry in 30 seconds", 30),
        ("10분간 차단되었습니다", 600),
        ("1시간 뒤에", 3600),
        ("Too many API requests.", None),
    ],
)
def test_the_time_of_a_block_is_found_in_any_body(
    shape: str, message: str, seconds: int | None
) -> None:
    answer = httpx.Response(418, **bodies("blocked", message)[shape])

    error = caught(answer)

    assert stated_seconds(error) == seconds
    assert str(classify(error, call=Call.READ)) == message


@pytest.mark.parametrize(
    ("ahead", "least", "most"),
    [
        (None, 90, 90),
        (timedelta(hours=2), 7000, 7202),
        (timedelta(hours=-2), 1, 1),
    ],
    ids=["seconds", "date", "past"],
)
def test_the_header_of_a_block_comes_first(
    ahead: timedelta | None, least: int, most: int
) -> None:
    header = "90" if ahead is None else format_datetime(datetime.now(UTC) + ahead)
    answer = httpx.Response(418, text="30초", headers={"Retry-After": header})

    seconds = stated_seconds(caught(answer))

    assert seconds is not None
    assert least <= seconds <= most


def test_a_header_that_says_nothing_is_no_time() -> None:
    answer = httpx.Response(418, headers={"Retry-After": "soon"})

    assert stated_seconds(caught(answer)) is None


def test_a_page_for_people_is_no_reason() -> None:
    answer = httpx.Response(502, text="<html>down</html>")

    error = classify(caught(answer), call=Call.READ)

    assert str(error) == "HTTP 502 without a readable reason"


def test_a_reused_nonce_costs_a_read_only_a_second_try() -> None:
    answers = [refusal("nonce_used", status=401), httpx.Response(200, json=[])]
    client = open_client(
        base_url="http://upbit.test",
        access_key="a",
        secret_key="s" * 40,
        transport=httpx.MockTransport(lambda _: answers.pop(0)),
    )
    limiter = RateLimiter(redis_url=NO_REDIS, pocket="unit", rate_factor=100)

    wire = UpbitWire(client=client, limiter=limiter)
    items = wire.read(client.accounts.with_raw_response.list, list)

    assert (items, answers) == ([], [])


def test_only_refusing_statuses_are_believed() -> None:
    believed = {status for status, name in TABLE if TABLE[status, name] in (NO, KEY)}

    assert believed <= upbit_errors.REFUSING
