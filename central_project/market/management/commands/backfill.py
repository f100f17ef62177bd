"""Load the hourly history that the analysis needs."""

from __future__ import annotations

import json
import sys
import threading
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils import timezone
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from central_project.market.models import Coin, Retention
from central_project.market.services.backfill import (
    backfill_markets,
    calls_needed,
    start_of,
)
from central_project.market.services.candles import HOUR
from central_project.market.services.collect import refresh_coins
from central_project.market.services.gaps import Gap, Why, gaps_of
from central_project.market.services.source import exchange_source
from central_project.market.sources import MarketSource, SourceError

LINE_SECONDS: Final = 10.0
"""Without a terminal a line tells the progress so often."""
SHOWN: Final = 20
LONG: Final = 6
"""Hours; shorter silence is everyday and only counted."""


class Command(BaseCommand):
    """``backfill [--days N] [--markets KRW-BTC ...] [--json]``; may be repeated."""

    help = "Load hourly candles. Stopped or failed, it goes on where it was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--days", type=int, default=settings.HISTORY_DAYS)
        parser.add_argument("--markets", nargs="+", metavar="KRW-XXX")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk all markets; the exit code tells whether any is still incomplete."""
        days, now = _days(options["days"]), timezone.now()
        source = exchange_source()
        coins = _coins(source, options["markets"])
        needed = sum(calls_needed(coin=coin, now=now, days=days) for coin in coins)
        with _shown(self.stderr, total=needed, markets=len(coins)) as show:
            try:
                calls, failures = backfill_markets(
                    source=source,
                    coins=coins,
                    now=now,
                    days=days,
                    progress=show.page,
                    finished=show.coin,
                )
            except SourceError as error:
                raise CommandError(
                    f"{error}. Then run the same command again."
                ) from error
        since = start_of(now=now, days=days)
        gaps = gaps_of(
            markets=[coin.market for coin in coins],
            since=since,
            until=since + timedelta(days=days),
        )
        report = _report(coins, days, calls, gaps, failures)
        self.stdout.write(
            json.dumps(report, ensure_ascii=False)
            if options["json"]
            else "\n".join(_lines(report, gaps))
        )
        if failures:
            market, why = next(iter(sorted(failures.items())))
            raise CommandError(
                f"{len(failures)} of {len(coins)} markets failed; run the same command"
                f" again to go on. First: {market}: {why}"
            )


class _Bar:
    """A bar for eyes: pages loaded and the time that is left."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def page(self) -> None:
        self._progress.advance(self._task)

    def coin(self, coin: Coin) -> None:
        self._progress.update(self._task, description=coin.market)


class _Lines:
    """A line now and then, for logs."""

    def __init__(self, stderr: OutputWrapper, *, total: int, markets: int) -> None:
        self._stderr, self._total, self._markets = stderr, total, markets
        self._pages = self._coins = 0
        self._began = self._told = time.monotonic()
        self._lock = threading.Lock()

    def page(self) -> None:
        with self._lock:
            self._pages += 1
            now = time.monotonic()
            if now - self._told >= LINE_SECONDS:
                self._told = now
                self._stderr.write(self._line(now - self._began))

    def coin(self, coin: Coin) -> None:
        self._coins += 1

    def _line(self, seconds: float) -> str:
        left = seconds * (self._total - self._pages) / self._pages
        return (
            f"{self._coins} of {self._markets} markets, {self._pages} of about"
            f" {self._total} calls, about {timedelta(seconds=round(max(0, left)))} left"
        )


@contextmanager
def _shown(
    stderr: OutputWrapper, *, total: int, markets: int
) -> Iterator[_Bar | _Lines]:
    """Show the progress, in the way that suits where the output goes."""
    if not sys.stderr.isatty():
        yield _Lines(stderr, total=total, markets=markets)
        return
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("calls"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
    ) as progress:
        yield _Bar(progress, progress.add_task("", total=total))


def _report(
    coins: Sequence[Coin],
    days: int,
    calls: int,
    gaps: Sequence[Gap],
    failures: dict[str, str],
    /,
) -> dict[str, Any]:
    missing: Counter[str] = Counter()
    for gap in gaps:
        missing[gap.why] += gap.hours
    expected = len(coins) * days * (timedelta(days=1) // HOUR)
    return {
        "markets": len(coins),
        "days": days,
        "hours": expected - missing.total(),
        "calls": calls,
        "missing": {why: missing[why] for why in Why},
        "gaps": [gap.as_json() for gap in gaps],
        "failed": failures,
    }


_WORDS: Final = {
    Why.NOT_LISTED: "not listed yet",
    Why.MAINTENANCE: "the exchange was away",
    Why.SILENT: "no trade",
    Why.NOT_LOADED: "not loaded",
}


def _lines(report: dict[str, Any], gaps: Sequence[Gap], /) -> Iterator[str]:
    yield (
        f"{report['markets']} markets, {report['hours']} hours stored,"
        f" {report['calls']} calls"
    )
    for why, hours in report["missing"].items():
        if hours:
            yield f"missing, {_WORDS[why]}: {hours} hours"
    long = [gap for gap in gaps if gap.why is not Why.NOT_LISTED and gap.hours > LONG]
    for gap in long[:SHOWN]:
        yield (
            f"{gap.market}: {_WORDS[gap.why]} from {gap.since:%Y-%m-%d %H:%M}"
            f" to {gap.until:%Y-%m-%d %H:%M} UTC"
        )
    if len(long) > SHOWN:
        yield f"... and {len(long) - SHOWN} more stretches; --json lists all"


def _days(days: int, /) -> int:
    most = Retention.objects.get_or_create(pk=Retention.SINGLE)[0].hours_days
    if not 1 <= days <= most:
        raise CommandError(
            f"--days must be 1 to {most}, got {days}; older hours are pruned, as the"
            " admin's retention says"
        )
    return days


def _coins(source: MarketSource, markets: list[str] | None, /) -> list[Coin]:
    """Return the listed coins, or those asked for; an unknown one is an error."""
    try:
        coins = refresh_coins(infos=source.markets(), now=timezone.now())
    except SourceError as error:
        raise CommandError(
            f"the exchange cannot be read: {error}. Check UPBIT_BASE_URL"
            f" ({settings.UPBIT_BASE_URL})."
        ) from error
    if markets is None:
        return coins
    unknown = sorted(set(markets) - {coin.market for coin in coins})
    if unknown:
        raise CommandError(f"not a KRW market that is traded now: {', '.join(unknown)}")
    return [coin for coin in coins if coin.market in markets]
