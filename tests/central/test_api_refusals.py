"""Bad requests of every kind: each refused in the one shape, none a crash."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from central_project.api import examples, views
from central_project.api.requests import MAX_BODY_BYTES
from tests.central.market_world import publish_run
from tests.central.test_api import problem_of

pytestmark = pytest.mark.django_db
RECOMMENDATIONS = "/api/v1/recommendations"
LEVELS = "/api/v1/support-levels/KRW-BTC"
STATUS = "/api/v1/market-status"
CANDLES = "/api/v1/candles/KRW-BTC"
BUNDLE = "/api/v1/bundle"
GETS = [RECOMMENDATIONS, LEVELS, STATUS, CANDLES]


@pytest.fixture(autouse=True)
def _published(db: None) -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC"])


# --- the query ---------------------------------------------------------------------


@pytest.mark.parametrize("address", [*GETS, "/api/v1/"])
def test_a_misspelt_parameter_is_named_not_ignored(
    reader: APIClient, address: str
) -> None:
    body = problem_of(reader.get(address, {"limt": "5"}), 400, "PARAMETER_UNKNOWN")

    assert [error["field"] for error in body["errors"]] == ["limt"]
    assert "limt" in body["detail"]


def test_a_bundle_knows_no_parameter(reader: APIClient) -> None:
    response = reader.post(f"{BUNDLE}?limit=5", {"market_status": True})

    assert "no parameter" in problem_of(response, 400, "PARAMETER_UNKNOWN")["detail"]


def test_a_parameter_given_twice_is_refused(reader: APIClient) -> None:
    response = reader.get(f"{RECOMMENDATIONS}?limit=1&limit=2")

    assert "twice" in problem_of(response, 400, "PARAMETER_UNKNOWN")["detail"]


def test_a_long_list_of_nonsense_gets_a_short_answer(reader: APIClient) -> None:
    query = "&".join(f"{'x' * 200}{i}=1" for i in range(100))

    response = reader.get(f"{STATUS}?{query}")

    problem_of(response, 400, "PARAMETER_UNKNOWN")
    assert len(response.content) < 5_000


# --- the path ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail", ["KRW-%00", "KRW-BTC%00", "%ff%fe", "KRW-%ED%A0%80", "A" * 3000, "%20", "."]
)
@pytest.mark.parametrize("stem", ["support-levels", "candles"])
def test_a_path_that_is_no_symbol_is_refused(
    reader: APIClient, stem: str, tail: str
) -> None:
    problem_of(reader.get(f"/api/v1/{stem}/{tail}"), 400, "SYMBOL_MALFORMED")


@pytest.mark.parametrize("symbol", ["krw-btc", "Krw-Btc", "KRW-btc"])
def test_a_lower_case_symbol_is_told_its_upper_case(
    reader: APIClient, symbol: str
) -> None:
    response = reader.get(f"/api/v1/support-levels/{symbol}")

    detail = problem_of(response, 400, "SYMBOL_MALFORMED")["detail"]
    assert detail == "Symbols are upper case: KRW-BTC."


@pytest.mark.parametrize(
    "address",
    ["/api/nothing", "/api/v1/nothing", "/api/v1/support-levels/", "/api/v1/%ff",
     "/api/v1/support-levels/KRW-BTC/", "/api/v1/support-levels/KRW%2FBTC",
     "/api/v2/market-status"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_that_does_not_exist_is_a_problem(
    reader: APIClient, method: str, address: str
) -> None:
    problem_of(reader.generic(method, address), 404, "NOT_FOUND")


def test_outside_the_api_people_keep_their_pages(client: Client) -> None:
    response = client.get("/nothing")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


# --- the body ----------------------------------------------------------------------


class Endless(io.RawIOBase):
    """A body without end that counts what was read of it."""

    read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "the whole body was asked for"
        self.read_bytes += size
        return b" " * size


def send_open(reader: APIClient, stream: Any, **environ: Any) -> Any:
    """Post *stream* as a server hands a body on whose length nobody announced."""
    unknown = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True} | environ
    return reader.generic(
        "POST", BUNDLE, content_type="application/json",
        **{"wsgi.input": stream}, **unknown,
    )  # fmt: skip


def test_ten_megabytes_are_refused_without_reading_them(reader: APIClient) -> None:
    body = Endless()

    response = send_open(reader, body, CONTENT_LENGTH=str(10 * 1024 * 1024))

    problem_of(response, 413, "BODY_TOO_LARGE")
    assert body.read_bytes == 0


def test_a_body_without_announced_length_is_read_to_the_limit(
    reader: APIClient,
) -> None:
    body = Endless()

    response = send_open(reader, body)

    problem_of(response, 413, "BODY_TOO_LARGE")
    assert body.read_bytes <= MAX_BODY_BYTES + 1


def test_a_chunked_body_is_understood(reader: APIClient) -> None:
    response = send_open(reader, io.BytesIO(b'{"market_status": true}'))

    assert response.status_code == 200, response.content
    assert response.json()["market_status"]["phase"] == "normal"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"market_status": tru',
        '{"market_status": true}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"\x00",
        b'{"recommendations": {"limit": %s}}' % (b"9" * 5000),
        b'{"recommendations": {"limit": Infinity}}',
    ],
)
def test_json_that_is_broken_or_a_trap_is_refused(
    reader: APIClient, body: bytes
) -> None:
    response = reader.generic("POST", BUNDLE, body, content_type="application/json")

    problem_of(response, 400, "JSON_MALFORMED")


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"\\ud800": 1}',
        '{"\\u0000": 1}',
        '{"%s": 1}' % ("k" * 60_000),
        '{"known_run_id": "\\ud800"}',
        '{"recommendations": {"limit": 1e400}}',
        '{"recommendations": {"limit": -1}}',
        '{"recommendations": {"limit": 100000000000000000000}}',
        '{"support_levels": ["krw-btc"]}',
        '{"support_levels": ["KRW-BTC\\u0000"]}',
        json.dumps({"support_levels": [f"KRW-A{i}" for i in range(61)]}),
        json.dumps({"support_levels": ["KRW-BTC"] * 61}),
    ],
)
def test_a_body_that_asks_for_what_cannot_be_is_refused(
    reader: APIClient, body: str
) -> None:
    response = reader.generic("POST", BUNDLE, body, content_type="application/json")

    problem_of(response, 400, "BUNDLE_INVALID")
    assert len(response.content) < 10_000


def test_a_symbol_named_twice_comes_once(reader: APIClient) -> None:
    response = reader.post(BUNDLE, {"support_levels": ["KRW-BTC"] * 60})

    assert list(response.json()["support_levels"]) == ["KRW-BTC"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonp", ""],
)  # fmt: skip
def test_a_body_of_another_type_is_refused(
    reader: APIClient, content_type: str
) -> None:
    response = reader.generic("POST", BUNDLE, "{}", content_type=content_type)

    problem_of(response, 415, "JSON_EXPECTED")


# --- methods, headers, hosts ---------------------------------------------------------


@pytest.mark.parametrize("address", GETS)
def test_head_is_get_without_the_body(reader: APIClient, address: str) -> None:
    get, head = reader.get(address), reader.head(address)

    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control"):
        assert head[name] == get[name]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_other_methods_name_those_that_are_known(
    reader: APIClient, method: str
) -> None:
    response = reader.generic(method, STATUS)

    problem_of(response, 405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_options_describes_the_address(reader: APIClient) -> None:
    response = reader.options(BUNDLE)

    assert response.status_code == 200
    assert response["Allow"] == "POST, OPTIONS"


def test_an_answer_nobody_makes_is_not_acceptable(reader: APIClient) -> None:
    response = reader.get(STATUS, headers={"Accept": "application/xml"})

    problem_of(response, 406, "NOT_ACCEPTABLE")


def test_a_foreign_host_is_refused_in_the_same_shape(reader: APIClient) -> None:
    response = reader.get(STATUS, headers={"Host": "evil.example"})

    problem_of(response, 400, "REQUEST_MALFORMED")


@pytest.mark.parametrize("address", ["/api/schema", "/api/docs", "/api/redoc"])
def test_the_documents_refuse_in_the_same_shape(client: Client, address: str) -> None:
    problem_of(client.delete(address), 405, "METHOD_NOT_ALLOWED")


# --- our own faults ------------------------------------------------------------------


@pytest.fixture
def unlucky(reader: APIClient) -> APIClient:
    """A client that gets the 500 instead of the exception."""
    reader.raise_request_exception = False
    return reader


@pytest.mark.parametrize("place", ["run_for", "dispatch"])
def test_a_fault_of_ours_tells_the_request_id_and_nothing_else(
    unlucky: APIClient, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(views.MarketStatusView, place, fail)

    response = unlucky.get(STATUS, headers={"X-Request-ID": "mine-12345"})

    body = problem_of(response, 500, "INTERNAL")
    assert body["request_id"] == "mine-12345"
    assert "hunter2" not in response.content.decode()


def test_the_described_errors_are_those_that_are_sent(reader: APIClient) -> None:
    sent = {
        "PARAMETER_UNKNOWN": reader.get(f"{RECOMMENDATIONS}?limt=1"),
        "LIMIT_OUT_OF_RANGE": reader.get(f"{RECOMMENDATIONS}?limit=0"),
        "SYMBOL_MALFORMED": reader.get("/api/v1/candles/krw-btc"),
        "AS_OF_INVALID": reader.get(f"{STATUS}?as_of=x"),
        "JSON_MALFORMED": reader.generic(
            "POST", BUNDLE, "{", content_type="application/json"
        ),
        "BUNDLE_INVALID": reader.post(
            BUNDLE, {"support_levels": [f"KRW-A{i}" for i in range(61)]}
        ),
        "API_KEY_MISSING": APIClient().get(STATUS),
        "UNKNOWN_SYMBOL": reader.get("/api/v1/support-levels/KRW-NOPE"),
        "NOT_ACCEPTABLE": reader.get(STATUS, headers={"Accept": "text/x"}),
        "JSON_EXPECTED": reader.generic("POST", BUNDLE, "x", content_type="text/x"),
        "BODY_TOO_LARGE": reader.generic(
            "POST", BUNDLE, "x" * 70_000, content_type="application/json"
        ),
    }

    for code, response in sent.items():
        status, detail = examples.PROBLEMS[code]
        assert problem_of(response, status, code)["detail"] == detail
