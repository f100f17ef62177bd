"""Compare an account's orders on the exchange with ours; wake the bots concerned."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils.translation import gettext as _

from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import assets, deficits
from user_project.bots.booking import moved
from user_project.bots.identifiers import is_ours
from user_project.bots.models import Bot, Order
from user_project.bots.quarantine import set_apart
from user_project.exchanges.adapter import ExchangeAdapter, ExchangeError, KeyRefused
from user_project.trading.lifecycle import OrderState
from user_project.trading.orders import OrderView

log = logging.getLogger(__name__)

FIRST_LOOK_BACK: Final = timedelta(days=1)
OVERLAP: Final = timedelta(minutes=10)
DENIED: Final = Q(state__in=(OrderState.REFUSED, OrderState.BURNED)) | Q(
    state=OrderState.CANCELLED, exchange_uuid__isnull=True
)
"""Closed as never accepted: the exchange cannot have such an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What one pass found."""

    account: str
    live: int = 0
    woken: int = 0
    unknown_to_us: tuple[str, ...] = ()
    problem: str = ""


def reconcile_all(*, clock: Callable[[], datetime]) -> None:
    """Reconcile every usable account; one's trouble must not keep the others waiting."""
    for account in ExchangeAccount.objects.usable():
        try:
            reconcile_account(account=account, now=clock())
        except Exception:
            log.exception("account %s was not reconciled", account.pk)


def reconcile_account(
    *, account: ExchangeAccount, now: datetime, apply: bool = True
) -> Reconciliation:
    """Read our live orders, all open and lately closed ones; quarantine strangers.

    Foreign orders, the owner's own, are never touched. Nothing is booked here: the
    bots concerned are woken and book under their own lease. Without *apply* it is only
    looked.
    """
    try:
        return _reconcile(
            account=account,
            adapter=adapter_for(account=account),
            now=now,
            apply=apply,
        )
    except KeyRefused as error:
        if not apply:
            return Reconciliation(account=str(account), problem=str(error))
        ExchangeAccount.objects.filter(pk=account.pk).update(
            key_problem=str(error)[:200]
        )
        return Reconciliation(account=str(account), problem=str(error))
    except (ExchangeError, AccountProblem) as error:
        return Reconciliation(account=str(account), problem=str(error))


def _reconcile(
    *, account: ExchangeAccount, adapter: ExchangeAdapter, now: datetime, apply: bool
) -> Reconciliation:
    live = list(Order.objects.live().filter(bot__account=account))
    sent = [order for order in live if order.state != OrderState.INTENT]
    views = {
        view.identifier: view
        for view in adapter.list_orders(identifiers=[o.identifier for o in sent])
    }
    bots = {
        order.bot_id for order in sent if _moved(order, views.get(order.identifier))
    }
    strangers = _strangers(
        [
            *adapter.list_orders(),
            *adapter.list_orders(open_only=False, since=_closed_since(account, now)),
        ],
        accepted=account.accepted_orders,
    )
    found = Reconciliation(
        account=str(account),
        live=len(live),
        woken=len(bots),
        unknown_to_us=tuple(strangers),
    )
    if not apply:
        return found
    if strangers:
        _quarantine(account=account, identifiers=strangers, now=now)
    balances = adapter.get_balances()
    bots |= deficits.note(account=account, balances=balances, now=now)
    woken = Bot.objects.filter(pk__in=bots).update(next_tick_at=now)
    ExchangeAccount.objects.filter(pk=account.pk).update(
        reconciled_at=now, balances=assets.written(balances), balances_at=now
    )
    return replace(found, woken=woken)


def _closed_since(account: ExchangeAccount, now: datetime) -> datetime:
    """Look a little further back than to the last look; at first a day back."""
    last = account.reconciled_at or now - FIRST_LOOK_BACK
    return min(last, now) - OVERLAP


def _moved(order: Order, view: OrderView | None) -> bool:
    if view is None or order.state != OrderState.OPEN:
        return True
    return moved(order, view)


def _strangers(views: Iterable[OrderView], *, accepted: Iterable[str]) -> list[str]:
    """Orders with our prefix that have no row, or one saying they never were.

    Those that a person has accepted are strange no more.

    The first are another installation's; the second contradict our own books.
    """
    ours = {view.identifier for view in views if is_ours(view.identifier)}
    rows = Order.objects.filter(identifier__in=ours).exclude(DENIED)
    known = rows.values_list("identifier", flat=True)
    return sorted(name for name in ours - {*known, *accepted} if name is not None)


def _quarantine(
    *, account: ExchangeAccount, identifiers: list[str], now: datetime
) -> None:
    reason = _(
        "거래소에 우리 기록에 없거나 접수되지 않은 것으로 적힌 단타로 주문이 있습니다 (%(n)s 외 %(n2)s건). 다른 설치가 같은 계정을 쓰는지 확인한 뒤 관리자 화면에서 격리를 푸세요."
    ) % {"n": identifiers[0], "n2": len(identifiers) - 1}
    log.error("account %s quarantined: %s", account.pk, ", ".join(identifiers))
    set_apart(account_id=account.pk, reason=reason, now=now, orders=identifiers)
