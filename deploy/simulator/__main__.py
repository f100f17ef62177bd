"""`python -m deploy.simulator`: a local Upbit with paper money."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import warnings
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from aiohttp import web
from jwt.warnings import InsecureKeyLengthWarning

from deploy.simulator.auth import KeyRing
from deploy.simulator.clock import HOUR_MS, MINUTE_MS, PathClock, path_start
from deploy.simulator.house import House, real_ms
from deploy.simulator.journal import Journal, StateUnusable
from deploy.simulator.limits import RateLimits
from deploy.simulator.liveliness import suggested_speed
from deploy.simulator.market import SyntheticMarket
from deploy.simulator.path import PathSource
from deploy.simulator.server import application
from deploy.simulator.tape import Tape
from deploy.simulator.venue import Venue, instant


class CannotStart(Exception):
    """The simulator cannot start; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    access_key: str
    secret: str = field(repr=False)
    krw: Decimal


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 2 when it cannot start."""
    logging.basicConfig(level=logging.INFO, format="simulator: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    # Short secrets are the caller's choice; this exchange holds paper money only.
    warnings.simplefilter("ignore", InsecureKeyLengthWarning)
    options = _parser().parse_args(argv)
    try:
        asyncio.run(_serve(options))
    except (CannotStart, StateUnusable) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m deploy.simulator",
        description="A local Upbit: synthetic or recorded market, paper money.",
    )
    add = parser.add_argument
    add("--port", type=int, required=True, help="port to listen on")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--seed", type=_seed, default=1, help="seed of the synthetic market")
    add(
        "--account",
        type=_account,
        action="append",
        default=[],
        metavar="ACCESS:SECRET:KRW",
        help="an API key and its paper money; may be repeated",
    )
    add("--replay", type=Path, metavar="FILE", help="parquet file of candles")
    add("--replay-from", type=_time, metavar="TIME", help="UTC, like 2021-06-15")
    add(
        "--speed",
        type=_speed,
        default=1.0,
        help="path minutes per real minute, or auto for a lively market",
    )
    add("--rate-factor", type=_factor, default=1.0, help="multiplies the rate limits")
    add("--state", type=Path, metavar="DIR", help="keeps accounts and orders")
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text} is not a whole number from 0 on")
    return int(text)


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is not a number") from error
    if not 0 < value < 1e6:
        raise ArgumentTypeError(f"{text} must be above 0 and below 1000000")
    return value


def _speed(text: str) -> float | None:
    return None if text == "auto" else _factor(text)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text} is not a time; write 2021-06-15 or 2021-06-15T09:00 (UTC)"
        ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _account(text: str) -> _Account:
    """Read ACCESS:SECRET:KRW; the message never repeats the secret."""
    parts = text.split(":")
    if len(parts) != 3 or not all(parts):
        raise ArgumentTypeError("an account is written ACCESS:SECRET:KRW")
    try:
        krw = Decimal(parts[2])
    except InvalidOperation as error:
        raise ArgumentTypeError("an account's KRW must be a number") from error
    if not krw.is_finite() or not 0 <= krw <= Decimal(10) ** 12:
        raise ArgumentTypeError("an account's KRW must be 0 to 1000000000000")
    return _Account(access_key=parts[0], secret=parts[1], krw=krw)


async def _serve(options: Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as stack:
        house = _house(options, stack)
        runner = web.AppRunner(application(house=house), handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, options.host, options.port)
            try:
                await site.start()
            except OSError as error:
                raise CannotStart(
                    f"cannot listen on {options.host}:{options.port}"
                    f" ({error.strerror}); end what uses the port or choose another"
                    " with --port"
                ) from error
            print(_greeting(options, house), flush=True)
            await stop.wait()
        finally:
            await runner.cleanup()


def _greeting(options: Namespace, house: House) -> str:
    origin = f"seed {options.seed}"
    if options.replay is not None:
        origin = f"{options.replay.name} from {_path_text(house.clock.path_start_ms)}"
    return (
        f"simulator: http://{options.host}:{options.port} {origin},"
        f" {len(house.listings)} markets, speed {house.clock.speed:g}"
        " path minutes per minute"
    )


def _path_text(ms: int) -> str:
    return f"{instant(ms):%Y-%m-%d %H:%M} UTC"


def _house(options: Namespace, stack: contextlib.ExitStack) -> House:
    """Build everything that the requests share, from scratch or from kept state."""
    source, wanted_ms, step_ms = _source(options)
    now_ms = real_ms()
    journal, events = None, []
    if options.state is not None:
        journal = Journal(directory=options.state)
        stack.callback(journal.close)
        events = list(journal.read())
    clock = _kept_clock(options, events)
    if clock is None:
        clock = _new_clock(options, source, wanted_ms, step_ms, now_ms)
        if journal is not None:
            journal.append(_clock_event(options, clock))
    tapes = {
        one.market: Tape(market=one.market, source=source, clock=clock)
        for one in source.listings
    }
    venue = Venue(tapes=tapes, journal=journal)
    for event in events:
        venue.restore(event=event)
    keys = KeyRing()
    for account in options.account:
        keys.add(
            access_key=account.access_key, secret=account.secret, now=instant(now_ms)
        )
        venue.open_account(account=account.access_key, krw=account.krw)
    return House(
        venue=venue,
        listings=source.listings,
        keys=keys,
        limits=RateLimits(factor=options.rate_factor),
        clock=clock,
    )


def _source(options: Namespace) -> tuple[PathSource, int, int]:
    """Return (path, where on it to begin in ms, what must align with real time in ms)."""
    if (options.replay is None) != (options.replay_from is None):
        raise CannotStart("--replay and --replay-from go together; give both or none")
    if options.replay is None:
        return SyntheticMarket(seed=options.seed), 0, MINUTE_MS
    # Reading recordings needs pyarrow, which takes a second to load.
    from deploy.simulator.replay import ReplayUnusable, load_replay

    try:
        source = load_replay(file=options.replay, at=options.replay_from)
    except ReplayUnusable as error:
        raise CannotStart(str(error)) from error
    return source, int(options.replay_from.timestamp() * 1000), HOUR_MS


def _new_clock(
    options: Namespace, source: PathSource, wanted_ms: int, step_ms: int, now_ms: int
) -> PathClock:
    begin = path_start(wanted_ms=wanted_ms, start_ms=now_ms, step_ms=step_ms)
    speed = options.speed or suggested_speed(
        market_source=source, path_start_minute=begin // MINUTE_MS
    )
    return PathClock(start_ms=now_ms, path_start_ms=begin, speed=speed)


def _origin(options: Namespace) -> str:
    if options.replay is None:
        return f"seed {options.seed}"
    return f"{options.replay.name} from {options.replay_from.isoformat()}"


def _clock_event(options: Namespace, clock: PathClock) -> dict[str, str | int | float]:
    return {
        "event": "clock",
        "origin": _origin(options),
        "start_ms": clock.start_ms,
        "path_start_ms": clock.path_start_ms,
        "speed": clock.speed,
    }


def _kept_clock(
    options: Namespace, events: list[dict[str, object]]
) -> PathClock | None:
    """Return the clock of an earlier run, so that its path goes on."""
    kept = next((event for event in events if event["event"] == "clock"), None)
    if kept is None:
        return None
    if kept["origin"] != _origin(options) or options.speed not in (None, kept["speed"]):
        raise CannotStart(
            f"--state {options.state} belongs to {kept['origin']} at speed"
            f" {kept['speed']}; start it with these, or name another directory"
        )
    return PathClock(
        start_ms=int(str(kept["start_ms"])),
        path_start_ms=int(str(kept["path_start_ms"])),
        speed=float(str(kept["speed"])),
    )


if __name__ == "__main__":
    sys.exit(main())
