"""From options to a running house: the market, its clock, accounts and kept state."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from ipaddress import ip_address

from deploy.simulator.exchange.assumptions import Assumptions, UnknownAssumption
from deploy.simulator.exchange.conditions import Conditions
from deploy.simulator.exchange.journal import CLOCK, Entry, Journal, Line
from deploy.simulator.exchange.venue import Venue, instant
from deploy.simulator.faults.registry import Faults
from deploy.simulator.house import House, real_ms
from deploy.simulator.market.clock import MINUTE_MS, PathClock, path_start
from deploy.simulator.market.feed import Feed
from deploy.simulator.market.liveliness import suggested_speed
from deploy.simulator.market.names import COINS
from deploy.simulator.market.path import Listing, PathSource
from deploy.simulator.market.synthetic import SyntheticMarket
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.auth import KeyRing
from deploy.simulator.rest.limits import RateLimits
from deploy.simulator.upstream.rest import is_real_upbit
from deploy.simulator.upstream.upstream import Upstream


class CannotStart(Exception):
    """The simulator cannot start; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outside:
    """The market outside: a path with its clock, or an upstream exchange."""

    feeds: Mapping[str, Feed]
    tapes: Mapping[str, Tape] = field(default_factory=dict)
    listings: tuple[Listing, ...] = ()
    clock: PathClock | None = None
    upstream: Upstream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    access_key: str
    secret: str = field(repr=False)
    krw: Decimal


def build_house(options: Namespace, stack: contextlib.ExitStack) -> House:
    """Build everything that the requests share, from scratch or from kept state."""
    now_ms = real_ms()
    journal: Journal | None = None
    events: list[Line] = []
    if options.state is not None:
        journal = Journal(directory=options.state)
        stack.callback(journal.close)
        events = list(journal.read())
    kept = next((line for line in events if isinstance(line, dict)), None)
    _check_origin(options, kept)
    conditions = Conditions(assumptions=_assumptions(options))
    outside = (
        _upstream(options)
        if options.upstream
        else _path(options, conditions, kept, now_ms)
    )
    if journal is not None and kept is None:
        journal.append(_first_line(options, outside.clock))
    venue = Venue(
        feeds=outside.feeds,
        conditions=conditions,
        latency_ms=options.latency,
        seed=options.seed,
    )
    if journal is not None:
        journal.keep(venue=venue, lines=events)
    keys = KeyRing()
    for account in options.account:
        keys.add(
            access_key=account.access_key, secret=account.secret, now=instant(now_ms)
        )
        venue.open_account(account=account.access_key, krw=account.krw)
    return House(
        venue=venue,
        tapes=outside.tapes,
        listings=outside.listings,
        keys=keys,
        limits=RateLimits(factor=options.rate_factor),
        clock=outside.clock,
        faults=_faults(options),
        upstream=outside.upstream,
    )


def _path(
    options: Namespace, conditions: Conditions, kept: Entry | None, now_ms: int
) -> _Outside:
    """Return a computed or recorded market, where it is or where it was left."""
    source, wanted_ms, step_ms = _source(options)
    clock = (
        _new_clock(options, source, wanted_ms, step_ms, now_ms)
        if kept is None
        else _kept_clock(kept)
    )
    tapes = {
        one.market: Tape(
            market=one.market,
            source=source,
            clock=clock,
            ticks=partial(conditions.ticks, market=one.market),
        )
        for one in source.listings
    }
    return _Outside(feeds=tapes, tapes=tapes, listings=source.listings, clock=clock)


def _upstream(options: Namespace) -> _Outside:
    """Return the market of another exchange."""
    if options.replay is not None or options.replay_from is not None:
        raise CannotStart("--upstream and --replay are two markets; give one of them")
    if options.speed != 1:
        raise CannotStart("--speed is for a market made here; an upstream has its own")
    if options.rate_factor > 1 and is_real_upbit(url=options.upstream):
        raise CannotStart(
            f"--rate-factor {options.rate_factor:g} would make {options.upstream}"
            " block this address; leave it out"
        )
    upstream = Upstream(
        url=options.upstream, now_ms=real_ms, factor=options.rate_factor
    )
    return _Outside(feeds=upstream.feeds, upstream=upstream)


def _faults(options: Namespace) -> Faults | None:
    if not options.faults:
        return None
    if not _is_loopback(options.host):
        raise CannotStart(
            f"--faults lets whoever reaches {options.host} make money and orders;"
            " leave --host at 127.0.0.1"
        )
    return Faults(now_ms=real_ms)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _assumptions(options: Namespace) -> Assumptions:
    chosen = Assumptions()
    for name, value in options.assume:
        try:
            chosen = chosen.choosing(name=name, value=value)
        except UnknownAssumption as error:
            raise CannotStart(f"--assume: {error}") from error
    return chosen


def _source(options: Namespace) -> tuple[PathSource, int, int]:
    """Return (path, where on it to begin in ms, what must align with real time in ms)."""
    if (options.replay is None) != (options.replay_from is None):
        raise CannotStart("--replay and --replay-from go together; give both or none")
    if options.replay is None:
        source = SyntheticMarket(seed=options.seed, markets=options.markets)
        return source, 0, MINUTE_MS
    # Reading recordings needs pyarrow, which takes a second to load.
    from deploy.simulator.market.recording import ReplayUnusable
    from deploy.simulator.market.replay import load_replay

    try:
        recorded = load_replay(file=options.replay, at=options.replay_from)
    except ReplayUnusable as error:
        raise CannotStart(str(error)) from error
    wanted_ms = int(options.replay_from.timestamp() * 1000)
    return recorded, wanted_ms, recorded.step_ms


def _new_clock(
    options: Namespace, source: PathSource, wanted_ms: int, step_ms: int, now_ms: int
) -> PathClock:
    begin = path_start(wanted_ms=wanted_ms, start_ms=now_ms, step_ms=step_ms)
    speed = options.speed or suggested_speed(
        market_source=source, path_start_minute=begin // MINUTE_MS
    )
    return PathClock(start_ms=now_ms, path_start_ms=begin, speed=speed)


def _origin(options: Namespace) -> str:
    if options.upstream:
        return f"upstream {options.upstream}"
    if options.replay is None:
        markets = options.markets
        named = "" if markets == len(COINS) else f" with {markets} markets"
        return f"seed {options.seed}{named}"
    return f"{options.replay.name} from {options.replay_from.isoformat()}"


def _first_line(options: Namespace, clock: PathClock | None) -> Entry:
    origin: Entry = {"event": CLOCK, "origin": _origin(options)}
    if clock is None:
        return origin
    return origin | {
        "start_ms": clock.start_ms,
        "path_start_ms": clock.path_start_ms,
        "speed": clock.speed,
    }


def _check_origin(options: Namespace, kept: Entry | None) -> None:
    """Refuse to go on with the accounts and orders of another market."""
    if kept is None:
        return
    speed = kept.get("speed")
    same_speed = options.upstream or options.speed in (None, speed)
    if kept["origin"] != _origin(options) or not same_speed:
        at_speed = "" if speed is None else f" at speed {speed}"
        raise CannotStart(
            f"--state {options.state} belongs to {kept['origin']}{at_speed};"
            " start it with these, or name another directory"
        )


def _kept_clock(kept: Entry) -> PathClock:
    """Return the clock of an earlier run, so that its path goes on."""
    return PathClock(
        start_ms=int(kept["start_ms"]),
        path_start_ms=int(kept["path_start_ms"]),
        speed=float(kept["speed"]),
    )
