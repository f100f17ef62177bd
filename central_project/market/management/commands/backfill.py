"""Load the hourly history that the analysis needs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from central_project.market.models import Coin
from central_project.market.services.backfill import (
    MAX_DAYS,
    History,
    backfill_markets,
)
from central_project.market.services.collect import refresh_coins
from central_project.market.services.source import exchange_source
from central_project.market.sources import MarketSource, SourceError


class Command(BaseCommand):
    """``backfill [--days N] [--markets KRW-BTC ...]``; may be stopped and repeated."""

    help = "Load hourly candles. Stopped or failed, it goes on where it was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--days", type=int, default=settings.HISTORY_DAYS)
        parser.add_argument("--markets", nargs="+", metavar="KRW-XXX")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk all markets; the exit code tells whether any is still incomplete."""
        days = options["days"]
        if not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days must be 1 to {MAX_DAYS}, got {days}")
        source = exchange_source()
        coins = _coins(source, options["markets"])
        with self._progress(len(coins)) as show:
            histories, failures = backfill_markets(
                source=source,
                coins=coins,
                now=timezone.now(),
                days=days,
                progress=show,
            )
        self._report(histories)
        if failures:
            market, why = next(iter(failures.items()))
            raise CommandError(
                f"{len(failures)} of {len(coins)} markets failed; run the same command"
                f" again to go on. First: {market}: {why}"
            )

    @contextmanager
    def _progress(self, total: int, /) -> Iterator[Callable[[str], None]]:
        """Yield a function that moves the bar; without a terminal, silence."""
        with Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
        ) as progress:
            task = progress.add_task("", total=total)
            yield lambda market: progress.update(task, description=market, advance=1)

    def _report(self, histories: list[History], /) -> None:
        calls = sum(history.calls for history in histories)
        hours = sum(history.hours for history in histories)
        self.stdout.write(
            f"{len(histories)} markets, {hours} hours stored, {calls} calls"
        )
        for history in histories:
            for start, end in history.gaps[:5]:
                self.stdout.write(
                    f"{history.market}: no trade from {start:%Y-%m-%d %H:%M}"
                    f" to {end:%Y-%m-%d %H:%M} UTC"
                )


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
