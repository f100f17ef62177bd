"""How Korean traders read numbers: won, tick decimals, signs with arrows, KST."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from common.money import plain, ticks_of
from common.wire import Reason
from user_project.bots import money_kind, wording

register = template.Library()

NONE: Final = "–"
KST: Final = ZoneInfo("Asia/Seoul")
STAGE_STATES: Final = {
    "waiting": _lazy("대기"),
    "resting": _lazy("미체결"),
    "pending": _lazy("확인 중"),
    "filled": _lazy("체결"),
    "skipped": _lazy("건너뜀"),
}


@register.filter
def won(amount: Decimal | None) -> str:
    """Write ``12,345,678원``."""
    return NONE if amount is None else wording.won(amount)


@register.filter
def won_by_mode(amounts: Mapping[str, Decimal]) -> str:
    """Write ``1,234원``, or ``실전투자 1,234원, 모의투자 5원`` where there are both."""
    return money_kind.won_by_mode(amounts)


@register.filter
def signed_won(amount: Decimal | None) -> str:
    """Write ``▲ +1,234원`` or ``▼ -1,234원``; never colour alone."""
    if amount is None:
        return NONE
    text = wording.won(amount)
    return f"{_arrow(amount)} {'+' if amount > 0 else ''}{text}".strip()


@register.filter
def percent(ratio: Decimal | None) -> str:
    """Write ``+1.53%`` for the ratio 0.0153."""
    return NONE if ratio is None else wording.percent(ratio)


@register.filter
def signed_percent(ratio: Decimal | None) -> str:
    """Write ``▲ +1.53%`` or ``▼ -1.53%``; never colour alone."""
    if ratio is None:
        return NONE
    return f"{_arrow(ratio)} {wording.percent(ratio)}".strip() if ratio else "0.00%"


@register.filter
def share(ratio: Decimal | None) -> str:
    """Write a distance without sign: ``12.34%``."""
    return NONE if ratio is None else wording.percent(abs(ratio)).lstrip("+")


@register.filter
def stage_state(state: str) -> str:
    """Name what became of a stage."""
    return str(STAGE_STATES.get(state, state))


@register.filter
def told(reason: Reason) -> str:
    """Return what central says, in the reader's language."""
    return reason.en if str(get_language()).startswith("en") else reason.ko


@register.filter
def tone(amount: Decimal | None) -> str:
    """Return the CSS class: up is red, down is blue."""
    if not amount:
        return "even"
    return "up" if amount > 0 else "down"


@register.filter
def price(value: Decimal | None, market: str) -> str:
    """Write a price with as many decimals as the market's tick has."""
    return NONE if value is None else _written(value, _tick_decimals(value, market))


@register.filter
def average(value: Decimal | None, market: str) -> str:
    """Write an average price; below 1,000 won it lies between the ticks."""
    if value is None:
        return NONE
    extra = 2 if value < 1000 else 0
    return _written(value, min(_tick_decimals(value, market) + extra, 8))


@register.filter
def coins(volume: Decimal | None) -> str:
    """Write a coin volume, at most 8 decimals, no padding zeros."""
    if volume is None:
        return NONE
    whole, dot, fraction = plain(volume).partition(".")
    return f"{int(whole):,}{dot}{fraction}"


@register.filter
def kst(at: datetime | None) -> str:
    """Write an instant as ``11-23 15:02:39`` Korean time."""
    return NONE if at is None else f"{at.astimezone(KST):%m-%d %H:%M:%S}"


@register.filter
def score(value: Decimal | None) -> str:
    """Write a score of 0 to 100 with one digit."""
    return NONE if value is None else f"{value:.1f}"


@register.filter
def span(seconds: int) -> str:
    """Write a length of time: ``15분``, ``6시간``."""
    if seconds < 3600:
        return _("%(n)s분") % {"n": seconds // 60}
    return _("%(n)s시간") % {"n": seconds // 3600}


@register.filter
def ago(at: datetime | None) -> str:
    """Write how long ago, to the coarsest useful unit."""
    if at is None:
        return NONE
    return wording.age(max(int((timezone.now() - at).total_seconds()), 0))


@register.filter
def ahead(at: datetime | None) -> str:
    """Write how long until an instant; what has passed is ``3일 전``."""
    if at is None:
        return NONE
    return wording.age(int((timezone.now() - at).total_seconds()))


@register.filter
def age(seconds: int | None) -> str:
    """Write an age in seconds as ``2분 전``."""
    return NONE if seconds is None else wording.age(max(seconds, 0))


@register.filter
def coordinate(value: float | Decimal) -> str:
    """Write a number for SVG, with a point in every language."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


@register.filter
def ms(at: datetime) -> int:
    """Return an instant in milliseconds, for the page's own clock."""
    return int(at.timestamp() * 1000)


@register.simple_tag(takes_context=True)
def here(context: template.Context, *names: str) -> str:
    """Mark a link as that of the present page; *names* are those of its addresses."""
    match = getattr(context.get("request"), "resolver_match", None)
    is_here = match is not None and match.url_name in names
    return format_html(' aria-current="{}"', "page") if is_here else ""


@register.simple_tag
def now_ms() -> int:
    """Return the server's clock: the phone's may be wrong."""
    return ms(timezone.now())


@register.simple_tag
def age_words(seconds: int) -> str:
    """Return how an age of that size is written; the page puts its number in."""
    return wording.age(seconds).replace("1", "0")


@register.simple_tag
def stream_url() -> str:
    """Return where the page hears of changes, empty when it has to ask."""
    return str(settings.STREAM_URL)


@register.simple_tag
def flower_url() -> str:
    """Return the address of the task monitor, empty when there is none."""
    return str(settings.FLOWER_URL)


def _arrow(amount: Decimal) -> str:
    return {"up": "▲", "down": "▼"}.get(tone(amount), "")


def _tick_decimals(value: Decimal, market: str) -> int:
    if value <= 0:
        return 0
    exponent = ticks_of(market=market).tick_size(price=value).as_tuple().exponent
    return max(-int(exponent), 0)


def _written(value: Decimal, decimals: int) -> str:
    step = Decimal(1).scaleb(-decimals)
    return wording.with_unit(f"{value.quantize(step, rounding=ROUND_HALF_UP):,f}")
