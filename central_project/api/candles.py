"""The body of ``GET /candles/{symbol}``: what one coin's analysis was computed from."""

from __future__ import annotations

from django.conf import settings

from central_project.api.answers import Current, absences
from central_project.api.errors import ApiProblem
from central_project.api.forms import Rendered, render
from central_project.market.models import SupportLevel, Unit
from central_project.market.services.used_candles import UsedCandle, candles_used
from common import wire


def candles(current: Current, /, *, symbol: str, limit: int) -> Rendered:
    """Return the newest *limit* hours of *symbol*, oldest first; raise a 404 problem.

    Not kept in Redis: 250 coins of 90 days would crowd out everything else there.
    """
    if not SupportLevel.objects.filter(run=current.run, market=symbol).exists():
        why = absences([symbol])[symbol]
        raise ApiProblem(404, why.code, why.message)
    head = current.envelope()
    used = candles_used(
        market=symbol, as_of=head["data_as_of"], days=settings.HISTORY_DAYS
    )
    answer = wire.CandlesAnswer(
        **head,
        symbol=symbol,
        unit=Unit.HOUR.value,
        candles=[_candle(one) for one in used[-limit:]],
    )
    return render(answer.model_dump_json(exclude_unset=True).encode())


def _candle(used: UsedCandle, /) -> wire.Candle:
    names = wire.Candle.model_fields
    return wire.Candle(**{name: getattr(used, name) for name in names})
