"""Order calls of the Upbit adapter: sent once, and named by what they leave open."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from tests.unit.upbit_stub import StubUpbit, order, refusal, sent_body
from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeError,
    KeyRefused,
    NotFound,
    RateLimited,
    Refused,
)
from user_project.trading.orders import OrderKind, OrderRequest, Outcome, Side

LIMIT_BUY = OrderRequest(
    identifier="ours-1",
    market="KRW-BTC",
    side=Side.BID,
    kind=OrderKind.LIMIT,
    price=Decimal("1E+8"),
    volume=Decimal("0.00010"),
)
MARKET_BUY = OrderRequest(
    identifier="ours-2",
    market="KRW-BTC",
    side=Side.BID,
    kind=OrderKind.MARKET,
    funds=Decimal("6000"),
)
MARKET_SELL = OrderRequest(
    identifier="ours-3",
    market="KRW-BTC",
    side=Side.ASK,
    kind=OrderKind.MARKET,
    volume=Decimal("0.00000001"),
)
HTML = httpx.Response(
    200, text="<html>maintenance</html>", headers={"content-type": "text/html"}
)
BROKEN_JSON = httpx.Response(
    201, content=b'{"uuid": ', headers={"content-type": "application/json"}
)


def raising(error: type[httpx.TransportError]) -> object:
    """Return an answer that fails below HTTP."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise error("planned", request=request)

    return fail


FAILURES = {
    "read timeout": (raising(httpx.ReadTimeout), Ambiguous),
    "connect timeout": (raising(httpx.ConnectTimeout), Ambiguous),
    "connection reset": (raising(httpx.ReadError), Ambiguous),
    "server closed": (raising(httpx.RemoteProtocolError), Ambiguous),
    "429": (refusal("too_many_requests", status=429), RateLimited),
    "429 plain text": (httpx.Response(429, text="Too many API requests."), RateLimited),
    "418": (refusal("blocked", status=418), RateLimited),
    "409": (refusal("conflict", status=409), Ambiguous),
    "500": (refusal("internal_server_error", status=500), Ambiguous),
    "503 asks to retry": (
        httpx.Response(503, headers={"x-should-retry": "true", "retry-after": "0"}),
        Ambiguous,
    ),
    "refusal inside a 500": (refusal("insufficient_funds_bid", status=500), Ambiguous),
    "redirect": (
        httpx.Response(307, headers={"location": "http://upbit.test/v1/elsewhere"}),
        Ambiguous,
    ),
    "broken JSON": (BROKEN_JSON, Ambiguous),
    "HTML with 200": (HTML, Ambiguous),
    "empty 201": (httpx.Response(201), Ambiguous),
    "a list": (httpx.Response(201, json=[]), Ambiguous),
    "no uuid": (httpx.Response(201, json=order(uuid=None)), Ambiguous),
    "someone else's order": (
        httpx.Response(201, json=order(identifier="other")),
        Ambiguous,
    ),
    "no identifier": (httpx.Response(201, json=order(identifier=None)), Ambiguous),
    "no creation time": (httpx.Response(201, json=order(created_at=None)), Ambiguous),
    "duplicated identifier": (refusal("duplicated_identifier"), Ambiguous),
    "used nonce": (refusal("nonce_used", status=401), Ambiguous),
    "market offline": (refusal("market_offline", status=403), Refused),
    "unheard-of name": (refusal("brand_new_rule"), Ambiguous),
    "no funds": (refusal("insufficient_funds_bid"), Refused),
    "off tick": (refusal("invalid_price_bid"), Refused),
    "below minimum": (refusal("under_min_total_bid"), Refused),
    "unknown market": (refusal("notfoundmarket", status=404), Refused),
    "expired key": (refusal("expired_access_key", status=401), KeyRefused),
    "wrong address": (refusal("no_authorization_ip", status=401), KeyRefused),
    "missing right": (refusal("out_of_scope", status=403), KeyRefused),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_order_leaves_once_whatever_fails(failure: str) -> None:
    answer, meaning = FAILURES[failure]
    exchange = StubUpbit()
    exchange.on("POST", "/v1/orders", answer)

    with pytest.raises(ExchangeError) as caught:
        exchange.adapter().place_limit_order(request=LIMIT_BUY)

    assert type(caught.value) is meaning
    assert [request.method for request in exchange.requests] == ["POST"]


@pytest.mark.parametrize(
    "remaining", [None, "group=exchange.order; min=1800; sec=0", "nonsense", "group=;"]
)
def test_an_odd_remaining_header_harms_no_order(remaining: str | None) -> None:
    exchange = StubUpbit()
    headers = {} if remaining is None else {"Remaining-Req": remaining}
    exchange.on_json("POST", "/v1/orders", order(), status_code=201, headers=headers)

    view = exchange.adapter().place_limit_order(request=LIMIT_BUY)

    assert view.uuid == order()["uuid"]
    assert exchange.count("POST") == 1


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            LIMIT_BUY,
            {
                "ord_type": "limit",
                "side": "bid",
                "price": "100000000",
                "volume": "0.0001",
            },
        ),
        (MARKET_BUY, {"ord_type": "price", "side": "bid", "price": "6000"}),
        (MARKET_SELL, {"ord_type": "market", "side": "ask", "volume": "0.00000001"}),
    ],
    ids=["limit buy", "market buy", "market sell"],
)
def test_the_body_names_only_what_the_kind_needs(
    request_: OrderRequest, expected: dict[str, str]
) -> None:
    exchange = StubUpbit()
    answer = order(identifier=request_.identifier)
    exchange.on_json("POST", "/v1/orders", answer, status_code=201)
    adapter = exchange.adapter()

    if request_.kind is OrderKind.MARKET:
        adapter.place_market_order(request=request_)
    else:
        adapter.place_limit_order(request=request_)

    assert sent_body(exchange.requests[0]) == {
        "market": "KRW-BTC",
        "identifier": request_.identifier,
        "smp_type": "cancel_taker",
        **expected,
    }


