"""Only a well-signed, fresh and complete call is let in, in Upbit's words."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from deploy.simulator.auth import KeyRing
from deploy.simulator.errors import UpbitProblem
from deploy.simulator.limits import RateLimits

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
SECRET = "s" * 64
OTHER = "t" * 64


def _ring() -> KeyRing:
    ring = KeyRing()
    ring.add(access_key="access", secret=SECRET, now=NOW)
    return ring


def _header(
    text: str = "", *, secret: str = SECRET, alg: str = "HS256", **more: Any
) -> str:
    claims = {"access_key": "access", "nonce": str(uuid4()), **more}
    if text:
        claims["query_hash"] = hashlib.sha512(text.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return "Bearer " + jwt.encode(claims, secret, algorithm=alg)


def _refusal(ring: KeyRing, header: str | None, **call: Any) -> str:
    call = {"query": "", "body": b"", "now": NOW, **call}
    with pytest.raises(UpbitProblem) as problem:
        ring.authenticate(header=header, **call)
    return str(problem.value.name)


@pytest.mark.parametrize("alg", ["HS256", "HS512"])
@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("", ""),
        ("market=KRW-BTC&state=wait", "market=KRW-BTC&state=wait"),
        ("uuids%5B%5D=a&uuids%5B%5D=b", "uuids[]=a&uuids[]=b"),
        ("to=2025-07-01T00%3A00%3A00%2B09%3A00", "to=2025-07-01T00:00:00+09:00"),
        ("name=a%20b", "name=a b"),
        ("name=a+b", "name=a b"),
        ("name=a%20b", "name=a+b"),
    ],
)
def test_queries_are_hashed_unencoded_and_in_order(
    alg: str, query: str, signed: str
) -> None:
    caller = _ring().authenticate(
        header=_header(signed, alg=alg), query=query, body=b"", now=NOW
    )

    assert caller == "access"


def test_a_body_is_hashed_as_its_pairs() -> None:
    body = json.dumps({"market": "KRW-BTC", "price": "5000.5", "volume": 1}).encode()

    caller = _ring().authenticate(
        header=_header("market=KRW-BTC&price=5000.5&volume=1"),
        query="",
        body=body,
        now=NOW,
    )

    assert caller == "access"


def test_refusals_carry_upbits_names() -> None:
    ring, query = _ring(), "market=KRW-BTC"
    late = NOW + timedelta(days=366)

    assert _refusal(ring, None) == "no_authorization_token"
    assert _refusal(ring, "Basic x") == "no_authorization_token"
    assert _refusal(ring, "Bearer rubbish") == "jwt_verification"
    assert _refusal(ring, _header(access_key="who")) == "invalid_access_key"
    assert _refusal(ring, _header(secret=OTHER)) == "jwt_verification"
    assert _refusal(ring, _header(), now=late) == "expired_access_key"
    assert _refusal(ring, _header(nonce="")) == "nonce_used"
    assert _refusal(ring, _header(), query=query) == "invalid_query_payload"
    assert _refusal(ring, _header("market=KRW-ETH"), query=query) == (
        "invalid_query_payload"
    )


def test_a_nonce_works_once_for_a_day() -> None:
    ring, header = _ring(), _header(nonce="only-once")
    ring.authenticate(header=header, query="", body=b"", now=NOW)

    assert _refusal(ring, header) == "nonce_used"
    assert _refusal(ring, header, now=NOW + timedelta(hours=23)) == "nonce_used"


def test_an_unsigned_token_is_refused() -> None:
    token = jwt.encode({"access_key": "access", "nonce": "n"}, "", algorithm="none")

    assert _refusal(_ring(), f"Bearer {token}") == "jwt_verification"


def test_a_secret_never_shows_in_a_representation() -> None:
    key = _ring().key(access_key="access")

    assert SECRET not in repr(key)


def test_a_group_allows_its_number_of_calls_each_second() -> None:
    limits = RateLimits()

    left = [limits.take(group="order", who="a", now_ms=5_000 + i) for i in range(13)]

    assert left == [*range(11, -1, -1), None]
    assert limits.take(group="order", who="b", now_ms=5_100) == 11
    assert limits.take(group="default", who="a", now_ms=5_100) == 29
    assert limits.take(group="order", who="a", now_ms=6_000) == 11


def test_the_rate_factor_scales_every_group() -> None:
    limits = RateLimits(factor=10)

    assert limits.take(group="candle", who="a", now_ms=0) == 99
    assert limits.header(group="candle", left=99) == "group=candle; min=6000; sec=99"
