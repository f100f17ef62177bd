"""Only a well-signed, fresh and complete call is let in, in Upbit's words."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from deploy.simulator.rest.auth import Caller, KeyRing, Scope
from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.rest.parameters import (
    FORM,
    NOTHING,
    Parameters,
    from_json,
    from_query,
    read_parameters,
)

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
SECRET = "s" * 64
OTHER = "t" * 64
HOME = "127.0.0.1"


def _ring(**more: Any) -> KeyRing:
    ring = KeyRing()
    ring.add(access_key="access", secret=SECRET, now=NOW, **more)
    return ring


def _header(
    text: str = "", *, secret: str = SECRET, alg: str = "HS256", **more: Any
) -> str:
    claims = {"access_key": "access", "nonce": str(uuid4()), **more}
    if text:
        claims["query_hash"] = hashlib.sha512(text.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return "Bearer " + jwt.encode(claims, secret, algorithm=alg)


def _caller(
    ring: KeyRing, header: str | None, *, address: str = HOME, now: datetime = NOW
) -> Caller:
    return ring.authenticate(header=header, address=address, now=now)


def _refusal(ring: KeyRing, header: str | None, **call: Any) -> str:
    with pytest.raises(UpbitProblem) as problem:
        _caller(ring, header, **call)
    assert problem.value.status == 401
    return str(problem.value.name)


def _accepts(signed: str, asked: Parameters) -> bool:
    try:
        _caller(_ring(), _header(signed)).check_hash(asked=asked)
    except UpbitProblem as problem:
        return (problem.status, problem.name) != (401, "invalid_query_payload")
    return True


@pytest.mark.parametrize("alg", ["HS256", "HS512"])
def test_both_signatures_that_clients_use_are_accepted(alg: str) -> None:
    caller = _caller(_ring(), _header(alg=alg))

    assert caller.key.pocket == "access"


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("market=KRW-BTC&state=wait", "market=KRW-BTC&state=wait"),
        ("uuids%5B%5D=a&uuids%5B%5D=b", "uuids[]=a&uuids[]=b"),
        ("uuids[]=a&uuids[]=b", "uuids[]=a&uuids[]=b"),
        ("to=2025-07-01T00%3A00%3A00%2B09%3A00", "to=2025-07-01T00:00:00+09:00"),
        ("pairs=KRW-BTC%2CKRW-ETH", "pairs=KRW-BTC,KRW-ETH"),
        ("name=a%20b", "name=a b"),
        ("name=a+b", "name=a b"),
        ("name=a%20b", "name=a+b"),
    ],
)
def test_queries_are_hashed_unencoded_and_in_order(query: str, signed: str) -> None:
    assert _accepts(signed, from_query(query))


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("market=KRW-BTC&state=wait", "state=wait&market=KRW-BTC"),
        ("to=12%3A00", "to=12%3A00"),
        ("market=KRW-BTC", "market=KRW-ETH"),
        ("market=KRW-BTC", ""),
        ("market=", ""),
    ],
)
def test_a_query_that_was_not_signed_as_it_is_sent_is_refused(
    query: str, signed: str
) -> None:
    assert not _accepts(signed, from_query(query))


def test_a_body_is_hashed_as_its_pairs_in_its_order() -> None:
    body = json.dumps(
        {"volume": 1, "market": "KRW-BTC", "price": 5000.50, "ids": ["a", "b"]}
    ).encode()

    text = "volume=1&market=KRW-BTC&price=5000.5&ids[]=a&ids[]=b"
    assert _accepts(text, from_json(body))
    assert not _accepts("market=KRW-BTC&volume=1", from_json(body))


@pytest.mark.parametrize("signed", ["price=null&test=true", "price=None&test=True"])
def test_null_and_true_may_be_hashed_as_the_clients_language_writes_them(
    signed: str,
) -> None:
    assert _accepts(signed, from_json(b'{"price": null, "test": true}'))


def test_only_sha512_is_a_query_hash() -> None:
    digest = hashlib.sha256(b"market=KRW-BTC").hexdigest()
    header = _header(query_hash=digest, query_hash_alg="SHA256")

    with pytest.raises(UpbitProblem, match="query_hash"):
        _caller(_ring(), header).check_hash(asked=from_query("market=KRW-BTC"))


def test_a_call_without_parameters_needs_no_hash() -> None:
    _caller(_ring(), _header()).check_hash(asked=NOTHING)
    _caller(_ring(), _header("left=over")).check_hash(asked=NOTHING)


def test_refusals_carry_upbits_names() -> None:
    ring, late = _ring(allowed_ips=(HOME,)), NOW + timedelta(days=366)

    assert _refusal(ring, None) == "no_authorization_token"
    assert _refusal(ring, "Basic x") == "no_authorization_token"
    assert _refusal(ring, "Bearer rubbish") == "jwt_verification"
    assert _refusal(ring, _header(access_key="who")) == "invalid_access_key"
    assert _refusal(ring, _header(secret=OTHER)) == "jwt_verification"
    assert _refusal(ring, _header(alg="HS384")) == "jwt_verification"
    assert _refusal(ring, _header(), now=late) == "expired_access_key"
    assert _refusal(ring, _header(), address="10.0.0.1") == "no_authorization_ip"
    assert _refusal(ring, _header(nonce="")) == "jwt_verification"
    assert _refusal(ring, _header(nonce=5)) == "jwt_verification"


def test_the_first_thing_that_is_wrong_is_told() -> None:
    ring, late = _ring(allowed_ips=("10.0.0.1",)), NOW + timedelta(days=366)
    used = _header(nonce="once")
    _caller(ring, used, address="10.0.0.1")

    wrong_everywhere = _header(secret=OTHER, access_key="who", nonce="once")
    assert _refusal(ring, wrong_everywhere, now=late) == "invalid_access_key"
    wrong_signature = _header(secret=OTHER, nonce="once")
    assert _refusal(ring, wrong_signature, now=late) == "jwt_verification"
    assert _refusal(ring, used, now=late) == "expired_access_key"
    assert _refusal(ring, used) == "no_authorization_ip"
    assert _refusal(ring, used, address="10.0.0.1") == "nonce_used"


def test_a_nonce_works_once_for_a_day_and_key() -> None:
    ring, header = _ring(), _header(nonce="only-once")
    ring.add(access_key="other", secret=SECRET, now=NOW)
    _caller(ring, header)

    assert _refusal(ring, header) == "nonce_used"
    assert _refusal(ring, header, now=NOW + timedelta(hours=23)) == "nonce_used"
    _caller(ring, _header(nonce="one-more"), now=NOW + timedelta(hours=25))
    assert _refusal(ring, header, now=NOW + timedelta(hours=25)) == "nonce_used"
    _caller(ring, _header(nonce="only-once", access_key="other"))


def test_nonces_are_forgotten_in_the_end() -> None:
    ring, header = _ring(), _header(nonce="only-once")
    _caller(ring, header)
    _caller(ring, _header(), now=NOW + timedelta(hours=24))

    _caller(ring, header, now=NOW + timedelta(hours=48))


def test_an_unsigned_token_is_refused() -> None:
    token = jwt.encode({"access_key": "access", "nonce": "n"}, "", algorithm="none")

    assert _refusal(_ring(), f"Bearer {token}") == "jwt_verification"


def test_a_revoked_key_is_unknown() -> None:
    ring = _ring()

    ring.revoke(access_key="access")

    assert _refusal(ring, _header()) == "invalid_access_key"
    with pytest.raises(KeyError, match="no key access"):
        ring.revoke(access_key="access")


def test_a_key_may_do_only_what_it_was_made_for() -> None:
    trading = _caller(_ring(), _header())
    reading = _caller(_ring(scopes=[Scope.VIEW_ORDERS]), _header())

    trading.check_scope(needed=Scope.MAKE_ORDERS)
    reading.check_scope(needed=None)
    for caller, scope in (
        (trading, Scope.VIEW_WITHDRAWALS),
        (trading, Scope.MANAGE_POCKETS),
        (reading, Scope.MAKE_ORDERS),
    ):
        with pytest.raises(UpbitProblem) as problem:
            caller.check_scope(needed=scope)
        assert (problem.value.status, problem.value.name) == (401, "out_of_scope")


def test_keys_of_one_pocket_are_told_together() -> None:
    ring = _ring()
    ring.add(access_key="second", secret=OTHER, now=NOW, pocket="access")
    ring.add(access_key="elsewhere", secret=OTHER, now=NOW)

    keys = ring.of_pocket(pocket="access")

    assert [key.access_key for key in keys] == ["access", "second"]


def test_a_secret_never_shows_in_a_representation() -> None:
    ring = _ring()

    assert SECRET not in repr(ring.key(access_key="access"))
    assert SECRET not in repr(_caller(ring, _header()))


def _read(method: str, *, lenient: bool = True, **sent: Any) -> Parameters:
    call = {"query": "", "body": b"", "content_type": "application/json", **sent}
    return read_parameters(method=method, lenient=lenient, **call)


def test_bodies_are_read_where_some_clients_send_them() -> None:
    form = {"body": b"uuid=a&market=KRW-BTC", "content_type": FORM}
    body = {"body": b'{"uuid": "a"}'}

    assert _read("GET", **form).one("uuid") == "a"
    assert _read("DELETE", **body).one("uuid") == "a"
    assert _read("GET", query="uuid=b", **form).one("uuid") == "b"
    assert _read("GET", lenient=False, **form) == NOTHING
    with pytest.raises(UpbitProblem) as problem:
        _read("DELETE", lenient=False, **body)
    assert problem.value.name == "QUERY_PARAMETER_NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"market=KRW-BTC", FORM),
        (b'{"market": "KRW-BTC"}', FORM),
        (b"market=KRW-BTC", "application/json"),
        (b'[["market", "KRW-BTC"]]', "application/json"),
        (b'{"market": {"name": "KRW-BTC"}}', "application/json"),
        (b'{"market": [["KRW-BTC"]]}', "application/json"),
        (b'{"identifier": "\\ud800"}', "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 60_000, "application/json"),
    ],
)
def test_a_post_is_asked_in_a_flat_json_object(body: bytes, content_type: str) -> None:
    with pytest.raises(UpbitProblem) as problem:
        _read("POST", body=body, content_type=content_type)

    assert (problem.value.status, problem.value.name) == (400, "bad_request")


def test_lists_come_with_brackets_without_or_with_commas() -> None:
    assert from_query("uuids%5B%5D=a&uuids[]=b").many("uuids") == ["a", "b"]
    assert from_query("states=a&states=b").many("states") == ["a", "b"]
    assert from_query("pairs=a,b&pairs=").many("pairs") == ["a", "b"]
    assert from_json(b'{"uuids": ["a", "b"]}').many("uuids") == ["a", "b"]


def test_a_parameter_given_twice_counts_as_the_last() -> None:
    assert from_query("uuid=a&uuid=b").one("uuid") == "b"
    assert from_json(b'{"uuid": "a", "uuid": "b"}').one("uuid") == "b"


def test_numbers_and_words_outside_what_is_known_are_refused() -> None:
    asked = from_query("limit=101&page=x&order_by=up&count=%C2%B2&empty=")

    for read in (
        lambda: asked.number("limit", default=1, most=100),
        lambda: asked.number("page", default=1, most=100),
        lambda: asked.number("count", default=1, most=100),
        lambda: asked.choice("order_by", "desc", "asc"),
    ):
        with pytest.raises(UpbitProblem) as problem:
            read()
        assert problem.value.name == "invalid_parameter"
    assert asked.number("empty", default=7, most=100) == 7
    assert asked.choice("absent", "desc", "asc") == "desc"