@pytest.mark.parametrize("field", ["price", "volume"])
def test_an_incomplete_limit_order_is_never_sent(field: str) -> None:
    exchange = StubUpbit()
    fields = {"price": Decimal(100), "volume": Decimal(1), field: None}
    request = OrderRequest(
        identifier="ours-1",
        market="KRW-BTC",
        side=Side.BID,
        kind=OrderKind.LIMIT,
        **fields,
    )

    with pytest.raises(ValueError, match=field):
        exchange.adapter().place_limit_order(request=request)

    assert exchange.requests == []


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (refusal("order_not_found", status=404), NotFound),
        (refusal("internal_server_error", status=500), Ambiguous),
        (raising(httpx.ReadTimeout), Ambiguous),
        (refusal("too_many_requests", status=429), RateLimited),
        (refusal("out_of_scope", status=403), KeyRefused),
    ],
)
def test_a_cancel_leaves_once_too(answer: object, meaning: type[ExchangeError]) -> None:
    exchange = StubUpbit()
    exchange.on("DELETE", "/v1/order", answer)  # type: ignore[arg-type]

    with pytest.raises(meaning):
        exchange.adapter().cancel_order(uuid="u-1")

    assert [request.method for request in exchange.requests] == ["DELETE"]
    assert exchange.requests[0].url.params["uuid"] == "u-1"


def test_a_market_buy_names_funds_and_splits_its_fee_exactly() -> None:
    exchange = StubUpbit()
    trades = [
        {
            "market": "KRW-BTC",
            "uuid": f"trade-{number}",
            "price": "160594000",
            "volume": volume,
            "funds": funds,
            "created_at": "2026-11-01T09:00:00.597751+09:00",
        }
        for number, volume, funds in (
            (1, "0.00002000", "3211.88"),
            (2, "0.00001736", "2787.91184"),
        )
    ]
    exchange.on_json(
        "GET",
        "/v1/order",
        order(
            ord_type="price",
            state="cancel",
            price="6000",
            volume=None,
            remaining_volume=None,
            executed_volume="0.00003736",
            paid_fee="2.99989592",
            trades_count=2,
            trades=trades,
        ),
    )

    view = exchange.adapter().get_order(identifier="ours-1")

    assert view.outcome is Outcome.FILLED
    assert (view.price, view.funds, view.volume) == (None, Decimal(6000), None)
    assert view.trades is not None
    assert sum(trade.fee for trade in view.trades) == Decimal("2.99989592")
    assert view.trades[0].traded_at.isoformat() == "2026-11-01T00:00:00.597751+00:00"
