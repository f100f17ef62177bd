"""Whose prices the paper exchange of a kept installation shows: decided once, then kept.

Bots and orders live on one market; another source of prices under them would turn every
average, support level and open order into nonsense without anybody noticing.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from deploy.simulator.upstream.rest import proxy_of

UPBIT: Final = "https://api.upbit.com"
SYNTHETIC: Final = "synthetic"
PROBE_SECONDS: Final = 4.0
_FILE: Final = "prices"

WhyNot = Callable[[str], str | None]


class PricesRefused(Exception):
    """The wanted prices cannot be had; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The decision, and what the owner is told of it."""

    source: str
    """SYNTHETIC or the address of an exchange."""
    message: str
    away: bool = False
    """The exchange does not answer at present."""

    @property
    def upstream(self) -> str | None:
        """Return the exchange's address, None for a synthetic market."""
        return None if self.source == SYNTHETIC else self.source


def decide(*, chosen: str | None, kept: str | None, why_not: WhyNot) -> Prices:
    """Return whose prices to show; *why_not* tells why an exchange cannot be read.

    Raises PricesRefused.
    """
    if kept is None:
        return _first(chosen, why_not)
    if chosen not in (None, kept):
        raise PricesRefused(
            f"this installation trades on {_named(kept)} and its bots and orders cannot"
            f" move to {_named(chosen or '')}. Leave PAPER_PRICES and SEED out to go on;"
            " for other prices start anew: make stop, then move .run/up away."
        )
    return _again(kept, why_not)


def kept_source(directory: Path, /) -> str | None:
    """Return what an installation was started with, None for a new one."""
    file = directory / _FILE
    if file.exists():
        return file.read_text(encoding="utf-8").strip()
    # Made before there was a choice.
    return SYNTHETIC if (directory / "simulator" / "journal.jsonl").exists() else None


def keep_source(directory: Path, source: str, /) -> None:
    """Remember the decision."""
    (directory / _FILE).write_text(source + "\n", encoding="utf-8")


def why_unreadable(url: str, /) -> str | None:
    """Return why an exchange's markets cannot be read, None if they can.

    Takes four seconds at most, however long names, connections and answers take.
    """
    result: SimpleQueue[str | None] = SimpleQueue()
    # Looking a name up knows no timeout, so a thread does it that nobody waits for.
    threading.Thread(target=lambda: result.put(_problem(url)), daemon=True).start()
    try:
        return result.get(timeout=PROBE_SECONDS)
    except Empty:
        return f"no answer within {PROBE_SECONDS:g} seconds"


def _first(chosen: str | None, why_not: WhyNot) -> Prices:
    if chosen == SYNTHETIC:
        return Prices(source=SYNTHETIC, message="Paper trading on a synthetic market.")
    url = chosen or UPBIT
    problem = why_not(url)
    if problem is None:
        return Prices(source=url, message=f"Paper trading on {_named(url)}.")
    if chosen is not None:
        raise PricesRefused(
            f"PAPER_PRICES names {url}, but it cannot be read: {problem}. Nothing was"
            " started. Repair the connection, or choose PAPER_PRICES=synthetic."
        )
    return Prices(
        source=SYNTHETIC,
        message=(
            f"Upbit cannot be read from here ({url}: {problem}), so the prices are"
            " SYNTHETIC, and stay so for this installation. For Upbit's real prices:"
            " repair the connection, make stop, move .run/up away, make up."
        ),
    )


def _again(kept: str, why_not: WhyNot) -> Prices:
    if kept == SYNTHETIC:
        text = "Paper trading on the synthetic market, as since the first start."
        return Prices(source=kept, message=text)
    problem = why_not(kept)
    if problem is None:
        return Prices(source=kept, message=f"Paper trading on {_named(kept)}.")
    return Prices(
        source=kept,
        message=(
            f"{kept} cannot be read at present: {problem}. Starting all the same;"
            " until it is back, prices are stale and nothing is bought or sold."
        ),
        away=True,
    )


def _named(source: str) -> str:
    if source == SYNTHETIC:
        return "a synthetic market"
    return "Upbit's real prices" if source == UPBIT else f"the prices of {source}"


def _problem(url: str) -> str | None:
    proxy = proxy_of(url)
    handler = urllib.request.ProxyHandler(
        {"http": proxy, "https": proxy} if proxy else {}
    )
    opener = urllib.request.build_opener(handler)
    try:
        with opener.open(f"{url}/v1/market/all", timeout=PROBE_SECONDS) as answer:
            markets = json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        return _reason(error.reason)
    except TimeoutError:
        return "timed out"
    except (OSError, HTTPException, ValueError) as error:
        return f"no exchange answers there ({type(error).__name__})"
    return None if _are_markets(markets) else "no exchange answers there"


def _are_markets(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(row, dict) and "market" in row for row in value)


def _reason(reason: str | BaseException) -> str:
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason)
