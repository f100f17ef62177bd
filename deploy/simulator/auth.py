"""Who calls: JWT signature, fresh nonce and the hash of what was asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, unquote_plus

import jwt

from deploy.simulator.errors import UpbitProblem

KEY_LIFE = timedelta(days=365)
NONCE_MEMORY = timedelta(hours=24)


@dataclass(slots=True)
class ApiKey:
    """One access key of one account; the account carries the key's name."""

    access_key: str
    secret: str = field(repr=False)
    expire_at: datetime
    nonces: dict[str, datetime] = field(default_factory=dict, repr=False)


class KeyRing:
    """The keys this exchange has given out."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    def add(self, *, access_key: str, secret: str, now: datetime) -> None:
        """Give out a key that is valid for a year."""
        self._keys[access_key] = ApiKey(access_key, secret, now + KEY_LIFE)

    def key(self, *, access_key: str) -> ApiKey:
        """Return a known key."""
        return self._keys[access_key]

    def authenticate(
        self, *, header: str | None, query: str, body: bytes, now: datetime
    ) -> str:
        """Return the access key that signed the call; raises UpbitProblem (401)."""
        if not header or not header.startswith("Bearer "):
            raise _refused("no_authorization_token", "인증 토큰이 필요합니다.")
        token = header.removeprefix("Bearer ").strip()
        key = self._keys.get(str(_claims(token).get("access_key")))
        if key is None:
            raise _refused("invalid_access_key", "잘못된 엑세스 키입니다.")
        claims = _verified(token, key.secret)
        if now >= key.expire_at:
            raise _refused("expired_access_key", "API 키가 만료되었습니다.")
        _use_nonce(key, claims.get("nonce"), now)
        _check_hash(claims, query, body)
        return key.access_key


def _refused(name: str, message: str) -> UpbitProblem:
    return UpbitProblem(status=401, name=name, message=message)


def _claims(token: str) -> dict[str, Any]:
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except jwt.InvalidTokenError as error:
        raise _refused("jwt_verification", "JWT 검증에 실패했습니다.") from error


def _verified(token: str, secret: str) -> dict[str, Any]:
    try:
        return dict(jwt.decode(token, secret, algorithms=["HS256", "HS512"]))
    except jwt.InvalidTokenError as error:
        raise _refused("jwt_verification", "JWT 검증에 실패했습니다.") from error


def _use_nonce(key: ApiKey, nonce: object, now: datetime) -> None:
    if not isinstance(nonce, str) or not nonce or nonce in key.nonces:
        raise _refused("nonce_used", "이미 사용된 nonce 값입니다.")
    # Insertion order is time order, so the oldest are at the front.
    while key.nonces:
        oldest = next(iter(key.nonces))
        if now - key.nonces[oldest] < NONCE_MEMORY:
            break
        del key.nonces[oldest]
    key.nonces[nonce] = now


def _check_hash(claims: dict[str, Any], query: str, body: bytes) -> None:
    texts = _query_texts(query) if query else _body_texts(body)
    if not texts:
        return
    algorithm = str(claims.get("query_hash_alg", "SHA512")).upper()
    hashes = {hashlib.sha512(text.encode()).hexdigest() for text in texts}
    if algorithm != "SHA512" or claims.get("query_hash") not in hashes:
        raise _refused(
            "invalid_query_payload", "Jwt의 query를 검증하는데 실패하였습니다."
        )


def _query_texts(query: str) -> set[str]:
    """Return the un-encoded query, with the spaces as themselves and as plus signs."""
    plain = unquote_plus(query)
    return {unquote(query), plain, plain.replace(" ", "+")}


def _body_texts(body: bytes) -> set[str]:
    if not body:
        return set()
    try:
        pairs = json.loads(body, object_pairs_hook=list, parse_float=str, parse_int=str)
        text = "&".join(_pair(name, value) for name, value in pairs)
    except (ValueError, TypeError) as error:
        raise UpbitProblem(
            status=400, name="bad_request", message="JSON 본문을 확인해주세요."
        ) from error
    return {text} if text else set()


def _pair(name: str, value: object) -> str:
    if isinstance(value, list):
        return "&".join(f"{name}[]={item}" for item in value)
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    return f"{name}={value}"
