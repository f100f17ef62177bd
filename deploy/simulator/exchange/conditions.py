"""What the exchange's operator has switched: maintenance, delisting, flags, fees, ticks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Self

from common.money import KRW_TICKS, MarketRules, TickTable, plain, ticks_of
from deploy.simulator.exchange.assumptions import Assumptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One market's switches; None leaves what the market has by itself."""

    offline: bool = False
    """In maintenance: nothing trades, orders are refused with market_offline."""
    delisted: bool = False
    """Gone from all lists; orders are refused with notfoundmarket."""
    delisting_date: str | None = None
    """Announced day (YYYY-MM-DD), shown by the ticker stream."""
    warning: bool | None = None
    caution: tuple[str, ...] | None = None
    bid_fee: Decimal | None = None
    ask_fee: Decimal | None = None
    min_total: Decimal | None = None
    max_total: Decimal | None = None
    ticks: TickTable | None = None

    @classmethod
    def read(cls, values: dict[str, Any], /) -> Self:
        """Build from JSON; amounts are text, ticks rows of (edge, tick)."""
        known = dict(values)
        for name in ("bid_fee", "ask_fee", "min_total", "max_total"):
            if known.get(name) is not None:
                known[name] = Decimal(known[name])
        if known.get("caution") is not None:
            known["caution"] = tuple(known["caution"])
        if known.get("ticks") is not None:
            rows = sorted(((Decimal(e), Decimal(t)) for e, t in known["ticks"]))
            known["ticks"] = TickTable(
                effective_at=date.min, bands=tuple(reversed(rows))
            )
        return cls(**known)

    def written(self) -> dict[str, Any]:
        """Return as JSON what `read` takes."""
        values = {
            name: value for name, value in asdict(self).items() if value is not None
        }
        if self.ticks is not None:
            values["ticks"] = [[plain(e), plain(t)] for e, t in self.ticks.bands]
        return {
            name: plain(value) if isinstance(value, Decimal) else value
            for name, value in values.items()
        }


_USUAL = Condition()


class Conditions:
    """The switches of all markets; `maintenance` puts the whole exchange offline."""

    def __init__(self, *, assumptions: Assumptions | None = None) -> None:
        self.assumptions = assumptions or Assumptions()
        self.maintenance = False
        self._changed: dict[str, Condition] = {}

    def of(self, *, market: str) -> Condition:
        """Return a market's switches."""
        return self._changed.get(market, _USUAL)

    def change(self, *, market: str, **changes: Any) -> Condition:
        """Set some switches of a market; return them all."""
        return self.put(
            market=market, condition=replace(self.of(market=market), **changes)
        )

    def put(self, *, market: str, condition: Condition) -> Condition:
        """Set all switches of a market."""
        self._changed[market] = condition
        return condition

    def is_offline(self, *, market: str) -> bool:
        """Tell whether nothing trades on a market at present."""
        return self.maintenance or self.of(market=market).offline

    def is_listed(self, *, market: str) -> bool:
        """Tell whether a market is still on the exchange's lists."""
        return not self.of(market=market).delisted

    def ticks(self, *, market: str) -> TickTable:
        """Return the tick table in force on a market."""
        changed = self.of(market=market).ticks
        if changed is not None:
            return changed
        plain_table = self.assumptions.stable_tick == "table"
        return KRW_TICKS if plain_table else ticks_of(market=market)

    def rules(self, *, market: str) -> MarketRules:
        """Return fees, totals and ticks in force on a market."""
        condition = self.of(market=market)
        names = ("bid_fee", "ask_fee", "min_total", "max_total")
        given = {name: getattr(condition, name) for name in names}
        changed = {name: value for name, value in given.items() if value is not None}
        usual = MarketRules(market=market, ticks=self.ticks(market=market))
        return replace(usual, **changed)
