"""From central's snapshot, a live price and the owner's options to a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from common.money import MarketRules, plain
from common.wire import BundleAnswer, Level, SupportLevels
from user_project.bots import wording
from user_project.bots.frozen_plan import RULES_VERSION, written_stages
from user_project.bots.options import write_table
from user_project.exchanges.adapter import (
    ExchangeAdapter,
    ExchangeError,
    MarketState,
    Refused,
)
from user_project.trading.facts import Why
from user_project.trading.orders import OrderKind, PriceQuote
from user_project.trading.plan import (
    InvalidPlan,
    Plan,
    PlanReason,
    PlanRequest,
    Shape,
    calculate_parameters,
    describe,
)
from user_project.trading.plan_request import TableStage

DEEPER: Final = (Level.AGGRESSIVE, Level.MODERATE, Level.CONSERVATIVE)
MOST_CANDIDATES: Final = 10
"""So many recommended coins are tried before auto-select waits for the next run."""


TOO_SHALLOW: Final = frozenset(
    {PlanReason.SUPPORT_ABOVE_PRICE, PlanReason.SUPPORT_TOO_CLOSE}
)


class PlanOptions(Protocol):
    """What the owner chooses; both a bot and a request for one look like this."""

    @property
    def budget(self) -> Decimal: ...
    @property
    def stages(self) -> int: ...
    @property
    def multiplier(self) -> Decimal: ...
    @property
    def shape(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def take_profit(self) -> Decimal: ...
    @property
    def jitter(self) -> Decimal: ...
    @property
    def max_depth(self) -> Decimal: ...
    @property
    def stage_table(self) -> tuple[TableStage, ...] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOptions:
    """What one round is planned with."""

    budget: Decimal
    stages: int
    multiplier: Decimal
    shape: str
    level: str
    take_profit: Decimal
    jitter: Decimal
    max_depth: Decimal
    stage_table: tuple[TableStage, ...] | None


class NoProposal(Exception):
    """No plan can be made now; ``why`` is the bot's reason, the text names the remedy."""

    def __init__(
        self,
        why: Why,
        message: str = "",
        *,
        code: str | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message or wording.reason_text(why))
        self.why = why
        self.code = code or why.value
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A feasible plan on one market and everything it was computed from."""

    state: MarketState
    level: Level
    support: Decimal
    quote: PriceQuote
    rules: MarketRules
    plan: Plan
    seed: bytes
    bundle: BundleAnswer
    options: PlanOptions

    def frozen(self) -> dict[str, Any]:
        """Return the JSON that a cycle keeps for its whole life."""
        return {
            "rules_version": RULES_VERSION,
            "market": self.state.market,
            "korean_name": self.state.korean_name,
            "level": self.level.value,
            "support": plain(self.support),
            "price": plain(self.quote.price),
            "price_at": self.quote.received_at.isoformat(),
            "run_id": self.bundle.run_id,
            "data_as_of": self.bundle.data_as_of.isoformat(),
            "seed": self.seed.hex(),
            "budget": plain(self.options.budget),
            "wanted_stages": self.options.stages,
            "multiplier": plain(self.options.multiplier),
            "shape": str(self.options.shape),
            "take_profit": plain(self.options.take_profit),
            "jitter": plain(self.options.jitter),
            "max_depth": plain(self.options.max_depth),
            "table": write_table(self.options.stage_table),
            "ticks_from": self.rules.ticks.effective_at.isoformat(),
            "ticks": [
                [plain(edge), plain(tick)] for edge, tick in self.rules.ticks.bands
            ],
            "min_total": plain(self.rules.min_total),
            "max_total": plain(self.rules.max_total),
            "bid_fee": plain(self.rules.bid_fee),
            "ask_fee": plain(self.rules.ask_fee),
            "reasons": [reason.value for reason in self.plan.reasons],
            "stages": written_stages(self.plan),
        }


def propose(
    *,
    adapter: ExchangeAdapter,
    options: PlanOptions,
    market: str,
    bundle: BundleAnswer,
    seed: bytes,
) -> Proposal:
    """Plan on *market*; raise NoProposal with the reason when that cannot be done."""
    state, rules = _read_market(adapter, market)
    _check_market(state, rules)
    quote = _read_price(adapter, market)
    level, plan = _plan_on_levels(
        _supports(bundle.support_levels.get(market), options=options, quote=quote),
        options=options,
        quote=quote,
        rules=rules,
        seed=seed,
    )
    return Proposal(
        state=state,
        level=level,
        support=plan.request.support,
        quote=quote,
        rules=rules,
        plan=plan,
        seed=seed,
        bundle=bundle,
        options=options,
    )


def propose_best(
    *,
    adapter: ExchangeAdapter,
    options: PlanOptions,
    bundle: BundleAnswer,
    seed: bytes,
    held: Collection[str],
) -> Proposal:
    """Plan on the best-ranked coin that is not held and allows a plan."""
    ranked = [item.symbol for item in bundle.recommendations or ()]
    problem = NoProposal(Why.NO_COIN)
    for market in [symbol for symbol in ranked if symbol not in held][:MOST_CANDIDATES]:
        try:
            return propose(
                adapter=adapter,
                options=options,
                market=market,
                bundle=bundle,
                seed=seed,
            )
        except NoProposal as error:
            if error.field not in (None, "market"):
                raise
            problem = error
    raise problem


def _read_market(
    adapter: ExchangeAdapter, market: str
) -> tuple[MarketState, MarketRules]:
    try:
        return adapter.get_market(market=market), adapter.get_rules(market=market)
    except Refused as error:
        raise NoProposal(
            Why.NO_COIN,
            (
                _(
                    "거래소에 %(market)s 마켓이 없습니다. KRW-BTC 같은 원화 마켓 코드를 쓰세요."
                )
                % {"market": market}
            ),
            code="UNKNOWN_MARKET",
            field="market",
        ) from error
    except ExchangeError as error:
        raise NoProposal(
            Why.STALE_PRICE,
            (
                _("거래소에 연결할 수 없습니다: %(error)s. 잠시 뒤 다시 하세요.")
                % {"error": error}
            ),
        ) from error


def _check_market(state: MarketState, rules: MarketRules) -> None:
    """Raise NoProposal where no round may begin, or none of our kinds is taken."""
    market = state.market
    if state.warning:
        raise NoProposal(
            Why.MARKET_WARNING,
            (
                _(
                    "%(market)s은(는) 거래소가 지정한 유의 종목입니다. 다른 코인을 고르세요."
                )
                % {"market": market}
            ),
            field="market",
        )
    takes_buys = {OrderKind.LIMIT, OrderKind.MARKET} <= rules.bid_kinds
    if not (rules.is_active and takes_buys and OrderKind.LIMIT in rules.ask_kinds):
        raise NoProposal(
            Why.MARKET_OFFLINE,
            (
                _(
                    "%(market)s은(는) 지금 거래소가 주문을 받지 않습니다. 잠시 뒤 다시 하거나 다른 코인을 고르세요."
                )
                % {"market": market}
            ),
            field="market",
        )


def _read_price(adapter: ExchangeAdapter, market: str) -> PriceQuote:
    try:
        return adapter.get_prices(markets=[market])[market]
    except (ExchangeError, KeyError) as error:
        raise NoProposal(
            Why.STALE_PRICE,
            (
                _("%(market)s의 현재가를 읽지 못했습니다. 잠시 뒤 다시 하세요.")
                % {"market": market}
            ),
        ) from error


def _supports(
    levels: SupportLevels | None, *, options: PlanOptions, quote: PriceQuote
) -> list[tuple[Level, Decimal]]:
    """Return the wanted level and the deeper ones, as far as they lie below the price."""
    known = levels.levels if levels else {}
    found: list[tuple[Level, Decimal]] = []
    for level in DEEPER[DEEPER.index(Level(options.level)) :]:
        support = known.get(level)
        if support and support.price is not None and support.price < quote.price:
            found.append((level, support.price))
    if not found and options.stage_table:
        # An own table needs no support: its last row says how deep it goes.
        last = options.stage_table[-1].drop
        found.append((Level(options.level), quote.price * (1 - last)))
    return found


def _plan_on_levels(
    supports: Sequence[tuple[Level, Decimal]],
    *,
    options: PlanOptions,
    quote: PriceQuote,
    rules: MarketRules,
    seed: bytes,
) -> tuple[Level, Plan]:
    """Plan on the first level that leaves room for stages; the next ones are deeper."""
    sentence = _(
        "현재가 아래에 쓸 수 있는 지지선이 없습니다. 더 깊은 지지선이나 다른 코인을 고르세요."
    )
    for level, support in supports:
        plan = _plan(options, quote=quote, support=support, rules=rules, seed=seed)
        if plan.feasible:
            return level, plan
        sentence = " ".join(plan_notes(plan))
        if not TOO_SHALLOW.intersection(plan.reasons):
            raise NoProposal(Why.MIN_ORDER, sentence, field="budget")
    raise NoProposal(Why.NO_SUPPORT, sentence, field="market")


def _plan(
    options: PlanOptions,
    *,
    quote: PriceQuote,
    support: Decimal,
    rules: MarketRules,
    seed: bytes,
) -> Plan:
    try:
        return calculate_parameters(
            request=PlanRequest(
                price=quote.price,
                support=support,
                budget=options.budget,
                stages=options.stages,
                multiplier=options.multiplier,
                shape=Shape(options.shape),
                take_profit=options.take_profit,
                jitter=options.jitter,
                max_depth=options.max_depth,
                table=options.stage_table,
                seed=seed,
                rules=rules,
            )
        )
    except InvalidPlan as error:
        raise NoProposal(
            Why.MIN_ORDER, str(error), code=error.code, field=error.field
        ) from error


def plan_notes(plan: Plan, /) -> Sequence[str]:
    """Return the plan's reasons as sentences in the active language."""
    language = "en" if str(get_language()).startswith("en") else "ko"
    return [describe(reason, language=language, plan=plan) for reason in plan.reasons]
