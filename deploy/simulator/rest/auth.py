"""Who calls: the keys of this exchange, and what a call proves about its sender.

A call is checked in this order: token present, readable, key known, signature, expiry,
address, nonce; then, once it is counted, the hash of what it asks and the key's scopes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.rest.parameters import Parameters
from deploy.simulator.rest.tokens import TokenUnreadable, claimed_key, verified

KEY_LIFE: Final = timedelta(days=365)
NONCE_MEMORY: Final = timedelta(hours=24)


class Scope(StrEnum):
    """What a key may do, in the words of `GET /v1/pockets/api_keys`."""

    VIEW_ACCOUNT = "view_account"
    VIEW_ORDERS = "view_orders"
    MAKE_ORDERS = "make_orders"
    VIEW_WITHDRAWALS = "view_withdrawals"
    WITHDRAW = "withdraw"
    VIEW_DEPOSITS = "view_deposits"
    DEPOSIT = "deposit"
    TRANSFER = "transfer"
    MANAGE_POCKETS = "manage_pockets"


TRADING: Final = frozenset({Scope.VIEW_ACCOUNT, Scope.VIEW_ORDERS, Scope.MAKE_ORDERS})
"""All that a bot needs, and what a key has unless it is given more."""


@dataclass(slots=True)
class _Nonces:
    """What one key has used, remembered for one to two days without their times."""

    since: datetime
    recent: set[str] = field(default_factory=set)
    older: set[str] = field(default_factory=set)

    def use(self, nonce: str, now: datetime) -> bool:
        """Remember a nonce; False when it was used before."""
        if now - self.since >= NONCE_MEMORY:
            self.older, self.recent, self.since = self.recent, set(), now
        if nonce in self.recent or nonce in self.older:
            return False
        self.recent.add(nonce)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One access key; keys of one pocket share its money, orders and rate limits."""

    access_key: str
    secret: str = field(repr=False)
    pocket: str
    """The account of the engine that the key opens."""
    scopes: frozenset[Scope]
    allowed_ips: tuple[str, ...]
    """Addresses it works from; empty for any."""
    created_at: datetime
    expire_at: datetime
    nonces: _Nonces = field(repr=False, compare=False)

    def is_expired(self, *, now: datetime) -> bool:
        """Tell whether the key's year is over."""
        return now >= self.expire_at


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever signed a call: the key, and the hash of what they meant to ask."""

    key: ApiKey
    claims: dict[str, Any] = field(repr=False)

    def check_hash(self, *, asked: Parameters) -> None:
        """Refuse a call that asks something else than was signed (401)."""
        if not asked.pairs:
            return
        signed = self.claims.get("query_hash")
        algorithm = str(self.claims.get("query_hash_alg", "SHA512")).upper()
        if algorithm == "SHA512" and any(
            hashlib.sha512(text.encode()).hexdigest() == signed for text in asked.texts
        ):
            return
        raise _refused(
            "invalid_query_payload", "JWT의 query_hash가 요청한 내용과 다릅니다."
        )

    def check_scope(self, *, needed: Scope | None) -> None:
        """Refuse a call that the key was not made for (401); None needs no right."""
        if needed is not None and needed not in self.key.scopes:
            raise _refused("out_of_scope", "이 API Key에는 필요한 권한이 없습니다.")


class KeyRing:
    """The keys this exchange has given out."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    def add(
        self,
        *,
        access_key: str,
        secret: str,
        now: datetime,
        pocket: str | None = None,
        scopes: Collection[Scope] = TRADING,
        allowed_ips: Collection[str] = (),
        expire_at: datetime | None = None,
    ) -> ApiKey:
        """Give out a key, by default for a year and a pocket of its own name."""
        if not access_key or not secret:
            raise ValueError("a key needs an access key and a secret")
        key = ApiKey(
            access_key=access_key,
            secret=secret,
            pocket=pocket or access_key,
            scopes=frozenset(scopes),
            allowed_ips=tuple(allowed_ips),
            created_at=now,
            expire_at=expire_at or now + KEY_LIFE,
            nonces=_Nonces(now),
        )
        self._keys[access_key] = key
        return key

    def revoke(self, *, access_key: str) -> None:
        """Take a key back; calls with it are refused from now on."""
        if self._keys.pop(access_key, None) is None:
            raise KeyError(f"no key {access_key}; there are {', '.join(self._keys)}")

    def key(self, *, access_key: str) -> ApiKey:
        """Return a known key."""
        return self._keys[access_key]

    def of_pocket(self, *, pocket: str) -> list[ApiKey]:
        """Return a pocket's keys, the first one made first."""
        return [key for key in self._keys.values() if key.pocket == pocket]

    def authenticate(
        self, *, header: str | None, address: str, now: datetime
    ) -> Caller:
        """Return who signed the call; raises UpbitProblem (401)."""
        if not header or not header.startswith("Bearer "):
            raise _refused("no_authorization_token", "인증 토큰이 필요합니다.")
        token = header.removeprefix("Bearer ").strip()
        key = self._keys.get(_claimed_key(token))
        if key is None:
            raise _refused("invalid_access_key", "등록되지 않은 Access Key입니다.")
        try:
            claims = verified(token, secret=key.secret)
        except TokenUnreadable as error:
            text = "JWT의 서명을 확인하지 못했습니다."
            raise _refused("jwt_verification", text) from error
        _check_key(key, claims.get("nonce"), address, now)
        return Caller(key, claims)


def _refused(name: str, message: str) -> UpbitProblem:
    return UpbitProblem(status=401, name=name, message=message)


def _claimed_key(token: str) -> str:
    try:
        return claimed_key(token)
    except TokenUnreadable as error:
        raise _refused("jwt_verification", "JWT를 읽지 못했습니다.") from error


def _check_key(key: ApiKey, nonce: object, address: str, now: datetime) -> None:
    if key.is_expired(now=now):
        raise _refused("expired_access_key", "API Key의 사용 기한이 지났습니다.")
    if key.allowed_ips and address not in key.allowed_ips:
        raise _refused("no_authorization_ip", "This is not a verified IP.")
    if not isinstance(nonce, str) or not nonce:
        raise _refused("jwt_verification", "JWT에 nonce가 없습니다.")
    if not key.nonces.use(nonce, now):
        raise _refused("nonce_used", "이미 사용한 nonce입니다.")
