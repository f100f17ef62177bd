"""Whose prices a kept installation trades on is decided once and never changes silently."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import paper_prices
from deploy.paper_prices import (
    SYNTHETIC,
    UPBIT,
    PricesRefused,
    decide,
    keep_source,
    kept_source,
    why_unreadable,
)

OTHER = "http://127.0.0.1:8100"


def reachable(url: str) -> str | None:
    return None


def unreachable(url: str) -> str | None:
    return "Name or service not known"


def never_asked(url: str) -> str | None:
    raise AssertionError(f"{url} was asked")


# --- the first start ------------------------------------------------------------------


def test_a_new_installation_trades_on_real_prices_where_the_network_allows() -> None:
    prices = decide(chosen=None, kept=None, why_not=reachable)

    assert prices.upstream == UPBIT
    assert prices.message == "Paper trading on Upbit's real prices."


def test_where_it_does_not_the_owner_is_told_what_failed_and_how_to_change() -> None:
    prices = decide(chosen=None, kept=None, why_not=unreachable)

    assert prices.upstream is None
    for part in (UPBIT, "Name or service not known", "SYNTHETIC", ".run/up", "make up"):
        assert part in prices.message


def test_a_synthetic_market_can_be_chosen_without_touching_the_network() -> None:
    prices = decide(chosen=SYNTHETIC, kept=None, why_not=never_asked)

    assert prices.upstream is None


def test_chosen_prices_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(PricesRefused, match="Name or service not known") as caught:
        decide(chosen=OTHER, kept=None, why_not=unreachable)

    assert "PAPER_PRICES=synthetic" in str(caught.value)


def test_another_exchange_can_be_chosen() -> None:
    prices = decide(chosen=OTHER, kept=None, why_not=reachable)

    assert prices.upstream == OTHER
    assert OTHER in prices.message


# --- later starts ---------------------------------------------------------------------


@pytest.mark.parametrize("kept", [SYNTHETIC, UPBIT, OTHER])
@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_later_start_goes_on_with_the_same_prices(
    kept: str, is_repeated: bool
) -> None:
    prices = decide(chosen=kept if is_repeated else None, kept=kept, why_not=reachable)

    assert prices.source == kept
    assert not prices.away


@pytest.mark.parametrize(
    ("kept", "chosen"),
    [(SYNTHETIC, UPBIT), (UPBIT, SYNTHETIC), (UPBIT, OTHER), (OTHER, UPBIT)],
)
def test_prices_are_never_changed_under_bots_and_orders(kept: str, chosen: str) -> None:
    with pytest.raises(PricesRefused, match=r"make stop, then move \.run/up away"):
        decide(chosen=chosen, kept=kept, why_not=reachable)


def test_a_synthetic_installation_never_touches_the_network() -> None:
    assert decide(chosen=None, kept=SYNTHETIC, why_not=never_asked).upstream is None


def test_an_upstream_that_is_away_later_stops_nothing_but_is_said() -> None:
    prices = decide(chosen=None, kept=UPBIT, why_not=unreachable)

    assert prices.upstream == UPBIT
    assert prices.away
    for part in (UPBIT, "Name or service not known", "stale"):
        assert part in prices.message


def test_the_decision_is_kept_in_the_installation(tmp_path: Path) -> None:
    new = kept_source(tmp_path)

    keep_source(tmp_path, OTHER)

    assert new is None
    assert kept_source(tmp_path) == OTHER


def test_an_installation_from_before_the_choice_is_synthetic(tmp_path: Path) -> None:
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "journal.jsonl").touch()

    assert kept_source(tmp_path) == SYNTHETIC


# --- whether an exchange can be read --------------------------------------------------


@contextmanager
def serving(body: bytes, *, status: int = 200) -> Iterator[str]:
    """Serve one answer to everything; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_exchange_that_lists_markets_can_be_read() -> None:
    with serving(b'[{"market": "KRW-BTC"}]') as url:
        assert why_unreadable(url) is None


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"<html>sign in</html>", 200, "no exchange answers there"),
        (b"[]", 200, "no exchange answers there"),
        (b'{"market": 1}', 200, "no exchange answers there"),
        (b"[1]", 200, "no exchange answers there"),
        (b"{}", 503, "it answered 503"),
    ],
)
def test_what_is_no_exchange_is_not_taken_for_one(
    body: bytes, status: int, why: str
) -> None:
    with serving(body, status=status) as url:
        assert why in (why_unreadable(url) or "")


def test_a_refused_connection_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert "refused" in (why_unreadable(f"http://127.0.0.1:{port}") or "")


def test_a_name_that_cannot_be_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert why_unreadable(UPBIT) == "Name or service not known"


@pytest.mark.parametrize("slow", ["name", "answer"])
def test_nobody_waits_long_for_an_answer(
    monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    monkeypatch.setattr(paper_prices, "PROBE_SECONDS", 0.2)
    released = threading.Event()

    def slow_name(*_: Any) -> None:
        released.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    if slow == "name":
        monkeypatch.setattr(socket, "getaddrinfo", slow_name)
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        why = why_unreadable(f"http://127.0.0.1:{server.getsockname()[1]}")
    took = time.monotonic() - begin
    released.set()

    assert why in ("no answer within 0.2 seconds", "timed out")
    assert took < 15
