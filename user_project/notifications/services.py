"""Targets of an owner, and the delivery: nothing is lost, never in a trade's way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from user_project.accounts.keys import (
    KeysUnreadable,
    open_text,
    rewrap_text,
    seal_text,
)
from user_project.bots.models import BotEvent
from user_project.notifications import wire
from user_project.notifications.languages import language_of
from user_project.notifications.models import Kind, Target
from user_project.notifications.news import news_for

log = logging.getLogger(__name__)

TITLE: Final = _noop("단타로")
TRIAL: Final = _noop("시험 알림입니다. 이 알림이 보이면 준비가 끝났습니다.")
CLAIM: Final = timedelta(seconds=60)
"""So long nobody else sends for a target whose sender has died."""
EVERY: Final = timedelta(seconds=10)
"""Least time between two messages; what happens in between goes together."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)


class TargetProblem(Exception):
    """Why a target cannot be used; the message names the remedy, in Korean."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def add_target(
    *, owner: Any, name: str, address: str, kinds: Sequence[str], now: datetime
) -> Target:
    """Keep an address sealed; what happened before is not told. Raises TargetProblem."""
    try:
        service = wire.service_of(address)
    except wire.AddressProblem as problem:
        raise TargetProblem(str(problem), field="address") from problem
    target = Target(
        owner=owner,
        name=name.strip(),
        service=service,
        kinds=[kind for kind in Kind.values if kind in kinds],
    )
    _begin_here(target, now=now)
    target.sealed_address = seal_text(address.strip(), context=_context(target))
    try:
        with transaction.atomic():
            target.save(force_insert=True)
    except IntegrityError as error:
        text = _("'%(name)s' 알림 대상이 이미 있습니다. 다른 이름을 쓰세요.") % {
            "name": target.name
        }
        raise TargetProblem(text, field="name") from error
    return target


def turn(*, target: Target, on: bool, now: datetime) -> None:
    """Turn a place on or off; what happens while it is off is not told later."""
    if target.is_on == on:
        return
    target.is_on = on
    if on:
        _begin_here(target, now=now)
    target.save(update_fields=("is_on", "last_event_id", "told"))


def _begin_here(target: Target, /, *, now: datetime) -> None:
    """A line, a state or a day that was before is no news."""
    newest = BotEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    target.last_event_id = newest or 0
    target.told = news_for(target=target, now=now).told


def try_target(*, target: Target, now: datetime) -> None:
    """Send a line now; raise TargetProblem when it does not arrive at the service."""
    with translation.override(language_of(owner=target.owner)):
        title, text = _(TITLE), _(TRIAL)
    try:
        _send(target, text, title=title)
    except (wire.NotSent, KeysUnreadable) as error:
        raise TargetProblem(
            _("보내지 못했습니다. 주소와 토큰, 상대 서비스의 상태를 확인하세요.")
        ) from error
    _note(target, last_sent_at=now)


def notified_at_all(*, owner: Any) -> bool:
    """Tell whether a place that is on has once got a message, a trial or a real one."""
    targets = Target.objects.for_user(owner)
    return targets.filter(is_on=True, last_sent_at__isnull=False).exists()


def rewrap_address(*, target: Target, old_kek: bytes) -> bytes | None:
    """Return the address wrapped with the present KEK; None when it is already."""
    sealed = bytes(target.sealed_address)
    return rewrap_text(sealed, context=_context(target), old_kek=old_kek)


def deliver_all(*, now: datetime) -> int:
    """Tell every target what is new to it; return how many messages went out."""
    due = Target.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=now))
    told = 0
    for target in due.filter(is_on=True).select_related("owner__own_language"):
        with translation.override(language_of(owner=target.owner)):
            told += _deliver(target, now=now)
    return told


def _deliver(target: Target, *, now: datetime) -> bool:
    news = news_for(target=target, now=now)
    memory = {"last_event_id": news.last_event_id, "told": news.told}
    if not news.lines:
        _note(target, **memory)
        return False
    # Remembered after it is sent: if the sender dies in between, the message comes twice,
    # but none is lost.
    if not _claim(target, until=now + CLAIM):
        return False
    try:
        _send(target, "\n".join(news.lines), title=_(TITLE))
    except (wire.NotSent, KeysUnreadable) as error:
        log.warning("target %s was not told: %s", target.pk, type(error).__name__)
        failures = target.failures + 1
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 7), LONGEST_PAUSE)
        text = _(
            "%(failures)s번 보내지 못했습니다. 주소와 상대 서비스를 확인하세요."
        ) % {"failures": failures}
        _note(target, failures=failures, next_try_at=now + pause, last_error=text)
        return False
    done = {"failures": 0, "last_error": "", "last_sent_at": now}
    _note(target, **memory, **done, next_try_at=now + EVERY)
    return True


def _claim(target: Target, *, until: datetime) -> bool:
    """Let one sender alone go on; the others see a later time."""
    mine = Target.objects.filter(
        pk=target.pk, next_try_at=target.next_try_at, last_event_id=target.last_event_id
    )
    return bool(mine.update(next_try_at=until))


def _send(target: Target, text: str, /, *, title: str) -> None:
    address = open_text(bytes(target.sealed_address), context=_context(target))
    wire.send(address=address, title=title, text=text)


def _note(target: Target, **changes: Any) -> None:
    Target.objects.filter(pk=target.pk).update(**changes)


def _context(target: Target, /) -> str:
    return f"target|{target.owner_id}|{target.pk}"
