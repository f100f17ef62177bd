"""What a new owner has to do before the first bot buys, and what is done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Bot, Order
from user_project.bots.overview import CentralView
from user_project.notifications.services import notified_at_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do; *address* leads to where it is done."""

    done: bool
    text: str
    address: str


def first_steps(*, owner: Any, central: CentralView) -> Sequence[Step]:
    """Return the steps in their order; nothing when all that trading needs are done."""
    accounts = ExchangeAccount.objects.for_user(owner)
    bots = Bot.objects.for_user(owner)
    has_ordered = Order.objects.filter(bot__in=bots).exists()
    has_central = bool(settings.CENTRAL_API_URL and settings.CENTRAL_API_KEY)
    if has_ordered and has_central and central.data_as_of is not None:
        return ()  # who has ordered has an account and a bot: nothing else to ask for
    return (
        Step(
            done=has_central,
            text=_("본사 주소와 키를 .env.user에 넣기"),
            address=reverse("central-status"),
        ),
        Step(
            done=central.data_as_of is not None,
            text=_("본사 분석 받기"),
            address=reverse("central-status"),
        ),
        Step(
            done=accounts.exists(),
            text=_("거래소 계정 추가하기 (모의투자부터)"),
            address=reverse("accounts"),
        ),
        Step(
            done=notified_at_all(owner=owner),
            text=_("알림 대상을 추가하고 시험 알림 보내기 (선택)"),
            address=reverse("notify"),
        ),
        Step(done=bots.exists(), text=_("첫 봇 만들기"), address=reverse("new-bot")),
        Step(done=has_ordered, text=_("첫 매수"), address=reverse("orders")),
    )
