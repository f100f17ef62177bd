"""From options to a running house: the market, its clock, accounts and kept state."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address

from deploy.simulator.assumptions import Assumptions, UnknownAssumption
from deploy.simulator.auth import KeyRing
from deploy.simulator.clock import HOUR_MS, MINUTE_MS, PathClock, path_start
from deploy.simulator.conditions import Conditions
from deploy.simulator.faults import Faults
from deploy.simulator.house import House, real_ms
from deploy.simulator.journal import Journal, Line
from deploy.simulator.limits import RateLimits
from deploy.simulator.liveliness import suggested_speed
from deploy.simulator.market import SyntheticMarket
from deploy.simulator.path import PathSource
from deploy.simulator.tape import Tape
from deploy.simulator.venue import Venue, instant


class CannotStart(Exception):
    """The simulator cannot start; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    access_key: str
    secret: str = field(repr=False)
    krw: Decimal


def build_house(options: Namespace, stack: contextlib.ExitStack) -> House:
    """Build everything that the requests share, from scratch or from kept state."""
    source, wanted_ms, step_ms = _source(options)
    now_ms = real_ms()
    journal: Journal | None = None
    events: list[Line] = []
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
    assumptions = _assumptions(options)
    venue = Venue(
        feeds=tapes,
        conditions=Conditions(assumptions=assumptions),
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
        tapes=tapes,
        listings=source.listings,
        keys=keys,
        limits=RateLimits(factor=options.rate_factor),
        clock=clock,
        faults=_faults(options),
    )


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


def _clock_event(options: Namespace, clock: PathClock) -> Line:
    return {
        "event": "clock",
        "origin": _origin(options),
        "start_ms": clock.start_ms,
        "path_start_ms": clock.path_start_ms,
        "speed": clock.speed,
    }


def _kept_clock(options: Namespace, events: list[Line]) -> PathClock | None:
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
        start_ms=int(kept["start_ms"]),
        path_start_ms=int(kept["path_start_ms"]),
        speed=float(kept["speed"]),
    )
