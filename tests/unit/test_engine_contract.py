"""The engine behind the port keeps the adapters' contract: so do tests that use it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.register_assert_rewrite("tests.adapter_contract")

from tests.adapter_contract import AdapterContract, World  # noqa: E402  # rewritten first
from tests.engine_exchange import MARKET, EngineExchange  # noqa: E402
from user_project.trading.orders import OrderRequest  # noqa: E402


class EngineWorld(World):
    """An engine in this process; others buy five ticks below where they sell."""

    def __init__(self) -> None:
        self.adapter = self.exchange = EngineExchange(
            clock=lambda: datetime.now(UTC), spread_ticks=5
        )
        self.market = MARKET

    def best_ask(self) -> Decimal:
        return self.exchange.price

    def has_met_the_market(self, request: OrderRequest) -> bool:
        return True

    def trade(self, *, price: Decimal, volume: Decimal | None = None) -> None:
        self.exchange.trade_at(
            str(price), volume=None if volume is None else str(volume)
        )


class TestEngine(AdapterContract):
    """Every rule, in this process."""

    @pytest.fixture
    def world(self) -> World:
        return EngineWorld()
