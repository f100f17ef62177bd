"""JSON web tokens as Upbit's clients make them: HS256 or HS512, nothing else."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any, Final

import jwt

ALGORITHMS: Final = ["HS256", "HS512"]


class TokenUnreadable(ValueError):
    """The text is no token of a kind that is accepted."""


def claimed_key(token: str, /) -> str:
    """Return the access key that a token claims, which proves nothing yet."""
    try:
        part = token.split(".")[1].encode("ascii")
        # Unlike others, tokens leave the padding out.
        claims = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
        return str(claims["access_key"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise TokenUnreadable("not a token that names an access key") from error


def verified(token: str, /, *, secret: str) -> dict[str, Any]:
    """Return what the holder of *secret* (plain bytes, not base64) has signed."""
    try:
        return dict(jwt.decode(token, secret, algorithms=ALGORITHMS, options=_BARE))
    except (jwt.InvalidTokenError, RecursionError) as error:
        raise TokenUnreadable("not signed with the key's secret") from error


_BARE: Final[Any] = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss")
}
"""Upbit knows no such claims: a token is good for one call, by its nonce."""
