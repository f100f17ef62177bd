"""Numbers, times and states as an operator reads them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django import template
from django.utils.safestring import SafeString

from common.money import plain
from user_project.bots import columns, money_kind, wording
from user_project.console.marks import age_html

register = template.Library()


@register.filter
def amount(value: Decimal) -> str:
    """Write an amount with its thousands marked and no zeros at its end."""
    return f"{Decimal(plain(value)):,}"


@register.filter
def won(value: Decimal | int) -> str:
    """Write ``12,345원``."""
    return wording.won(Decimal(value))


@register.filter
def won_by_mode(amounts: Mapping[str, Decimal]) -> str:
    """Write ``12,345원``, or paper and real money apart where there are both."""
    return money_kind.won_by_mode(amounts)


@register.filter
def signed_won(value: Decimal) -> str:
    """Write ``▲ +1,234원`` or ``▼ -1,234원``; never colour alone."""
    if not value:
        return wording.won(value)
    arrow, sign = ("▲", "+") if value > 0 else ("▼", "")
    return f"{arrow} {sign}{wording.won(value)}"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Say how long ago (or ahead) *moment* is, its Korean time on hovering."""
    return age_html(moment)


@register.filter
def bot_state(state: str) -> str:
    """Name a bot's state."""
    return str(dict(columns.BOT_STATES).get(state, state))
