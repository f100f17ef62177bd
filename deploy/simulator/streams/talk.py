"""What a WebSocket client says, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from deploy.simulator.exchange.venue import instant
from deploy.simulator.house import House
from deploy.simulator.rest.auth import ApiKey, Scope
from deploy.simulator.rest.limits import OverLimit
from deploy.simulator.rest.order_views import Json
from deploy.simulator.streams.accounts import AccountStreams
from deploy.simulator.streams.asked import (
    PRIVATE_TYPES,
    Request,
    StreamProblem,
    Subscription,
    market_of,
    read,
)
from deploy.simulator.streams.connection import Connection
from deploy.simulator.streams.hub import Hub

_MESSAGE: Final = "websocket-message"
_SCOPES: Final = {"myOrder": Scope.VIEW_ORDERS, "myAsset": Scope.VIEW_ACCOUNT}


@dataclass(slots=True, kw_only=True)
class Talk:
    """One client's side of a connection."""

    house: House
    hub: Hub
    accounts: AccountStreams
    connection: Connection
    key: ApiKey | None
    """None on the public side."""
    counted: str = field(default_factory=lambda: f"connection {uuid4()}")
    """Under this name its messages are counted."""

    async def hear(self, said: str | bytes) -> bool:
        """Do what the client says; False when that ends the connection."""
        text = said if isinstance(said, str) else said.decode(errors="replace")
        if text.strip() == "PING":
            self.connection.ping()
            return True
        try:
            self._count()
            await self._obey(read(text))
        except StreamProblem as problem:
            self.connection.say(problem.body())
            return problem.lasting or self.house.assumptions.stream_error == "stays"
        return True

    def _count(self) -> None:
        try:
            self.house.limits.take(
                group=_MESSAGE, who=self.counted, now_ms=self.house.now_ms()
            )
        except OverLimit as error:
            raise _too_many(error.blocked_seconds) from error

    async def _obey(self, asked: Request) -> None:
        for subscription in asked.subscriptions:
            self._check(subscription)
        if asked.format is not None:
            self.connection.form = asked.format
        if asked.subscriptions:
            await self.hub.subscribe(self.connection, asked.subscriptions)
        if any(one.type == "myAsset" for one in asked.subscriptions):
            self.accounts.begin(self.connection)
        if asked.lists:
            self.connection.say(self._listing(asked), form=self.connection.form)

    def _check(self, subscription: Subscription) -> None:
        """Refuse what this side does not offer or this key may not see."""
        kind = subscription.type
        if kind in PRIVATE_TYPES:
            self._check_key(_SCOPES[kind])
        elif self.key is not None:
            raise StreamProblem("INVALID_PARAM", f"{kind} 은 지원하지 않는 타입입니다.")
        if self.house.assumptions.unknown_code == "error":
            self._check_codes(subscription)

    def _check_key(self, needed: Scope) -> None:
        key, now = self.key, instant(self.house.now_ms())
        if (
            key is None
            or key not in self.house.keys.of_pocket(pocket=key.pocket)
            or key.is_expired(now=now)
            or needed not in key.scopes
        ):
            raise StreamProblem("INVALID_AUTH", "인증 정보가 올바르지 않습니다.")

    def _check_codes(self, subscription: Subscription) -> None:
        for code in subscription.codes:
            if market_of(subscription.type, code) not in self.house.venue.feeds:
                text = f"{code} 은 존재하지 않는 코드입니다."
                raise StreamProblem("INVALID_PARAM", text, lasting=True)

    def _listing(self, asked: Request) -> Json:
        return {
            "method": "LIST_SUBSCRIPTIONS",
            "result": [one.listed() for one in self.connection.subscriptions],
            "ticket": asked.ticket,
        }


def _too_many(blocked_seconds: int | None) -> StreamProblem:
    if blocked_seconds is None:
        text = "요청 수 제한을 초과했습니다. 다음 초에 다시 시도해주세요."
        return StreamProblem("Too Many Requests", text, lasting=True)
    text = f"요청이 {blocked_seconds}초 동안 제한되었습니다."
    return StreamProblem("I'm a teapot", text, lasting=True)
