"""Central's ranking with what it rests on, and how old all of it is."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from user_project.bots import overview
from user_project.bots.day_changes import day_changes
from user_project.web.pages import LOOKS, owner_page, show


@owner_page(*LOOKS)
def ranking(request: HttpRequest) -> HttpResponse:
    """Show the last good ranking: scores by part, change of rank and of the day, age."""
    now = timezone.now()
    central, coins = overview.recommendations_view(now=now)
    before = overview.earlier_ranks(before=central.data_as_of or now)
    changes = day_changes(coins=coins, told_at=central.data_as_of, now=now)
    rows = [
        {
            "coin": coin,
            "climbed": _climbed(coin.symbol, coin.rank, before),
            "day_change": changes.get(coin.symbol),
        }
        for coin in coins
    ]
    return show(request, "web/ranking.html", central=central, rows=rows)


@owner_page(*LOOKS)
def central_status(request: HttpRequest) -> HttpResponse:
    """Say of every kind of central's data how old it is and what follows."""
    return show(request, "web/central.html", snapshots=overview.snapshots()[:20])


def _climbed(symbol: str, rank: int, before: dict[str, int]) -> int | None:
    """Return how many places a coin rose (below zero: fell); None when it is new."""
    return before[symbol] - rank if symbol in before else None
