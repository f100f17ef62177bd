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
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from aiohttp import web
from jwt.warnings import InsecureKeyLengthWarning

from deploy.simulator.assembly import Account, CannotStart, build_house
from deploy.simulator.exchange.journal import StateUnusable
from deploy.simulator.exchange.venue import LATENCY_MS, instant
from deploy.simulator.house import House
from deploy.simulator.market.names import COINS, MOST
from deploy.simulator.server import application
from deploy.simulator.upstream.rest import upstream_url


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 2 when it cannot start."""
    logging.basicConfig(level=logging.INFO, format="simulator: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    # Short secrets are the caller's choice; this exchange holds paper money only.
    warnings.simplefilter("ignore", InsecureKeyLengthWarning)
    options = command_line().parse_args(argv)
    try:
        asyncio.run(_serve(options))
    except (CannotStart, StateUnusable) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


def command_line() -> ArgumentParser:
    """Return the reader of the options."""
    parser = ArgumentParser(
        prog="python -m deploy.simulator",
        description="A local Upbit with paper money; its market is synthetic,"
        " recorded, or another exchange's.",
    )
    add = parser.add_argument
    add("--port", type=_port, required=True, help="port to listen on")
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
    add(
        "--markets",
        type=_markets,
        default=len(COINS),
        help=f"markets of the synthetic exchange, up to {MOST}",
    )
    add("--replay", type=Path, metavar="FILE", help="parquet file of candles")
    add("--replay-from", type=_time, metavar="TIME", help="UTC, like 2021-06-15")
    add(
        "--upstream",
        type=_upstream,
        metavar="URL",
        help="pass another exchange's market through, like https://api.upbit.com",
    )
    add(
        "--speed",
        type=_speed,
        default=1.0,
        help="path minutes per real minute, or auto for a lively market",
    )
    add("--rate-factor", type=_factor, default=1.0, help="multiplies the rate limits")
    add("--state", type=Path, metavar="DIR", help="keeps accounts and orders")
    add(
        "--latency",
        type=_latency,
        default=LATENCY_MS,
        metavar="MS",
        help="until an order or a cancellation takes effect, 0 to 500 ms",
    )
    add(
        "--assume",
        type=_assumption,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another reading of what is not documented; see docs/simulator.md",
    )
    add(
        "--faults",
        action="store_true",
        help="open /simulator/ on this machine: faults on demand, money, the ledger",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text} is not a port; choose 1 to 65535")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text} is not a whole number from 0 on")
    return int(text)


def _markets(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"{text} is not a number from 1 to {MOST}")
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


def _upstream(text: str) -> str:
    try:
        return upstream_url(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _latency(text: str) -> int:
    if not text.isdecimal() or int(text) > 500:
        raise ArgumentTypeError(f"{text} is not a latency; choose 0 to 500 ms")
    return int(text)


def _assumption(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError("an assumption is written NAME=VALUE")
    return name, value


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text} is not a time; write 2021-06-15 or 2021-06-15T09:00 (UTC)"
        ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _account(text: str) -> Account:
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
    return Account(access_key=parts[0], secret=parts[1], krw=krw)


async def _serve(options: Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as stack:
        house = build_house(options, stack)
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
    where = f"simulator: http://{options.host}:{options.port}"
    if house.clock is None:
        return f"{where} paper money on the prices of {options.upstream}"
    origin = f"seed {options.seed}"
    if options.replay is not None:
        origin = f"{options.replay.name} from {_path_text(house.clock.path_start_ms)}"
    return (
        f"{where} {origin},"
        f" {len(house.listings)} markets, speed {house.clock.speed:g}"
        " path minutes per minute"
    )


def _path_text(ms: int) -> str:
    return f"{instant(ms):%Y-%m-%d %H:%M} UTC"


if __name__ == "__main__":
    sys.exit(main())
