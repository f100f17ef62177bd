"""The v1 answers: built from the published rows, kept in Redis per run and standing.

A run's rows never change under its name, so a kept answer cannot be wrong, only gone;
then the database builds the same bytes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Final, cast

from central_project.api.errors import ApiProblem
from central_project.api.forms import (
    STATUS,
    Rendered,
    Standing,
    kept,
    recommendations_name,
    render,
    support_name,
)
from central_project.api.requests import BundleRequest
from central_project.market.models import (
    AnalysisRun,
    Coin,
    Publication,
    Recommendation,
    RunState,
    SupportLevel,
)
from central_project.market.source_errors import EXCHANGE_AWAY
from common import wire

FIRST_RUN_WAIT: Final = 30
HOT_LIMITS: Final = (10, wire.MAX_RECOMMENDATIONS)
"""Lists that are rendered before anybody asks; the longest is also the default."""


class RunReplaced(Exception):
    """A repetition was published, or the run pruned, while its rows were read.

    They may be another attempt's, and would be kept under this one's name.
    """


@dataclass(frozen=True)
class Current:
    """The run that readers get, and how it stands at this moment."""

    run: AnalysisRun
    pipeline: str
    """ok, suspect (the audit disagreed), late (no newer run) or failed (newest run)."""
    exchange: str
    """ok, or down when the newest run failed on the exchange."""

    is_kept: ClassVar[bool] = True
    """Whether its answers are kept in Redis: many readers ask for the same few."""

    @property
    def stale(self) -> bool:
        """Tell whether new decisions should not rely on these results."""
        return self.pipeline != "ok"

    @property
    def standing(self) -> Standing:
        """Return what decides the variant, without the rows."""
        run = self.run
        return Standing(
            run_id=run.run_id,
            pipeline=self.pipeline,
            exchange=self.exchange,
            stale=self.stale,
            # Every published run has both times.
            valid_until=cast("datetime", run.valid_until),
            next_run_at=cast("datetime", run.next_run_at),
        )

    def envelope(self) -> dict[str, Any]:
        """Return identity and age, the head of every answer."""
        run = self.run
        return {
            "schema_version": wire.SCHEMA_VERSION,
            "run_id": run.run_id,
            "data_as_of": run.data_as_of,
            "generated_at": run.published_at,
            "valid_until": run.valid_until,
            "next_run_at": run.next_run_at,
            "stale": self.stale,
        }


def current_run(*, now: datetime) -> Current:
    """Return what is published; raise a 503 problem before the first run."""
    pointer = Publication.objects.select_related("current__settings").first()
    run = pointer.current if pointer else None
    if run is None:
        raise ApiProblem(
            503,
            "NOT_PUBLISHED",
            "No analysis has been published yet. Try again after Retry-After seconds;"
            " operators see its progress in the admin.",
            retry_after=FIRST_RUN_WAIT,
        )
    current = Current(run, *_health(run))
    return replace(current, pipeline=current.standing.at(now=now).pipeline)


def _health(run: AnalysisRun, /) -> tuple[str, str]:
    """Return the state of the pipeline, apart from time, and of the exchange."""
    newest = (
        AnalysisRun.objects.exclude(state=RunState.RUNNING)
        .only("window_start", "state", "error_code")
        .first()
    )
    # An older failure says nothing, also while the run itself is being repeated.
    is_newer = newest is not None and newest.window_start >= run.window_start
    if newest and is_newer and newest.state == RunState.FAILED:
        away = newest.error_code in EXCHANGE_AWAY
        return "failed", "down" if away else "ok"
    return "suspect" if run.suspect else "ok", "ok"


def recommendations(current: Current, /, *, limit: int) -> Rendered:
    """Return the answer to ``GET /recommendations``."""
    return _kept(
        current,
        recommendations_name(limit),
        lambda: _recommendations_answer(current, limit),
    )


def support_levels(current: Current, /, *, symbol: str) -> Rendered:
    """Return the answer to ``GET /support-levels/{symbol}``; raise a 404 problem."""

    def build() -> wire.SupportLevelsAnswer:
        found, errors = _support_levels(current, [symbol])
        if symbol in errors:
            raise ApiProblem(404, errors[symbol].code, errors[symbol].message)
        return _support_answer(current, found[symbol])

    return _kept(current, support_name(symbol), build)


def market_status(current: Current, /) -> Rendered:
    """Return the answer to ``GET /market-status``."""
    return _kept(current, STATUS, lambda: _status_answer(current))


def hot(current: Current, /) -> dict[str, Rendered]:
    """Return by name what readers GET often, built from the database."""
    run = current.run
    symbols = SupportLevel.objects.filter(run=run).values_list("market", flat=True)
    found, _ = _support_levels(current, list(symbols))
    answers: dict[str, wire.Envelope] = {STATUS: _status_answer(current)}
    for limit in HOT_LIMITS:
        answers[recommendations_name(limit)] = _recommendations_answer(current, limit)
    for symbol, levels in found.items():
        answers[support_name(symbol)] = _support_answer(current, levels)
    _refuse_replaced(current)
    return {name: render(_bytes(answer)) for name, answer in answers.items()}


def bundle(current: Current, request: BundleRequest, /) -> Rendered:
    """Return the answer to ``POST /bundle``: every part from the same run."""
    if request.known_run_id == current.run.run_id:
        same = wire.BundleAnswer(**current.envelope(), unchanged=True)
        return render(_bytes(same))

    def build() -> wire.BundleAnswer:
        parts: dict[str, Any] = {"unchanged": False, "errors": {}}
        if request.recommendations is not None:
            parts |= _recommendations(current, request.recommendations.limit)
        if request.support_levels:
            found, errors = _support_levels(current, request.support_levels)
            parts["support_levels"] = found
            parts["errors"] = {f"support_levels.{s}": e for s, e in errors.items()}
        if request.market_status:
            parts["market_status"] = _market_status(current)
        return wire.BundleAnswer(**current.envelope(), **parts)

    # Not kept: a reader asks once a run, and there are more bundles than memory.
    return render(_whole(current, build))


def _kept(
    current: Current, name: str, build: Callable[[], wire.Envelope], /
) -> Rendered:
    if not current.is_kept:
        return render(_whole(current, build))
    return kept(current.standing, name, lambda: _whole(current, build))


def _whole(current: Current, build: Callable[[], wire.Envelope], /) -> bytes:
    answer = build()
    _refuse_replaced(current)
    return _bytes(answer)


def _refuse_replaced(current: Current, /) -> None:
    run = current.run
    same = AnalysisRun.objects.filter(
        pk=run.pk, published_attempt=run.published_attempt
    )
    if not same.exists():
        raise RunReplaced(run.run_id)


def _bytes(answer: wire.Envelope, /) -> bytes:
    return answer.model_dump_json(exclude_unset=True).encode()


def _recommendations_answer(
    current: Current, limit: int, /
) -> wire.RecommendationsAnswer:
    return wire.RecommendationsAnswer(
        **current.envelope(), **_recommendations(current, limit)
    )


def _support_answer(
    current: Current, levels: wire.SupportLevels, /
) -> wire.SupportLevelsAnswer:
    return wire.SupportLevelsAnswer(
        **current.envelope(), **levels.model_dump(exclude_unset=True)
    )


def _status_answer(current: Current, /) -> wire.MarketStatusAnswer:
    status = _market_status(current)
    return wire.MarketStatusAnswer(
        **current.envelope(), **status.model_dump(exclude_unset=True)
    )


def _recommendations(current: Current, limit: int, /) -> dict[str, Any]:
    run = current.run
    rows = Recommendation.objects.filter(run=run, rank__lte=limit).order_by("rank")
    return {
        "recommendations": [_recommendation(row) for row in rows],
        "universe_size": run.universe_size,
        "excluded_count": run.excluded_count,
        "score_version": run.settings.version if run.settings else "",
    }


def _recommendation(row: Recommendation, /) -> wire.Recommendation:
    return wire.Recommendation(
        rank=row.rank,
        symbol=row.market,
        korean_name=row.korean_name,
        english_name=row.english_name,
        price=row.price,
        score=row.score,
        scores=row.scores,
        reasons=row.reasons,
        metrics=row.metrics,
        warnings=row.warnings,
    )


def _support_levels(
    current: Current, symbols: Sequence[str], /
) -> tuple[dict[str, wire.SupportLevels], dict[str, wire.PartError]]:
    rows = SupportLevel.objects.filter(run=current.run, market__in=symbols)
    found = {
        row.market: wire.SupportLevels(
            symbol=row.market,
            price=row.price,
            # The JSON column forgets the order: nearest level first.
            levels={level: row.levels[level] for level in wire.Level},
        )
        for row in rows
    }
    missing = [symbol for symbol in symbols if symbol not in found]
    return found, absences(missing) if missing else {}


def absences(symbols: Sequence[str], /) -> dict[str, wire.PartError]:
    """Return why each of *symbols* is not in a run."""
    listed = set(
        Coin.objects.filter(market__in=symbols, listed=True).values_list(
            "market", flat=True
        )
    )
    return {symbol: _absence(symbol, symbol in listed) for symbol in symbols}


def _absence(symbol: str, is_listed: bool, /) -> wire.PartError:
    if is_listed:
        return wire.PartError(
            code="NOT_ANALYSED",
            message=f"{symbol} could not be analysed in this run"
            " (usually too little history); try again after the next run.",
        )
    return wire.PartError(
        code="UNKNOWN_SYMBOL",
        message=f"{symbol} is not a KRW market that is traded now; check the symbol.",
    )


def _market_status(current: Current, /) -> wire.MarketStatus:
    """Return the run's judgement; old or failed, it is no judgement of the present."""
    status = wire.MarketStatus.model_validate(current.run.market_status)
    if current.pipeline == "ok":
        return status
    return status.model_copy(
        update={
            "phase": wire.Phase.UNKNOWN,
            "pipeline": current.pipeline,
            "exchange": current.exchange,
        }
    )
