"""What to ask central for, how parts become one answer, and what cannot be true."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _

from common.wire import SYMBOL_PATTERN, BundleAnswer
from user_project.central_api.client import CentralUnavailable

CLOCK_TOLERANCE: Final = timedelta(seconds=60)
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)


def wanted_symbols(*, extra: Iterable[str], last: BundleAnswer | None) -> list[str]:
    """Markets worth asking for: the bots' own first, then those ranked last time."""
    ranked = last.recommendations if last else None
    asked = [*extra, *(item.symbol for item in ranked or ())]
    # One impossible code would make central refuse the whole request.
    return [symbol for symbol in dict.fromkeys(asked) if _SYMBOL.match(symbol)]


def missing_symbols(answer: BundleAnswer, /, *, extra: Iterable[str]) -> list[str]:
    """Markets of bots, or ranked in *answer*, on which it says nothing."""
    return [
        symbol
        for symbol in wanted_symbols(extra=extra, last=answer)
        if symbol not in answer.support_levels
        and f"support_levels.{symbol}" not in answer.errors
    ]


def merge(first: BundleAnswer, second: BundleAnswer, /) -> BundleAnswer:
    """Join two answers of the same run."""
    return first.model_copy(
        update={
            "support_levels": {**first.support_levels, **second.support_levels},
            "errors": {**first.errors, **second.errors},
        }
    )


def check(answer: BundleAnswer, /, *, last: BundleAnswer | None, now: datetime) -> None:
    """Raise CentralUnavailable for what may not replace the last good answer."""
    _check_times(answer, last=last, now=now)
    absent = [
        part
        for part in ("recommendations", "market_status")
        if getattr(answer, part) is None
    ]
    if absent:
        raise CentralUnavailable(
            _(
                "본사 응답에 %(absent)s 부분이 없어 버렸습니다. 본사 운영자에게 알리세요."
            )
            % {"absent": ", ".join(absent)}
        )
    wrong = _first_wrong_symbol(answer)
    if wrong is not None:
        raise CentralUnavailable(
            _(
                "본사 자료가 틀려 버렸습니다: %(wrong)s의 지지선이나 이름이 맞지 않습니다. 본사 운영자에게 알리세요."
            )
            % {"wrong": wrong}
        )


def _check_times(
    answer: BundleAnswer, *, last: BundleAnswer | None, now: datetime
) -> None:
    if answer.data_as_of > now + CLOCK_TOLERANCE:
        raise CentralUnavailable(
            _("본사 자료의 시각이 미래라 버렸습니다. 두 서버의 시계를 맞추세요.")
        )
    if last is not None and answer.data_as_of < last.data_as_of:
        raise CentralUnavailable(
            _(
                "본사가 받은 것보다 오래된 자료를 보내 버렸습니다. 본사 운영자에게 알리세요."
            )
        )


def _first_wrong_symbol(answer: BundleAnswer) -> str | None:
    for symbol, levels in answer.support_levels.items():
        prices: Sequence[object] = [
            level.price
            for level in levels.levels.values()
            if level.price is not None and level.price >= levels.price
        ]
        if prices or levels.symbol != symbol:
            return symbol
    return None
