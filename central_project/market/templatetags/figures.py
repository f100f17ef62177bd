"""Numbers and times as an operator reads them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from common.money import plain

register = template.Library()
Figure = Decimal | float | int | str | None


@register.filter
def amount(value: Figure) -> str:
    """Write an amount with its thousands marked and no zeros at its end."""
    known = _decimal(value)
    return "-" if known is None else f"{Decimal(plain(known)):,}"


@register.filter
def percent(value: Figure) -> str:
    """Write a share (0 to 1) as a percentage."""
    known = _decimal(value)
    return "-" if known is None else f"{100 * known:.1f}%"


@register.filter
def below(level: Figure, price: Figure) -> str:
    """Say how far *level* lies from *price*."""
    known, base = _decimal(level), _decimal(price)
    if known is None or not base:
        return "-"
    return f"{100 * (known / base - 1):+.1f}%"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Say how long ago *moment* was, its clock time on hovering."""
    if moment is None:
        return "-"
    clock = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
    return format_html('<span title="{}">{}</span>', clock, naturaltime(moment))


def _decimal(value: Figure, /) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
