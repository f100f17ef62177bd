"""Judge recommendations and levels by what the market did afterwards."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
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

from central_project.analysis.evaluation.card import ReportCard
from central_project.market.services.candle_files import (
    CandleFileError,
    read_candle_file,
)
from central_project.market.services.report_card import (
    LAST_DAYS,
    NoReport,
    Period,
    both_sections,
    walk_forward,
)
from central_project.market.services.report_page import report_page


class Command(BaseCommand):
    """``evaluate [--from DAY] [--to DAY] [--candles FILE] [--json] [--html FILE]``."""

    help = (
        "Make the report card. From stored candles: both sections, kept for the API."
        " From a file (--candles): the walk-forward section alone, kept nowhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--from", dest="since", type=_day, metavar="YYYY-MM-DD")
        parser.add_argument("--to", dest="until", type=_day, metavar="YYYY-MM-DD")
        parser.add_argument(
            "--candles", type=Path, metavar="FILE", help="parquet or CSV"
        )
        parser.add_argument("--step-days", type=int, default=1, metavar="N")
        parser.add_argument("--json", action="store_true", help="print the whole card")
        parser.add_argument("--html", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        """Evaluate, print, and write the page."""
        if not 1 <= options["step_days"] <= 30:
            raise CommandError(
                f"--step-days must be 1 to 30, got {options['step_days']}"
            )
        page = options["html"]
        if page and not page.absolute().parent.is_dir():
            raise CommandError(
                f"--html: there is no directory {page.absolute().parent}"
            )
        since, until = options["since"], options["until"]
        if since and until and until < since:
            raise CommandError("--to lies before --from")
        try:
            if options["candles"]:
                cards = [self._from_file(options)]
            else:
                cards = self._from_store(options)
        except (NoReport, CandleFileError) as error:
            raise CommandError(str(error)) from error
        if page:
            page.write_text(report_page(cards), encoding="utf-8")
        self.stdout.write(_as_json(cards) if options["json"] else _as_text(cards))

    def _from_file(self, options: dict[str, Any], /) -> ReportCard:
        frames = read_candle_file(options["candles"])
        with _progress() as show:
            return walk_forward(
                frames=frames,
                since=options["since"],
                until=options["until"],
                step_days=options["step_days"],
                days=settings.HISTORY_DAYS,
                progress=show,
            )

    def _from_store(self, options: dict[str, Any], /) -> list[ReportCard]:
        until = options["until"] or timezone.now()
        since = options["since"] or until - timedelta(days=LAST_DAYS)
        period = Period(since=since, until=until, step_days=options["step_days"])
        with _progress() as show:
            cards, missing = both_sections(
                period=period, days=settings.HISTORY_DAYS, progress=show
            )
        if not cards:
            raise CommandError("; ".join(missing.values()))
        for section, why in missing.items():
            self.stderr.write(f"{section}: {why}")
        return cards


def _day(text: str, /) -> datetime:
    """Read a day as its midnight UTC."""
    day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no zone)
    return datetime.combine(day, time(), tzinfo=UTC)


_day.__name__ = "day as YYYY-MM-DD"  # argparse says "invalid ... value"


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function that moves the bar; without a terminal, silence."""
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("walk forward", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _as_json(cards: list[ReportCard], /) -> str:
    by_section = {card.section: card.model_dump_json(indent=2) for card in cards}
    parts = [f'"{section}": {body}' for section, body in by_section.items()]
    return "{" + ",\n".join(parts) + "}"


def _as_text(cards: list[ReportCard], /) -> str:
    lines = []
    for card in cards:
        lines.append(
            f"{card.section}: {card.since:%Y-%m-%d} to {card.until:%Y-%m-%d} UTC,"
            f" {card.dates} dates, {card.markets} coins, settings {card.score_version}"
        )
        lines.append(f"  {card.summary.en}")
        lines += [f"  {one.question.en} {one.answer.en}" for one in card.questions]
        lines += _horizon_lines(card)
    return "\n".join(lines)


def _horizon_lines(card: ReportCard, /) -> list[str]:
    if card.ranking is None:
        return []
    return [
        f"  {one.days:>2} d: IC {one.ic.value:+.3f} (t {_or_dash(one.ic.t)}, random"
        f" {one.ic.twin:+.3f}), best fifth {one.best_vs_median.value:+.2%} vs median"
        f" (random {one.twin_vs_median.value:+.2%}), n {one.dates}"
        for one in card.ranking.horizons
    ]


def _or_dash(value: Any, /) -> str:
    return "-" if value is None else f"{value:+.1f}"
