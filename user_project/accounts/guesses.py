"""Limits on guessing, counted in the database: they hold with Redis away as well."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from user_project.accounts.models import Guess

TRIES: Final = 10
ADDRESS_SECONDS: Final = 60
"""Tries of one address at whatever names, in so many seconds."""
KEPT: Final = timedelta(hours=1)
"""Longer than any limit looks back."""


class TooOften(Exception):
    """Too many wrong ones: nothing was checked."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds

    @property
    def minutes(self) -> int:
        """How long to wait, in words for people."""
        return math.ceil(self.seconds / 60)


def begin(*, what: str, seconds: int, now: datetime, address: str = "") -> None:
    """Count a guess that is about to be checked; whoever was right calls `forget`.

    Ten at *what* from *address* in *seconds*, and ten from one address in a minute.
    Raises TooOften, and then counts nothing: a lock does not grow by knocking. Counted
    before the check, or guesses sent at the same moment would all pass together.
    """
    _check(what, address, seconds=seconds, now=now, counted=0)
    mine = Guess.objects.create(what=what, address=address, at=now)
    try:
        _check(what, address, seconds=seconds, now=now, counted=1)
    except TooOften:
        mine.delete()
        raise
    _sweep(now)


def forget(*, what: str, address: str = "") -> None:
    """It was right: earlier slips of the same person count no more."""
    Guess.objects.filter(what=what, address=address).delete()


def _check(
    what: str, address: str, /, *, seconds: int, now: datetime, counted: int
) -> None:
    _bound(Guess.objects.filter(what=what, address=address), seconds, now, counted)
    if address:
        _bound(Guess.objects.filter(address=address), ADDRESS_SECONDS, now, counted)


def _bound(rows: Any, seconds: int, now: datetime, counted: int, /) -> None:
    """Raise TooOften unless fewer than ten rows besides the *counted* are that young."""
    window = timedelta(seconds=seconds)
    newest = rows.filter(at__gt=now - window).order_by("-at")
    times = list(newest.values_list("at", flat=True)[: TRIES + counted])
    if len(times) == TRIES + counted:
        left = (times[-1] + window - now).total_seconds()
        raise TooOften(max(math.ceil(left), 1))


def _sweep(now: datetime, /) -> None:
    """Drop what no limit looks at any more; another server may be sweeping, too."""
    with transaction.atomic():
        old = Guess.objects.filter(at__lt=now - KEPT).select_for_update(
            skip_locked=True
        )
        ids = list(old.values_list("pk", flat=True)[:100])
        Guess.objects.filter(pk__in=ids).delete()
